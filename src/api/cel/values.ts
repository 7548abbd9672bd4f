import { Optional } from "@marcbachmann/cel-js";
import { Duration, UnsignedInt } from "@marcbachmann/cel-js/evaluator";
import { wholeNumber } from "../codec/json-numbers.ts";
import { celEqual } from "./library/equality.ts";

/** What Object{...} and its parts give: the fields, and the name of the type. */
export class CelObject {
  readonly type: string;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(type: string, fields: Readonly<Record<string, unknown>>) {
    this.type = type;
    this.fields = fields;
  }

  equals(other: unknown): boolean {
    return other instanceof CelObject && other.type === this.type && celEqual(this.fields, other.fields);
  }
}

/** A part of an object: Object.spec{...}. */
export class CelField extends CelObject {}

/** An operation of a JSON patch: JSONPatch{op: "add", ...}. */
export class CelJsonPatch {
  readonly op?: string;
  readonly path?: string;
  readonly from?: string;
  readonly value?: unknown;

  constructor(fields: Readonly<Record<string, unknown>>) {
    Object.assign(this, fields);
  }

  equals(other: unknown): boolean {
    return other instanceof CelJsonPatch && celEqual({ ...this }, { ...other });
  }
}

/** A value of CEL as JSON data. Throws an Error for what JSON cannot say. */
export function jsonValue(value: unknown): unknown {
  if (typeof value === "bigint") return wholeNumber(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(jsonValue);
  if (value instanceof CelObject) return jsonValue(value.fields);
  if (value instanceof Date) return value.toISOString().replace(/\.000Z$/, "Z");
  if (value instanceof Duration) return String(value);
  if (value instanceof UnsignedInt) return Number(value.valueOf());
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Optional || Object.getPrototypeOf(value) !== Object.prototype) throw new Error("unsupported conversion to JSON");
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, jsonValue(member)]));
}
