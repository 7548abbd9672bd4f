import type { Environment } from "@marcbachmann/cel-js";
import { Duration } from "@marcbachmann/cel-js/evaluator";
import { celEqual } from "./equality.ts";

/** Kubernetes' list library, and cel-go's sets. */
export function registerLists(environment: Environment): void {
  const best = (list: readonly unknown[], better: (a: Ordered, b: Ordered) => boolean, name: string): unknown => {
    if (list.length === 0) throw new Error(`${name} called on empty list`);
    return list.reduce((found, item) => (better(ordered(item), ordered(found)) ? item : found));
  };
  environment
    .registerFunction("list.isSorted(): bool", (list: readonly unknown[]) =>
      list.every((item, i) => i === 0 || ordered(list[i - 1]) <= ordered(item)),
    )
    .registerFunction("list<int>.sum(): int", (list: readonly bigint[]) => list.reduce((sum, item) => sum + item, 0n))
    .registerFunction("list<double>.sum(): double", (list: readonly number[]) => list.reduce((sum, item) => sum + item, 0))
    .registerFunction("list<google.protobuf.Duration>.sum(): google.protobuf.Duration", (list: readonly Duration[]) =>
      list.reduce((sum, item) => sum.addDuration(item), new Duration(0n)),
    )
    .registerFunction("list<T>.min(): T", (list: readonly unknown[]) => best(list, (a, b) => a < b, "min"))
    .registerFunction("list<T>.max(): T", (list: readonly unknown[]) => best(list, (a, b) => a > b, "max"))
    .registerFunction("list.indexOf(dyn): int", (list: readonly unknown[], value: unknown) =>
      BigInt(list.findIndex((item) => celEqual(item, value))),
    )
    .registerFunction("list.lastIndexOf(dyn): int", (list: readonly unknown[], value: unknown) =>
      BigInt(list.findLastIndex((item) => celEqual(item, value))),
    );
  class Sets {}
  const contains = (list: readonly unknown[], part: readonly unknown[]): boolean =>
    part.every((item) => list.some((one) => celEqual(one, item)));
  environment
    .registerType("kubernetes.Sets", Sets)
    .registerConstant("sets", "kubernetes.Sets", new Sets())
    .registerFunction("kubernetes.Sets.contains(list<T>, list<T>): bool", (_: unknown, a: unknown[], b: unknown[]) => contains(a, b))
    .registerFunction(
      "kubernetes.Sets.equivalent(list<T>, list<T>): bool",
      (_: unknown, a: unknown[], b: unknown[]) => contains(a, b) && contains(b, a),
    )
    .registerFunction("kubernetes.Sets.intersects(list<T>, list<T>): bool", (_: unknown, a: unknown[], b: unknown[]) =>
      a.some((item) => contains(b, [item])),
    );
}

type Ordered = number | bigint | string;

/** Something that < compares as CEL does: times and durations have a valueOf, false is less than true. */
function ordered(value: unknown): Ordered {
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "string") return value;
  return Number(value);
}
