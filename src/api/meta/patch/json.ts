import { badRequest, StatusError, tooLarge } from "../../errors.ts";
import { deepEqual } from "../equality.ts";

const maximumOperations = 10_000;

/**
 * The document after a JSON patch (RFC 6902), with the leniency of the library that Kubernetes uses: a missing member of an object
 * can be replaced and copied as if it were null, and indexes may count from an array's end. The input may be frozen; what
 * the patch leaves alone is shared. Throws 400 for what is no patch and 422 for one that does not apply.
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch))
    throw badRequest("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp");
  if (patch.length > maximumOperations)
    throw tooLarge(`The allowed maximum operations in a JSON patch is ${maximumOperations}, got ${patch.length}`);
  return patch.reduce<unknown>((current, operation) => applyOperation(current, operation), document);
}

function applyOperation(document: unknown, operation: unknown): unknown {
  if (!isObject(operation)) throw doesNotApply();
  const path = tokensOf(operation["path"]);
  switch (operation["op"]) {
    case "add":
      return change(document, path, (parent, key) => add(parent, key, operation["value"] ?? null));
    case "remove":
      return change(document, path, remove);
    case "replace":
      return change(document, path, (parent, key) => replace(parent, key, operation["value"] ?? null));
    case "copy": {
      const value = get(document, tokensOf(operation["from"]));
      return change(document, path, (parent, key) => add(parent, key, value ?? null));
    }
    case "move": {
      const from = tokensOf(operation["from"]);
      const value = get(document, from);
      return change(change(document, from, remove), path, (parent, key) => add(parent, key, value ?? null));
    }
    case "test": {
      const value = get(document, path);
      if (!deepEqual(value ?? null, operation["value"] ?? null)) throw doesNotApply();
      return document;
    }
    default:
      throw doesNotApply();
  }
}

type Container = Record<string, unknown> | unknown[];

/** Copies the containers on the way to the path's parent and lets `edit` change the parent's copy. */
function change(document: unknown, path: readonly string[], edit: (parent: Container, key: string) => void): unknown {
  if (!isContainer(document)) throw doesNotApply();
  const [key = "", ...rest] = path;
  const copy: Container = Array.isArray(document) ? [...document] : { ...document };
  if (rest.length === 0) edit(copy, key);
  else if (Array.isArray(copy)) copy[existingIndex(copy, key)] = change(copy[existingIndex(copy, key)], rest, edit);
  else if (Object.hasOwn(copy, key)) copy[key] = change(copy[key], rest, edit);
  else throw doesNotApply();
  return copy;
}

/** The value at the path; undefined for a missing member of an object that is there. */
function get(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const [i, key] of path.entries()) {
    if (Array.isArray(value)) value = value[existingIndex(value, key)];
    else if (!isObject(value) || (i < path.length - 1 && !Object.hasOwn(value, key))) throw doesNotApply();
    else value = Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

function add(parent: Container, key: string, value: unknown): void {
  if (!Array.isArray(parent)) setMember(parent, key, value);
  else if (key === "-") parent.push(value);
  else parent.splice(indexOf(key, parent.length, parent.length), 0, value);
}

function replace(parent: Container, key: string, value: unknown): void {
  if (Array.isArray(parent)) parent[existingIndex(parent, key)] = value;
  else setMember(parent, key, value);
}

function remove(parent: Container, key: string): void {
  if (Array.isArray(parent)) parent.splice(existingIndex(parent, key), 1);
  else if (Object.hasOwn(parent, key)) delete parent[key];
  else throw doesNotApply();
}

// "__proto__" is a name like any other: it must not reach the prototype.
function setMember(parent: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
}

function existingIndex(list: readonly unknown[], key: string): number {
  return indexOf(key, list.length, list.length - 1);
}

function indexOf(key: string, length: number, maximum: number): number {
  if (!/^-?\d+$/.test(key)) throw doesNotApply();
  const index = Number(key) < 0 ? Number(key) + length : Number(key);
  if (index < 0 || index > maximum) throw doesNotApply();
  return index;
}

function tokensOf(path: unknown): string[] {
  if (typeof path !== "string" || !path.includes("/")) throw doesNotApply();
  return path
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null;
}

function doesNotApply(): StatusError {
  return new StatusError({
    code: 422,
    reason: "Invalid",
    message: "the server rejected our request due to an error in our request",
    details: {},
  });
}
