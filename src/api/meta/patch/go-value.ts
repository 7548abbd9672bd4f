import { isJsonObject } from "../../schema/struct.ts";

/** A value as Go prints it with %v: `map[a:[1 <nil>] b:text]`. */
export function goValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goValue).join(" ")}]`;
  if (typeof value === "number" && value !== 0 && Math.abs(value) < 1e-4) return value.toExponential().replace(/-(\d)$/, "-0$1");
  if (!isJsonObject(value)) return value === null ? "<nil>" : String(value);
  const members = Object.keys(value).sort();
  return `map[${members.map((name) => `${name}:${goValue(value[name])}`).join(" ")}]`;
}

/** The Go type of a decoded JSON value. */
export function goType(value: unknown): string {
  if (Array.isArray(value)) return "[]interface {}";
  if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) <= 2 ** 63 ? "int64" : "float64";
  if (typeof value === "bigint") return "int64";
  return isJsonObject(value) ? "map[string]interface {}" : typeof value === "boolean" ? "bool" : typeof value;
}
