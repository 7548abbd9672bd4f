import type { KubeObject } from "../api/meta/object.ts";
import { BoundedMap } from "../lib/bounded-map.ts";

/**
 * By resource and top-level field: the fields in it that are mostly equal in very many objects, as a template or a node gives them.
 * Of some all that are lists or objects, of others those that are named.
 */
const sharedFields: Readonly<Record<string, Readonly<Record<string, readonly string[] | "all">>>> = {
  "/pods": { metadata: ["labels", "ownerReferences"], spec: "all", status: ["hostIPs", "conditions", "containerStatuses"] },
};
/** Lists whose items are each object's own, but consist of parts that others have as well. */
const sharedByItem = new Set(["containerStatuses"]);

/** What is longer is not remembered: the parts that are held for objects to come take a few megabytes, at most 32. */
const longest = 8192;

/** A value that objects share, with its JSON text. */
interface Part {
  readonly value: object;
  readonly text: string;
}

/** What is not written for long is shared no more by new objects; those that have it keep it. */
const byText = new BoundedMap<string, Part>(4096);
const byValue = new WeakMap<object, Part>();

/** The one value that stands for all that are equal to this one. */
function partOf(value: object): Part {
  const known = byValue.get(value);
  if (known) return known;
  const text = JSON.stringify(value);
  if (text.length > longest) return { value, text };
  const part = byText.get(text) ?? { value, text };
  byText.set(text, part); // also when it was there: what is met often is kept
  byValue.set(part.value, part);
  return part;
}

/** Whether objects of that resource share parts. */
export function hasSharedParts(resource: string): boolean {
  return resource in sharedFields;
}

/**
 * The object with its JSON text. Parts that another object has as well are replaced by that one's, and not encoded again; the given object
 * stays as it is.
 */
export function encode(resource: string, object: KubeObject): { object: KubeObject; text: string } {
  const shared = sharedFields[resource];
  if (!shared) return { object, text: JSON.stringify(object) };
  const pieces: string[] = [];
  let result = object;
  for (const [field, value] of Object.entries(object)) {
    const names = shared[field];
    if (value === undefined) continue;
    pieces.push(pieces.length > 0 ? `,"${field}":` : `{"${field}":`);
    if (!names || typeof value !== "object" || value === null) pieces.push(JSON.stringify(value));
    else {
      const copy = withParts(value, names, pieces);
      if (copy !== value) result = { ...result, [field]: copy };
    }
  }
  pieces.push("}");
  return { object: result, text: pieces.join("") };
}

/** The value, or a copy with the parts of others in it; adds its text to the pieces. */
function withParts(value: Record<string, unknown>, names: readonly string[] | "all", pieces: string[]): object {
  let copy = value;
  let mark = "{";
  for (const name in value) {
    const inner = value[name];
    if (inner === undefined) continue;
    pieces.push(mark, `"${name}":`);
    mark = ",";
    if (typeof inner !== "object" || inner === null || (names !== "all" && !names.includes(name))) {
      pieces.push(JSON.stringify(inner));
      continue;
    }
    const part = sharedByItem.has(name) && Array.isArray(inner) ? itemsWithParts(inner, pieces) : sharedPart(inner, pieces);
    if (part === inner) continue;
    if (copy === value) copy = { ...value };
    copy[name] = part;
  }
  pieces.push(mark === "{" ? "{}" : "}");
  return copy;
}

function sharedPart(value: object, pieces: string[]): object {
  const part = partOf(value);
  pieces.push(part.text);
  return part.value;
}

/** The list, or one with the parts of others in its items. */
function itemsWithParts(items: readonly Record<string, unknown>[], pieces: string[]): object {
  const copies = items.map((item, index) => {
    pieces.push(index === 0 ? "[" : ",");
    return withParts(item, "all", pieces);
  });
  pieces.push(items.length === 0 ? "[]" : "]");
  return copies.every((copy, index) => copy === items[index]) ? items : copies;
}
