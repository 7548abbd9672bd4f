import type { KubeObject } from "../api/meta/object.ts";
import { BoundedMap } from "../lib/bounded-map.ts";

/**
 * By resource and top-level field: the fields in it that are mostly equal in very many objects, as a template or a node gives them.
 * Of some all that are lists or objects, of others those that are named.
 */
const sharedFields: Readonly<Record<string, Readonly<Record<string, readonly string[] | "all">>>> = {
  "/pods": { metadata: ["labels", "ownerReferences"], spec: "all", status: ["hostIPs"] },
};

/** A shorter text takes no more memory for each than a reference to a common one. */
const worthSharing = 100;
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

/** An object with its JSON text: as it is, or in pieces, of which every second one is shared with other objects. */
export interface Encoded {
  readonly object: KubeObject;
  readonly body: string | readonly string[];
}

/** Whether objects of that resource share parts. */
export function hasSharedParts(resource: string): boolean {
  return resource in sharedFields;
}

/** The object's text. Parts that another object has as well are replaced by that one's; the given object stays as it is. */
export function encode(resource: string, object: KubeObject): Encoded {
  const shared = sharedFields[resource];
  if (!shared) return { object, body: JSON.stringify(object) };
  const pieces: string[] = [];
  let own: string[] = [];
  let result = object;
  let mark = "{";
  for (const [field, value] of Object.entries(object)) {
    if (value === undefined) continue;
    own.push(mark, JSON.stringify(field), ":");
    mark = ",";
    const names = shared[field];
    if (!names || typeof value !== "object" || value === null) {
      own.push(JSON.stringify(value));
      continue;
    }
    let copy = value;
    let innerMark = "{";
    for (const name in value) {
      const inner = value[name];
      if (inner === undefined) continue;
      own.push(innerMark, JSON.stringify(name), ":");
      innerMark = ",";
      if (typeof inner !== "object" || inner === null || (names !== "all" && !names.includes(name))) {
        own.push(JSON.stringify(inner));
        continue;
      }
      const part = partOf(inner);
      if (part.value !== inner) {
        if (copy === value) copy = { ...value };
        copy[name] = part.value;
      }
      if (part.text.length < worthSharing) own.push(part.text);
      else {
        pieces.push(own.join(""), part.text);
        own = [];
      }
    }
    own.push(innerMark === "{" ? "{}" : "}");
    if (copy !== value) result = { ...result, [field]: copy };
  }
  pieces.push([...own, "}"].join(""));
  return { object: result, body: pieces.length === 1 ? (pieces[0] ?? "") : pieces.slice() };
}
