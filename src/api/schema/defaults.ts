import type { FieldFacts } from "./facts.ts";
import { isJsonObject, itemType, type JsonObject, type StructField, structFields, valueType } from "./struct.ts";

/** Fills in what Go always writes and what the facts give a default for. Changes the value in place. */
export type Defaulter = (value: unknown) => void;

type FieldDefaulter = (object: JsonObject) => void;

const defaulters = new Map<string, FieldDefaulter[]>();
const compiling = new Set<string>();

/** The defaulter of a type; undefined where there is nothing to fill in. */
export function defaulterOf(type: string): Defaulter | undefined {
  const item = itemType(type);
  if (item !== undefined) {
    const each = defaulterOf(item);
    return each && ((value) => Array.isArray(value) && value.forEach(each));
  }
  const element = valueType(type);
  if (element !== undefined) {
    const each = defaulterOf(element);
    return each && ((value) => isJsonObject(value) && Object.values(value).forEach(each));
  }
  if (type.startsWith("schema-or-")) return schemaDefaulter;
  if (!type.includes(".")) return undefined;
  const fields = structDefaulters(type);
  if (fields.length === 0 && !compiling.has(type)) return undefined;
  return (value) => {
    if (isJsonObject(value)) for (const fill of fields) fill(value);
  };
}

function schemaDefaulter(value: unknown): void {
  const each = (schema: unknown): void => {
    if (isJsonObject(schema)) for (const fill of structDefaulters("apiextensions.v1.JSONSchemaProps")) fill(schema);
  };
  if (Array.isArray(value)) value.forEach(each);
  else each(value);
}

/** While a type is being compiled its list is still growing: a type that holds itself counts as having something to do. */
function structDefaulters(typeName: string): FieldDefaulter[] {
  const known = defaulters.get(typeName);
  if (known) return known;
  const fields: FieldDefaulter[] = [];
  defaulters.set(typeName, fields);
  compiling.add(typeName);
  for (const field of structFields(typeName)) {
    const fill = fieldDefaulter(typeName, field);
    if (fill) fields.push(fill);
  }
  compiling.delete(typeName);
  return fields;
}

function fieldDefaulter(typeName: string, { name, facts }: StructField): FieldDefaulter | undefined {
  const deeper = defaulterOf(facts.type);
  if (!facts.ptr && isStruct(facts.type)) {
    return (object) => {
      object[name] ??= {};
      deeper?.(object[name]);
    };
  }
  const omitted = typeName === "meta.v1.ObjectMeta" && name === "creationTimestamp";
  const absent = omitted ? undefined : (facts.default ?? alwaysWritten(facts));
  if (absent === undefined) return deeper && ((object) => object[name] !== undefined && deeper(object[name]));
  return (object) => {
    if (object[name] === undefined) object[name] = Array.isArray(absent) ? [] : isJsonObject(absent) ? {} : absent;
    else deeper?.(object[name]);
  };
}

function isStruct(type: string): boolean {
  return type.includes(".") && itemType(type) === undefined && valueType(type) === undefined;
}

/**
 * What JSON shows of an absent field: Go's zero value where the field has no omitempty, null for structs with a text form. Lists that
 * must be present are empty where Go says null: clients other than Go's trip over null there.
 */
function alwaysWritten({ type, keep, ptr, req }: FieldFacts): unknown {
  const isNumber = /^(int|float|duration)/.test(type);
  if (ptr) return keep && !req && !isNumber ? null : undefined;
  if (["time", "micro-time", "raw-object"].includes(type)) return null;
  if (type === "quantity") return "0";
  if (!keep) return undefined;
  if (itemType(type) !== undefined) return req ? [] : null;
  if (valueType(type) !== undefined) return req ? {} : null;
  if (type === "bool") return false;
  if (type === "duration") return "0s";
  return isNumber ? 0 : "";
}
