import type { FieldFacts } from "./facts.ts";
import { isJsonObject, itemType, type JsonObject, type StructField, structFields, valueType } from "./struct.ts";

/** What is completed: an object of which nothing is given yet, one as it was sent, or one about to be stored, where an empty list is none. */
export type Stage = "bare" | "sent" | "stored";

/** Fills in what Go always writes, and unless the object is bare what the facts give a default for. Changes the value in place. */
export type Defaulter = (value: unknown, stage: Stage) => void;

type FieldDefaulter = (object: JsonObject, stage: Stage) => void;

const defaulters = new Map<string, FieldDefaulter[]>();
const compiling = new Set<string>();

/** The defaulter of a type; undefined where there is nothing to fill in. */
export function defaulterOf(type: string): Defaulter | undefined {
  const item = itemType(type) ?? valueType(type);
  if (item !== undefined) {
    const each = defaulterOf(item);
    return (
      each &&
      ((value, stage) => {
        if (Array.isArray(value)) for (const one of value) each(one, stage);
        else if (isJsonObject(value)) for (const one of Object.values(value)) each(one, stage);
      })
    );
  }
  if (type.startsWith("schema-or-")) return schemaDefaulter;
  if (!type.includes(".")) return undefined;
  const fields = structDefaulters(type);
  if (fields.length === 0 && !compiling.has(type)) return undefined;
  return (value, stage) => {
    if (isJsonObject(value)) for (const fill of fields) fill(value, stage);
  };
}

function schemaDefaulter(value: unknown, stage: Stage): void {
  const each = (schema: unknown): void => {
    if (isJsonObject(schema)) for (const fill of structDefaulters("apiextensions.v1.JSONSchemaProps")) fill(schema, stage);
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

function fieldDefaulter(typeName: string, { name, facts, omitZero }: StructField): FieldDefaulter | undefined {
  const deeper = defaulterOf(facts.type);
  if (!facts.ptr && isStruct(facts.type)) {
    return (object, stage) => {
      object[name] ??= {};
      deeper?.(object[name], stage);
    };
  }
  const omitted = typeName === "meta.v1.ObjectMeta" && name === "creationTimestamp";
  const absent = omitted || (omitZero && facts.default === "") ? undefined : (facts.default ?? alwaysWritten(facts));
  if (absent === undefined) return deeper && ((object, stage) => object[name] !== undefined && deeper(object[name], stage));
  const isList = absent === null && itemType(facts.type) !== undefined;
  return (object, stage) => {
    const value = object[name];
    if (stage === "bare" && facts.ptr && absent !== null) return;
    if (value === undefined || (isList && stage === "stored" && Array.isArray(value) && value.length === 0))
      object[name] = Array.isArray(absent) ? [] : isJsonObject(absent) ? {} : absent;
    else deeper?.(value, stage);
  };
}

function isStruct(type: string): boolean {
  return type.includes(".") && itemType(type) === undefined && valueType(type) === undefined;
}

/** Lists that must be there, and may be empty all the same: Go shows these as null. */
const mayBeEmpty = new Set(["[batch.v1.PodFailurePolicyRule]", "[core.v1.LimitRangeItem]", "[storage.v1.CSINodeDriver]"]);

/** What JSON shows of an absent field: Go's zero value where the field has no omitempty, null for lists and structs with a text form. */
function alwaysWritten({ type, keep, ptr, req }: FieldFacts): unknown {
  const isNumber = /^(int|float|duration)/.test(type);
  if (ptr) return keep && !req && !isNumber ? null : undefined;
  if (["time", "micro-time", "raw-object"].includes(type)) return null;
  if (type === "quantity") return "0";
  if (!keep) return undefined;
  if (type === "bytes") return null;
  if (itemType(type) !== undefined) return req && !mayBeEmpty.has(type) ? [] : null;
  if (valueType(type) !== undefined) return req ? {} : null;
  if (type === "bool") return false;
  if (type === "duration") return "0s";
  return isNumber ? 0 : "";
}
