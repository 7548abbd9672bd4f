import type { Environment } from "@marcbachmann/cel-js";
import { isNamedType, itemType, structFields, valueType } from "../schema/struct.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";

const time = "google.protobuf.Timestamp";
/** What the facts' own words are to CEL; what is not here (quantities, free JSON) has no type there, and fields of it are not known. */
const scalars: Record<string, string> = {
  string: "string",
  bool: "bool",
  int32: "int",
  int64: "int",
  float64: "double",
  bytes: "bytes",
  time,
  "micro-time": time,
  duration: "string",
  "int-or-string": "dyn",
  "fields-v1": "Empty",
  "raw-object": "Empty",
};

/** Declares types of objects, so that expressions about them can be checked: one for each environment. */
export class ObjectTypes {
  private readonly environment: Environment;
  private readonly declared = new Map<string, string | undefined>();

  constructor(environment: Environment) {
    this.environment = environment.registerType("Empty", { fields: {} });
  }

  /** A type of the facts ("apps.v1.Deployment"). Gives its name in CEL; undefined where it cannot be told, as of one that contains itself. */
  builtIn(type: string): string | undefined {
    const inner = itemType(type) ?? valueType(type);
    if (inner !== undefined) return this.collection(itemType(type) !== undefined, this.builtIn(inner));
    if (!isNamedType(type)) return scalars[type];
    return this.once(type, () => Object.fromEntries(structFields(type).map((field) => [field.name, this.builtIn(field.facts.type)])));
  }

  /** A custom resource's schema. */
  custom(schema: JSONSchemaProps, name: string, isResource = true): string | undefined {
    const { type, format, items, properties, additionalProperties } = schema;
    if (schema["x-kubernetes-int-or-string"]) return "dyn";
    if (type === "array") return this.collection(true, isSchema(items) ? this.custom(items, `${name}.item`, false) : undefined);
    if (type === "object" && isSchema(additionalProperties))
      return this.collection(false, this.custom(additionalProperties, `${name}.value`, false));
    if (type === "object" && !properties && schema["x-kubernetes-preserve-unknown-fields"]) return "dyn";
    if (type === "object")
      return this.once(name, () => ({
        ...Object.fromEntries(Object.entries(properties ?? {}).map(([key, value]) => [key, this.custom(value, `${name}.${key}`, false)])),
        ...(isResource ? { apiVersion: "string", kind: "string", metadata: this.builtIn("meta.v1.ObjectMeta") } : {}),
      }));
    if (type === "string")
      return { byte: "bytes", "date-time": time, date: time, duration: "google.protobuf.Duration" }[format ?? ""] ?? type;
    return { integer: "int", number: "double", boolean: "bool" }[type ?? ""];
  }

  private collection(isList: boolean, each: string | undefined): string | undefined {
    return each && (isList ? `list<${each}>` : `map<string, ${each}>`);
  }

  private once(name: string, fieldsOf: () => Record<string, string | undefined>): string | undefined {
    if (this.declared.has(name)) return this.declared.get(name);
    this.declared.set(name, undefined); // While its fields are looked at.
    const fields = Object.entries(fieldsOf()).flatMap(([key, type]) => (type === undefined ? [] : [[key, type]]));
    this.environment.registerType(name, { fields: Object.fromEntries(fields) });
    this.declared.set(name, name);
    return name;
  }
}

function isSchema(value: unknown): value is JSONSchemaProps {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
