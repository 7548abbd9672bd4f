import { isJsonObject } from "../../schema/struct.ts";

/**
 * Places in an object, as managedFields tells them (FieldsV1): a tree of path elements, "f:NAME" for a field, `k:{"name":"c"}` for the
 * item of a list with keys, `v:"x"` for the item of a set. Never changed once made.
 */
export interface FieldSet {
  /** Whether this very place belongs to the set. */
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

/** A field set in the making. */
export interface GrowingSet extends FieldSet {
  member: boolean;
  readonly children: Map<string, GrowingSet>;
}

/** A set without members. */
export function emptySet(): GrowingSet {
  return { member: false, children: new Map() };
}

/** The part of the set below an element, made when it is not there. */
export function childOf(set: GrowingSet, element: string): GrowingSet {
  let child = set.children.get(element);
  if (!child) set.children.set(element, (child = emptySet()));
  return child;
}

/** Reads FieldsV1. Anything that is none counts as empty. */
export function readFields(json: unknown): FieldSet {
  const entries = isJsonObject(json) ? Object.entries(json) : [];
  const children = new Map<string, FieldSet>();
  for (const [element, value] of entries) if (element !== ".") children.set(element, asMember(readFields(value), value));
  return { member: isJsonObject(json) && "." in json, children };
}

function asMember(set: FieldSet, json: unknown): FieldSet {
  return set.member || !isJsonObject(json) || Object.keys(json).length > 0 ? set : { ...set, member: true };
}

/** The JSON text of the set as FieldsV1. */
export function fieldsText({ member, children }: FieldSet): string {
  if (children.size === 0) return "{}";
  let text = member ? `{".":{}` : "";
  for (const element of [...children.keys()].sort()) {
    const child = children.get(element);
    if (child) text += `${text ? "," : "{"}${JSON.stringify(element)}:${fieldsText(child)}`;
  }
  return `${text}}`;
}

/** Whether the set has no members. */
export function isEmptySet({ member, children }: FieldSet): boolean {
  return !member && children.size === 0;
}

/** What is in one or the other. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA || inB);
}

/** What is in both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA && inB);
}

/** What is in the first only; places below those of the second stay. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA && !inB);
}

/** Whether both have the same members. */
export function isEqualSet(a: FieldSet, b: FieldSet): boolean {
  return isEmptySet(difference(a, b)) && isEmptySet(difference(b, a));
}

const nothing: FieldSet = emptySet();

function combine(a: FieldSet, b: FieldSet, keep: (inA: boolean, inB: boolean) => boolean): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const element of new Set([...a.children.keys(), ...b.children.keys()])) {
    const child = combine(a.children.get(element) ?? nothing, b.children.get(element) ?? nothing, keep);
    if (!isEmptySet(child)) children.set(element, child);
  }
  return { member: keep(a.member, b.member), children };
}

/** The set without what lies at or below those places of the root's fields ("f:status", "f:metadata/f:name"). */
export function without(set: FieldSet, paths: readonly string[]): FieldSet {
  return paths.reduce<FieldSet>((rest, path) => omit(rest, path.split("/")), set);
}

function omit(set: FieldSet, [element = "", ...deeper]: readonly string[]): FieldSet {
  const child = set.children.get(element);
  if (!child) return set;
  const children = new Map(set.children);
  const left = deeper.length > 0 ? omit(child, deeper) : nothing;
  if (isEmptySet(left)) children.delete(element);
  else children.set(element, left);
  return { member: set.member, children };
}

/** The places of the set as messages show them, in order: `.spec.containers[name="c"].image`. */
export function paths(set: FieldSet, prefix = ""): string[] {
  const own = set.member && prefix ? [prefix] : [];
  const elements = [...set.children].sort(([a], [b]) => (a < b ? -1 : 1));
  return [...own, ...elements.flatMap(([element, child]) => paths(child, prefix + elementText(element)))];
}

/** A path element as messages show it: ".image", `[name="c"]`, `[="x"]`. */
export function elementText(element: string): string {
  const value = element.slice(2);
  if (element.startsWith("f:")) return `.${value}`;
  if (!element.startsWith("k:")) return element.startsWith("v:") ? `[=${value}]` : `[${value}]`;
  const keys: unknown = JSON.parse(value);
  const terms = isJsonObject(keys) ? Object.entries(keys).map(([name, key]) => `${name}=${JSON.stringify(key)}`) : [];
  return `[${terms.join(",")}]`;
}
