import type { KubeObject } from "../api/meta/object.ts";

/** A mutable copy of JSON-like data without undefined members: several times faster than structuredClone. */
export function copyOf<T>(value: T): T;
export function copyOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Date) return value.toISOString().replace(/\.\d+Z$/, "Z");
  const copy: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) if (member !== undefined) copy[name] = copyOf(member);
  return copy;
}

/** Takes an object for what its resource says it is: the one place where the type that a schema has checked becomes a TypeScript type. */
export function typed<T extends object>(object: Readonly<KubeObject>): T {
  return object as unknown as T;
}

/** The other way: an object of a known type as any object. */
export function untyped(object: object): KubeObject {
  return object as KubeObject;
}
