import { linearMatches } from "./library/strings.ts";

/** What a call with these operands costs, beside the one that each costs; never less than nothing. */
export type Charge = (a: unknown, b?: unknown, c?: unknown) => number;

/** Characters, bytes, items or members; of what is not there, nothing. */
function size(value: unknown): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  if (typeof value !== "object" || value === null) return value === undefined ? 0 : 1;
  return value instanceof Uint8Array ? value.length : Object.keys(value).length;
}

/** Of a call that goes through its operands once: most calls. */
export const traversal: Charge = (a, b, c) => (size(a) + size(b) + size(c)) / 10;

const whole = (value: unknown): number => (typeof value === "bigint" && value > 0n ? Number(value) : 0);
const smaller: Charge = (a, b) => Math.min(size(a), size(b)) / 10;
const items: Charge = (list) => size(list) / (typeof list === "string" ? 10 : 1);
const pairs: Charge = (list) => 2 * size(list) ** 2;
const matching: Charge = (text, pattern) => ((1 + size(text)) / 10) * (size(pattern) / 4);
const inSets: Charge = (_, a, b) => size(a) * size(b);
const free: Charge = () => 0;
const named = (names: string, charge: Charge): [string, Charge][] => names.split(" ").map((name) => [name, charge]);

/** Calls and operators that cost something else; after cel-go's runtimecost.go, lists.go and sets.go, and Kubernetes' cost.go. */
const charges = new Map<string, Charge>([
  ...named("dyn type of ofNonZeroValue orValue or first last", free),
  ...named("== != < <= > >=", smaller),
  ...named("isSorted sum min max indexOf lastIndexOf reverse", items),
  ...named("distinct sort", pairs),
  ...named(`${linearMatches} find findAll`, matching),
  ...named("equivalent intersects", inSets),
  ["contains", (a, b, c) => (c === undefined ? (size(a) * size(b)) / 100 : inSets(a, b, c))],
  ["in", (_, list) => (Array.isArray(list) ? list.length : 0)],
  ["size", (of) => (typeof of === "string" ? of.length / 10 : 0)],
  ["join", (list) => (Array.isArray(list) ? list.reduce<number>((sum, text) => sum + size(text), 0) / 5 : 0)],
  ["flatten", (list, depth) => size(list) * Math.max(1, whole(depth))],
  ["slice", (_, from, to) => Math.max(0, whole(to) - whole(from))],
  ["range", (_, end) => whole(end)],
  ["check", (): number => 350_000], // An authorization check: two an expression.
]);

/** What a call of that function or operator costs. */
export function chargeOf(name: string): Charge {
  return charges.get(name) ?? traversal;
}
