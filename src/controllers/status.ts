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

/** A number, or a percentage ("25%") of `total`, rounded up or down to a whole number. Anything else counts as 0. */
export function scaledValue(value: number | string | undefined, total: number, round: "up" | "down"): number {
  if (typeof value === "number") return value;
  const percent = /^(\d+)%$/.exec(value ?? "")?.[1];
  if (percent === undefined) return 0;
  const exact = (Number(percent) * total) / 100;
  return round === "up" ? Math.ceil(exact) : Math.floor(exact);
}
