import { deepEqual } from "../api/meta/equality.ts";

/** A status as Go writes it: numbers that are zero are left out, except those of fields that are always written. */
export function withoutZeros<T extends object>(status: T, ...always: (keyof T)[]): T {
  const result = { ...status };
  for (const field of Object.keys(result) as (keyof T)[])
    if ((result[field] === 0 && !always.includes(field)) || result[field] === undefined) delete result[field];
  return result;
}

/** Whether writing `next` over `old` would change nothing. */
export function sameStatus(old: object | undefined, next: object): boolean {
  return deepEqual(old ?? {}, next);
}
