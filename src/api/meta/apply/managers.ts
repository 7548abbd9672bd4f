import { StatusError } from "../../errors.ts";
import type { SchemaNode } from "../../schema/node.ts";
import { isJsonObject, type JsonObject } from "../../schema/struct.ts";
import { compareObjects } from "./comparison.ts";
import { type FieldSet, difference, emptySet, intersection, isEmptySet, isEqualSet, paths, union, without } from "./field-set.ts";
import { ManagedFields, type Manager } from "./managed-fields.ts";
import { OwnedSet } from "./owned-set.ts";
import { fieldSetOf, mergeValues, removePlaces, withNamedFields } from "./typed-values.ts";

/** An ownership to reckon with. */
interface Owner {
  by: Manager;
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

/** Appliers are the same whatever version they use. */
function isSame(a: Manager, b: Manager): boolean {
  const sameVersion = a.operation === "Apply" || a.apiVersion === b.apiVersion;
  return a.name === b.name && a.operation === b.operation && a.subresource === b.subresource && sameVersion;
}

/** Takes changed and removed fields from all; those left with nothing are no managers any more. */
function withdraw(owners: readonly Owner[], taken: FieldSet): Owner[] {
  return owners.map((owner) => ({ ...owner, set: difference(owner.set, taken) })).filter(({ set }) => !isEmptySet(set));
}

function managedBy(owners: readonly Owner[]): ManagedFields | undefined {
  return ManagedFields.of(owners.map(({ by, time, set }) => ({ by, time, set: OwnedSet.of(set) })));
}

/** What an apply that creates the object owns. Fields ignored as in an Application. */
export function ownershipOfNew(
  node: SchemaNode,
  config: object,
  by: Manager,
  ignored: readonly string[],
  now: string,
): ManagedFields | undefined {
  const set = without(fieldSetOf(config, node), [...unowned, ...ignored]);
  return isEmptySet(set) ? undefined : managedBy([{ by, time: now, set }]);
}

/** An apply: the intent of one manager for one object. */
export interface Application {
  node: SchemaNode;
  live: JsonObject;
  config: JsonObject;
  managed: ManagedFields | undefined;
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
): { object: JsonObject; managed: ManagedFields | undefined } {
  const { node, live, config, by, ignored } = application;
  const managers = (application.managed?.owners ?? []).map((owner): Owner => ({ ...owner, set: owner.set.fields }));
  const before = managers.find((manager) => isSame(manager.by, by));
  const all = fieldSetOf(config, node);
  const set = without(all, [...unowned, ...ignored]);
  const others = managers.filter((manager) => manager !== before);
  const merged = mergeValues(live, applicable(config, ignored), node);
  const owned = others.reduce<FieldSet>((sum, manager) => union(sum, manager.set), all);
  const given = before ? difference(withNamedFields(before.set, node), withNamedFields(owned, node)) : emptySet();
  const object = asObject(removePlaces(merged, given, node));
  // As upstream has it, before defaults: a list replaced as a whole that leaves them out is another than the one that has them.
  const comparison = compareObjects(live, object, node);
  const changed = comparison.changed.fields;
  if (!application.force) refuseConflicts(others, difference(changed, application.forgiven ?? emptySet()));
  const taken = union(changed, comparison.removed.fields);
  const time = before && isEmptySet(taken) && isEqualSet(before.set, set) ? before.time : application.now;
  return { object: canonical(object), managed: managedBy([...withdraw(others, taken), ...(isEmptySet(set) ? [] : [{ by, time, set }])]) };
}

/** The configuration without top-level members that are ignored. */
function applicable(config: JsonObject, ignored: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !ignored.includes(`f:${name}`)));
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function refuseConflicts(others: readonly Owner[], changed: FieldSet): void {
  const conflicts = others
    .map((manager) => ({ who: describe(manager.by), fields: paths(intersection(manager.set, changed)) }))
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
