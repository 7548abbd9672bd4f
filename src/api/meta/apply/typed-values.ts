import type { SchemaNode } from "../../schema/node.ts";
import { isJsonObject, type JsonObject, ownMember, setKey } from "../../schema/struct.ts";
import { goType, goValue } from "../patch/go-value.ts";
import { childOf, elementText, emptySet, type FieldSet, type GrowingSet } from "./field-set.ts";

/** The members of a value that are merged one by one, by their path elements; undefined for what is replaced as a whole. */
function partsOf(
  value: unknown,
  node: SchemaNode | undefined,
): [element: string, value: unknown, node: SchemaNode | undefined][] | undefined {
  if (!node) return undefined;
  if (isJsonObject(value)) {
    if ((node.kind !== "struct" && node.kind !== "map") || node.mapType === "atomic") return undefined;
    return Object.entries(value).map(([name, member]) => [`f:${name}`, member, node.field(name)]);
  }
  if (!Array.isArray(value) || node.kind !== "list" || (node.listType !== "set" && node.listType !== "map")) return undefined;
  return value.map((item: unknown) => [itemElement(item, node), item, node.element]);
}

/** Why an item with that element is in no list of the kind; undefined for one that has a key to be told by. */
export function namelessText(element: string, keys: readonly string[]): string | undefined {
  if (element !== "k:{}") return undefined;
  const all = keys.map((key) => JSON.stringify(key)).join(" ");
  return `associative list with keys has an element that omits all key fields [${all}] (and doesn't have default values for any key fields)`;
}

/** The path element of a list's item; keys that it leaves out have their defaults. */
export function itemElement(item: unknown, { listType, keys, element }: SchemaNode): string {
  if (listType === "set" || !isJsonObject(item)) return `v:${JSON.stringify(item)}`;
  const [only = ""] = keys;
  const name = item[only];
  if (keys.length === 1 && typeof name === "string") return nameElement(only, name);
  const values = [...keys].sort().map((key) => [key, item[key] ?? element?.field(key)?.default] as const);
  return `k:${JSON.stringify(Object.fromEntries(values))}`;
}

const maximumElements = 2000;
const nameElements = new Map<string, string>();

/** The element of an item known by one text: few texts come again and again. */
function nameElement(key: string, value: string): string {
  const both = `${key}=${value}`;
  let element = nameElements.get(both);
  if (element) return element;
  element = `k:{${JSON.stringify(key)}:${JSON.stringify(value)}}`;
  if (nameElements.size >= maximumElements) nameElements.clear();
  nameElements.set(both, element);
  return element;
}

/** What server-side apply refuses in a configuration: fields that the schema does not know, values of another shape, duplicates. */
export function typeErrors(value: unknown, node: SchemaNode, path = ""): string[] {
  const wrong = shapeError(value, node);
  if (wrong) return [`${path}: ${wrong}`];
  const seen = new Set<string>();
  const errors: string[] = [];
  const duplicates: string[] = [];
  for (const [element, member, deeper] of partsOf(value, node) ?? wholeParts(value, node)) {
    const place = path + elementText(element);
    if (seen.has(element)) duplicates.push(`${path}: duplicate entries for key ${elementText(element)}`);
    seen.add(element);
    if (deeper) errors.push(...typeErrors(member, deeper, place));
    else if (node.kind === "struct") errors.push(`${place}: field not declared in schema`);
  }
  return [...errors, ...duplicates];
}

/** The members of what is replaced as a whole: they are looked at, too. */
function wholeParts(value: unknown, node: SchemaNode): [string, unknown, SchemaNode | undefined][] {
  if (Array.isArray(value)) return value.map((item: unknown, i) => [`i:${i}`, item, node.element]);
  return isJsonObject(value) && node.kind !== "scalar"
    ? Object.entries(value).map(([name, member]) => [`f:${name}`, member, node.field(name)])
    : [];
}

function shapeError(value: unknown, node: SchemaNode): string | undefined {
  const { kind, open, scalar, listType, keys } = node;
  if (value === null || open) return undefined;
  if (kind === "list") {
    if (!Array.isArray(value)) return `expected list, got &{${goValue(value)}}`;
    const odd = listType === "map" ? value.findIndex((item) => !isJsonObject(item)) : -1;
    if (odd >= 0) return `element ${odd}: associative list with keys may not have non-map elements`;
    const texts = listType === "map" ? value.map((item: unknown) => namelessText(itemElement(item, node), keys)) : [];
    const nameless = texts.findIndex((text) => text);
    return nameless < 0 ? undefined : `element ${nameless}: ${texts[nameless]}`;
  }
  if (kind !== "scalar") return isJsonObject(value) ? undefined : `expected map, got &{${goValue(value)}}`;
  if (scalar === "boolean" && typeof value !== "boolean") return `expected boolean, got &{${goValue(value)}}`;
  if (scalar === "numeric" && typeof value !== "number" && typeof value !== "bigint")
    return `expected numeric (int or float), got ${goType(value)}`;
  if (scalar !== "string" || typeof value === "string") return undefined;
  return `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`;
}

/** A value as Go prints it with %#v. */
function goSyntax(value: unknown): string {
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(", ")}}`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `map[string]interface {}{${members.map((name) => `${JSON.stringify(name)}:${goSyntax(value[name])}`).join(", ")}}`;
}

/** All places of a value that somebody can own. */
export function fieldSetOf(value: unknown, node: SchemaNode | undefined): GrowingSet {
  const set = emptySet();
  collect(value, node, set);
  set.member = false;
  return set;
}

function collect(value: unknown, node: SchemaNode | undefined, set: GrowingSet): void {
  const parts = partsOf(value, node);
  if (!parts) {
    set.member = true;
    return;
  }
  for (const [element, member, deeper] of parts) {
    const child = childOf(set, element);
    collect(member, deeper, child);
    const isEmptyMap = isJsonObject(member) && Object.keys(member).length === 0;
    if (isEmptyMap || node?.kind !== "struct") child.member = true;
    // An empty list whose items have owners has itself none.
    if (!child.member && child.children.size === 0) set.children.delete(element);
  }
}

/** The live value with the configuration laid over it; shares parts with both. */
export function mergeValues(live: unknown, config: unknown, node: SchemaNode | undefined): unknown {
  if (config === undefined) return live;
  const under = partsOf(live, node);
  const over = partsOf(config, node);
  if (!over || (live !== undefined && live !== null && !under)) return config;
  if (Array.isArray(config)) return mergeItems(under ?? [], over);
  const merged: JsonObject = isJsonObject(live) ? { ...live } : {};
  for (const [element, value, deeper] of over) {
    const name = element.slice(2);
    if (value === null) delete merged[name];
    else setKey(merged, name, mergeValues(ownMember(merged, name), value, deeper));
  }
  return merged;
}

type Parts = readonly [element: string, value: unknown, node: SchemaNode | undefined][];

/** The configuration's items in their order; those of the live list alone stay before the shared one that they preceded. */
function mergeItems(live: Parts, config: Parts): unknown[] {
  const before = new Map(live.map(([element, value]) => [element, value]));
  const waiting = new Map(config.map((part) => [part[0], part]));
  const merged: unknown[] = [];
  for (const [element, value] of live) {
    if (!config.some(([other]) => other === element)) merged.push(value);
    if (waiting.has(element)) {
      for (const [name, item, node] of waiting.values()) {
        merged.push(mergeValues(before.get(name), item, node));
        waiting.delete(name);
        if (name === element) break;
      }
    }
  }
  for (const [name, item, node] of waiting.values()) merged.push(mergeValues(before.get(name), item, node));
  return merged;
}

/** The value without those places; undefined when nothing is left of it. Shares the rest. */
export function removePlaces(value: unknown, places: FieldSet, node: SchemaNode | undefined): unknown {
  const parts = partsOf(value, node);
  if (!parts || parts.length === 0 || places.children.size === 0) return value;
  const kept = parts.flatMap(([element, member, deeper]) => {
    const below = places.children.get(element);
    if (below?.member) return [];
    const left = below ? removePlaces(member, below, deeper) : member;
    return left === undefined ? [] : [[element.slice(2), left] as const];
  });
  if (kept.length === 0) return undefined;
  return Array.isArray(value) ? kept.map(([, item]) => item) : Object.fromEntries(kept);
}

/** The set with all struct fields on the way to its places as members, as removal needs it: items of lists and maps are not among them. */
export function withNamedFields(set: FieldSet, node: SchemaNode | undefined): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    const isField = element.startsWith("f:");
    const deeper = isField ? node?.field(element.slice(2)) : node?.element;
    const named = withNamedFields(child, deeper);
    children.set(element, isField && node?.kind === "struct" && deeper ? { ...named, member: true } : named);
  }
  return { member: set.member, children };
}
