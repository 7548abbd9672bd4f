import { type Environment, Optional } from "@marcbachmann/cel-js";
import type { Duration } from "@marcbachmann/cel-js/evaluator";

const time = "google.protobuf.Timestamp";
const span = "google.protobuf.Duration";

/** Conversions of CEL's standard that the engine lacks. */
export function registerConversions(environment: Environment): void {
  const functions: Record<string, (...values: never[]) => unknown> = {
    [`string(${time}): string`]: (value: Date) => value.toISOString().replace(/\.?0+Z$/, "Z"),
    [`string(${span}): string`]: (value: Duration) => `${Number(value.seconds) + value.nanos / 1e9}s`,
    [`int(${time}): int`]: (value: Date) => BigInt(Math.floor(value.getTime() / 1000)),
    [`timestamp(${time}): ${time}`]: (value: Date) => value,
    [`duration(${span}): ${span}`]: (value: Duration) => value,
    "OptionalNamespace.ofNonZeroValue(A): optional<A>": (_: unknown, value: unknown) =>
      isZero(value) ? Optional.none() : Optional.of(value),
  };
  for (const [signature, handler] of Object.entries(functions)) environment.registerFunction(signature, handler);
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === "object" && value !== null) return value.constructor === Object && Object.keys(value).length === 0;
  return !value;
}
