import type { Environment } from "@marcbachmann/cel-js";
import type { Duration } from "@marcbachmann/cel-js/evaluator";
import { kubernetesEnvironment } from "../cel/environment.ts";
import { celValue, compileExpression } from "../cel/expression.ts";
import { deepEqual } from "../meta/equality.ts";
import { isJsonObject } from "../schema/struct.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";

/** What a schema is to CEL: the name of its type, and how data of it becomes a value. */
export interface RuleType {
  name: string;
  toCel(data: unknown): unknown;
}

const dynamic: RuleType = { name: "dyn", toCel: celValue };
const text: RuleType = { name: "string", toCel: (data) => data };
const raw = Symbol("raw");

/** An object as CEL sees it: its fields are made CEL values when they are looked at. */
class View {
  readonly [raw]: object;

  constructor(data: object) {
    this[raw] = data;
  }

  equals(other: unknown): boolean {
    return other instanceof View && deepEqual(this[raw], other[raw]);
  }
}

const keywords = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(" "),
);
const separators: Record<string, string> = { __: "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__" };

/** A property's name as expressions write it; undefined for one that they cannot. */
export function celName(property: string): string | undefined {
  if (keywords.has(property)) return `__${property}__`;
  const name = property.replace(/__|[.\-/]/g, (found) => separators[found] ?? "");
  return /^[A-Za-z_]\w*$/.test(name) ? name : undefined;
}

const scalars: Record<string, RuleType | undefined> = {
  boolean: { name: "bool", toCel: (data) => data },
  number: { name: "double", toCel: (data) => data },
  integer: { name: "int", toCel: (data) => (typeof data === "number" ? BigInt(Math.trunc(data)) : data) },
};
const time: RuleType = { name: "google.protobuf.Timestamp", toCel: (data) => new Date(String(data)) };
const formats: Record<string, RuleType | undefined> = {
  byte: { name: "bytes", toCel: (data) => Buffer.from(String(data), "base64") },
  "date-time": time,
  date: time,
  duration: { name: "google.protobuf.Duration", toCel: durationOf },
};

let parseDuration: ReturnType<typeof compileExpression> | undefined;

function durationOf(data: unknown): Duration {
  parseDuration ??= compileExpression(kubernetesEnvironment().registerVariable("x", "string"), "duration(x)");
  return parseDuration.evaluate({ x: String(data) }) as Duration; // What duration() gives.
}

/** The types of one schema and of what lies below it, made as they are asked for; then environments for its rules. */
export class RuleTypes {
  private readonly environment = kubernetesEnvironment();
  private readonly names = new Set<string>();
  private readonly known = new Map<JSONSchemaProps, RuleType | undefined>();

  /** The type of a schema; undefined where it says nothing that CEL could use. `name` is that of an object's type. */
  of(schema: JSONSchemaProps, name: string, isResource = false): RuleType | undefined {
    if (!this.known.has(schema)) this.known.set(schema, this.make(schema, name, isResource));
    return this.known.get(schema);
  }

  /** Where rules about `self` are compiled. No type can be made afterwards. */
  scope(self: RuleType, optionalOldSelf: boolean): Environment {
    return this.environment
      .clone()
      .registerVariable("self", self.name)
      .registerVariable("oldSelf", optionalOldSelf ? `optional<${self.name}>` : self.name);
  }

  private make(schema: JSONSchemaProps, name: string, isResource: boolean): RuleType | undefined {
    const { type, items, additionalProperties } = schema;
    if (schema["x-kubernetes-int-or-string"]) return dynamic;
    if (type === "array") {
      const each = items && !Array.isArray(items) ? this.of(items, `${name}.@idx`) : undefined;
      return each && { name: `list<${each.name}>`, toCel: (data) => (Array.isArray(data) ? data.map(each.toCel) : data) };
    }
    if (type === "object" && isJsonObject(additionalProperties)) {
      const each = this.of(additionalProperties, `${name}.@elem`);
      return each && { name: `map<string, ${each.name}>`, toCel: (data) => mapOf(data, each) };
    }
    if (type === "object") return this.object(schema, name, isResource || schema["x-kubernetes-embedded-resource"] === true);
    if (type === "string") return formats[schema.format ?? ""] ?? text;
    return scalars[type ?? ""];
  }

  private object({ properties = {} }: JSONSchemaProps, name: string, isResource: boolean): RuleType {
    const fields: Record<string, string> = {};
    class Fields extends View {}
    const add = (property: string, { name: typeName, toCel }: RuleType): void => {
      const field = celName(property);
      if (!field || field in View.prototype) return; // A getter named "constructor" or "equals" would hide what the engine needs.
      fields[field] = typeName;
      Object.defineProperty(Fields.prototype, field, {
        get(this: View) {
          const data: unknown = Reflect.get(this[raw], property);
          return data === undefined || data === null ? (typeName === "dyn" ? data : undefined) : toCel(data);
        },
      });
    };
    for (const [property, schema] of Object.entries(properties)) {
      const type = this.of(schema, `${name}.${property}`);
      // Only a type that may be anything can hold a null.
      if (type) add(property, schema.nullable && schema.type === "object" ? { ...type, name: "dyn" } : type);
    }
    if (isResource) {
      for (const property of ["apiVersion", "kind"]) add(property, text);
      add(
        "metadata",
        this.object({ properties: { name: { type: "string" }, generateName: { type: "string" } } }, `${name}.metadata`, false),
      );
    }
    // The engine takes words and dots for a name.
    const plain = name.replace(/[^\w.]/g, "_");
    const own = this.names.has(plain) ? `${plain}_${this.names.size}` : plain;
    this.names.add(own);
    this.environment
      .registerType(own, { ctor: Fields, fields })
      .registerOperator(`${own} == ${own}`, (a: View, b: View) => a.equals(b))
      .registerOperator(`${own} == null`, () => false);
    return { name: own, toCel: (data) => (isJsonObject(data) ? new Fields(data) : data) };
  }
}

function mapOf(data: unknown, { toCel }: RuleType): unknown {
  return isJsonObject(data) ? Object.fromEntries(Object.entries(data).map(([key, value]) => [key, toCel(value)])) : data;
}
