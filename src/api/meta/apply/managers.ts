import { StatusError } from "../../errors.ts";
import type { SchemaNode } from "../../schema/node.ts";
import { isJsonObject, type JsonObject } from "../../schema/struct.ts";
import type { ManagedFieldsEntry } from "../../types/meta.v1.ts";
import {
  type FieldSet,
  difference,
  emptySet,
  intersection,
  isEmptySet,
  isEqualSet,
  paths,
  readFields,
  union,
  without,
  writeFields,
} from "./field-set.ts";
import { compare, fieldSetOf, mergeValues, removePlaces, withNamedFields } from "./typed-values.ts";

/** Who wrote fields of an object, by which kind of request. */
export interface Manager {
  name: string;
  operation: "Apply" | "Update";
  apiVersion: string;
  /** "" for the main resource. */
  subresource: string;
}

/** A manager with the fields that it owns. */
export interface Ownership extends Manager {
  time: string | undefined;
  set: FieldSet;
}

/** Fields that nobody owns: what says which object it is, and what only the server sets. */
const unowned = [
  "f:apiVersion",
  "f:kind",
  ...["name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"].map(
    (name) => `f:metadata/f:${name}`,
  ),
];

/** The ownerships that managedFields tells. */
export function readManagers(entries: readonly ManagedFieldsEntry[] | undefined): Ownership[] {
  return (entries ?? []).map(({ manager = "", operation, apiVersion = "", subresource = "", time, fieldsV1 }) => ({
    name: manager,
    operation: operation === "Apply" ? "Apply" : "Update",
    apiVersion,
    subresource,
    time,
    set: readFields(fieldsV1),
  }));
}

/** The other way, in upstream's order: appliers first, then by time, then by name. */
export function writeManagers(managers: readonly Ownership[]): ManagedFieldsEntry[] {
  const rank = ({ operation, time = "", name, apiVersion, subresource }: Ownership): string =>
    [operation, time, name, apiVersion, subresource].join("\n");
  return [...managers]
    .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
    .map(({ name, operation, apiVersion, subresource, time, set }) => ({
      manager: name,
      operation,
      apiVersion,
      ...(time === undefined ? {} : { time }),
      fieldsType: "FieldsV1",
      fieldsV1: writeFields(set),
      ...(subresource ? { subresource } : {}),
    }));
}

/** Appliers are the same whatever version they use. */
function isSame(a: Manager, b: Manager): boolean {
  const sameVersion = a.operation === "Apply" || a.apiVersion === b.apiVersion;
  return a.name === b.name && a.operation === b.operation && a.subresource === b.subresource && sameVersion;
}

/** Takes changed and removed fields from all; those left with nothing are no managers any more. */
function withdraw(managers: readonly Ownership[], taken: FieldSet): Ownership[] {
  return managers.map((manager) => ({ ...manager, set: difference(manager.set, taken) })).filter(({ set }) => !isEmptySet(set));
}

/** What one manager owns who alone made an object so far. */
export function ownershipOfAll(node: SchemaNode, object: object, by: Manager, now: string): Ownership {
  return { ...by, time: now, set: without(compare({}, object, node).changed, [...unowned, "f:status"]) };
}

/** What an apply that creates the object owns. Fields ignored as in an Application. */
export function ownershipOfNew(node: SchemaNode, config: object, by: Manager, ignored: readonly string[], now: string): Ownership {
  return { ...by, time: now, set: without(fieldSetOf(config, node), [...unowned, ...ignored]) };
}

/** Who owns what after somebody changed an object without apply: the writer owns what is new or different. `now` as metadata has it. */
export function ownershipAfterUpdate(
  node: SchemaNode,
  states: { before: object; after: object },
  managers: readonly Ownership[],
  by: Manager,
  now: string,
): Ownership[] {
  const comparison = compare(states.before, states.after, node);
  const changed = without(comparison.changed, unowned);
  const removed = without(comparison.removed, unowned);
  if (isEmptySet(changed) && isEmptySet(removed)) return [...managers];
  const others = withdraw(managers, union(changed, removed));
  if (isEmptySet(changed)) return others;
  const own = others.find((manager) => isSame(manager, by));
  const updated: Ownership = { ...by, time: now, set: own ? union(own.set, changed) : changed };
  return [...others.filter((manager) => manager !== own), updated];
}

/** An apply: the intent of one manager for one object. */
export interface Application {
  node: SchemaNode;
  live: JsonObject;
  config: JsonObject;
  managers: readonly Ownership[];
  by: Manager;
  /** Takes fields from other managers instead of a conflict. */
  force: boolean;
  /** Fields of the configuration that this kind of request does not write ("f:status"). */
  ignored: readonly string[];
  /** The time as metadata has it. */
  now: string;
  /** Conflicts with these places are no conflicts. */
  forgiven?: FieldSet;
}

/**
 * The live object with the configuration applied: what the manager applied before and does not any more, and nobody else owns, is gone.
 * `canonical` makes of the result what would be stored. Throws the conflict that clients know (KEP-555).
 */
export function applyConfiguration(
  application: Application,
  canonical: (object: JsonObject) => JsonObject,
): { object: JsonObject; managers: Ownership[] } {
  const { node, live, config, managers, by, ignored } = application;
  const before = managers.find((manager) => isSame(manager, by));
  const all = fieldSetOf(config, node);
  const set = without(all, [...unowned, ...ignored]);
  const others = managers.filter((manager) => manager !== before);
  const merged = mergeValues(live, applicable(config, ignored), node);
  const owned = others.reduce<FieldSet>((sum, manager) => union(sum, manager.set), all);
  const given = before ? difference(withNamedFields(before.set, node), withNamedFields(owned, node)) : emptySet();
  const object = canonical(asObject(removePlaces(merged, given, node)));
  const comparison = compare(live, object, node);
  const changed = without(comparison.changed, unowned);
  if (!application.force) refuseConflicts(others, difference(changed, application.forgiven ?? emptySet()));
  const taken = union(changed, without(comparison.removed, unowned));
  const time = before && isEmptySet(taken) && isEqualSet(before.set, set) ? before.time : application.now;
  return { object, managers: [...withdraw(others, taken), ...(isEmptySet(set) ? [] : [{ ...by, time, set }])] };
}

/** The configuration without top-level members that are ignored. */
function applicable(config: JsonObject, ignored: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !ignored.includes(`f:${name}`)));
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function refuseConflicts(others: readonly Ownership[], changed: FieldSet): void {
  const conflicts = others
    .map((manager) => ({ who: describe(manager), fields: paths(intersection(manager.set, changed)) }))
    .filter(({ fields }) => fields.length > 0)
    .sort((a, b) => (a.who < b.who ? -1 : 1));
  if (conflicts.length > 0) throw conflictError(conflicts);
}

function describe({ name, operation, apiVersion, subresource }: Manager): string {
  const through = subresource ? ` with subresource ${JSON.stringify(subresource)}` : "";
  return `${JSON.stringify(name)}${through}${operation === "Update" ? ` using ${apiVersion}` : ""}`;
}

function conflictError(conflicts: readonly { who: string; fields: string[] }[]): StatusError {
  const causes = conflicts.flatMap(({ who, fields }) =>
    fields.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${who}`, field })),
  );
  const [first] = causes;
  const list = conflicts.map(({ who, fields }) => [`conflicts with ${who}:`, ...fields.map((field) => `- ${field}`)].join("\n"));
  const text =
    causes.length === 1 && first ? `1 conflict: ${first.message}: ${first.field}` : `${causes.length} conflicts: ${list.join("\n")}`;
  return new StatusError({ code: 409, reason: "Conflict", message: `Apply failed with ${text}`, details: { causes } });
}
