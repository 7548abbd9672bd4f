/** Whether two plain values are the same, members in any order; an undefined member counts as absent. */
export function deepEqual(a: unknown, b: unknown): boolean {
  return equal(a, b, false);
}

/**
 * Whether two plain values mean the same to Kubernetes: as deepEqual, and absent, null, an empty list and an empty object alike,
 * as apiequality.Semantic.DeepEqual does for lists and maps.
 */
export function semanticEqual(a: unknown, b: unknown): boolean {
  return equal(a, b, true);
}

function equal(a: unknown, b: unknown, semantic: boolean): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i], semantic));
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) || Array.isArray(b))
    return semantic && isEmpty(a) && isEmpty(b);
  return membersEqual(a as Record<string, unknown>, b as Record<string, unknown>, semantic);
}

function membersEqual(a: Record<string, unknown>, b: Record<string, unknown>, semantic: boolean): boolean {
  for (const key in a) if (!equal(a[key], b[key], semantic)) return false;
  for (const key in b) if (a[key] === undefined && !equal(undefined, b[key], semantic)) return false;
  return true;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== "object") return false;
  return Object.values(value).every((member) => member === undefined);
}
