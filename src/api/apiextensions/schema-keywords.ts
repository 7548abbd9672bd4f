import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { goRegExp } from "../schema/go-regexp.ts";
import { isJsonObject } from "../schema/struct.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";
import { childrenOf } from "./rules.ts";
import { sorted } from "./structural-schema.ts";

const types = ["array", "boolean", "integer", "number", "object", "string"];

const unsupportedKeys = ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] as const;

/** Whether a schema uses what keeps it from being looked at any further. */
export function usesUnsupported(schema: JSONSchemaProps): boolean {
  const own = Array.isArray(schema.items) || unsupportedKeys.some((key) => schema[key] !== undefined);
  return own || childrenOf(schema).some(([, child]) => usesUnsupported(child));
}

/** What is wrong with the keywords of a schema and of those in it, one by one: what OpenAPI has and CustomResourceDefinitions do not. */
export function validateKeywords(field: string, schema: JSONSchemaProps): FieldError[] {
  const { properties = {}, additionalProperties, items, not } = schema;
  const errors = [...unsupported(field, schema)];
  if (schema.uniqueItems)
    errors.push(
      fault.forbidden(`${field}.uniqueItems`, "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
    );
  if (additionalProperties !== undefined && additionalProperties !== true && Object.keys(properties).length > 0)
    errors.push(fault.forbidden(`${field}.additionalProperties`, "additionalProperties and properties are mutual exclusive"));
  if (isJsonObject(additionalProperties)) errors.push(...validateKeywords(`${field}.additionalProperties`, additionalProperties));
  for (const [name, property] of sorted(properties)) errors.push(...validateKeywords(`${field}.properties[${name}]`, property));
  if (not) errors.push(...validateKeywords(`${field}.not`, not));
  for (const junctor of ["allOf", "oneOf", "anyOf"] as const)
    for (const [i, part] of schema[junctor]?.entries() ?? []) errors.push(...validateKeywords(`${field}.${junctor}[${i}]`, part));
  if (items && !Array.isArray(items)) errors.push(...validateKeywords(`${field}.items`, items));
  if (schema["x-kubernetes-preserve-unknown-fields"] === false)
    errors.push(fault.invalid(`${field}.x-kubernetes-preserve-unknown-fields`, false, "must be true or undefined"));
  return [...errors, ...mapType(field, schema), ...listType(field, schema), ...patternOf(field, schema)];
}

function unsupported(field: string, schema: JSONSchemaProps): FieldError[] {
  const errors: FieldError[] = [];
  const { type, items } = schema;
  if (type && !types.includes(type)) errors.push(fault.notSupported(`${field}.type`, type, types));
  for (const key of unsupportedKeys)
    if (schema[key] !== undefined) errors.push(fault.forbidden(`${field}.${key}`, `${key} is not supported`));
  if (type === "null") errors.push(fault.forbidden(`${field}.type`, "type cannot be set to null, use nullable as an alternative"));
  if (Array.isArray(items)) errors.push(fault.forbidden(`${field}.items`, "items must be a schema object and not an array"));
  else if (type === "array" && !items) errors.push(fault.required(`${field}.items`, "must be specified"));
  return errors;
}

function mapType(field: string, { type, "x-kubernetes-map-type": wanted }: JSONSchemaProps): FieldError[] {
  if (wanted === undefined) return [];
  const errors = needsType(field, type, "object", "must be object if x-kubernetes-map-type is specified");
  if (wanted !== "atomic" && wanted !== "granular")
    errors.push(fault.notSupported(`${field}.x-kubernetes-map-type`, wanted, ["atomic", "granular"]));
  return errors;
}

function needsType(field: string, type: string | undefined, wanted: string, why: string): FieldError[] {
  if (type === wanted) return [];
  return [type ? fault.invalid(`${field}.type`, type, why) : fault.required(`${field}.type`, why)];
}

function listType(field: string, schema: JSONSchemaProps): FieldError[] {
  const wanted = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const errors: FieldError[] = [];
  if (wanted !== undefined) {
    errors.push(...needsType(field, schema.type, "array", "must be array if x-kubernetes-list-type is specified"));
    if (errors.length === 0 && !["atomic", "set", "map"].includes(wanted))
      errors.push(fault.notSupported(`${field}.x-kubernetes-list-type`, wanted, ["atomic", "set", "map"]));
  }
  if (keys.length > 0 && wanted !== "map") {
    const why = "must be map if x-kubernetes-list-map-keys is non-empty";
    const place = `${field}.x-kubernetes-list-type`;
    errors.push(wanted === undefined ? fault.required(place, why) : fault.invalid(place, wanted, why));
  }
  const items = Array.isArray(schema.items) ? undefined : schema.items;
  if (wanted === "map") errors.push(...listMap(field, schema.items, keys));
  if (items?.nullable && (wanted === "map" || wanted === "set"))
    errors.push(fault.forbidden(`${field}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${wanted}`));
  const atomic = "must be atomic as item of a list with x-kubernetes-list-type=set";
  if (wanted === "set" && items?.type === "object" && items["x-kubernetes-map-type"] !== "atomic")
    errors.push(fault.invalid(`${field}.items.x-kubernetes-map-type`, items["x-kubernetes-map-type"], atomic));
  if (wanted === "set" && items?.type === "array" && (items["x-kubernetes-list-type"] ?? "atomic") !== "atomic")
    errors.push(fault.invalid(`${field}.items.x-kubernetes-list-type`, items["x-kubernetes-list-type"], atomic));
  return errors;
}

function listMap(field: string, items: JSONSchemaProps["items"] | null, keys: readonly string[]): FieldError[] {
  const place = `${field}.x-kubernetes-list-map-keys`;
  const errors: FieldError[] = [];
  if (keys.length === 0) errors.push(fault.required(place, "must not be empty if x-kubernetes-list-type is map"));
  if (items === undefined) return [...errors, fault.required(`${field}.items`, "must have a schema if x-kubernetes-list-type is map")];
  if (items === null || Array.isArray(items)) {
    const why = "must only have a single schema if x-kubernetes-list-type is map";
    return [...errors, fault.invalid(`${field}.items`, { Schema: null, JSONSchemas: items }, why)];
  }
  if (items.type !== "object")
    return [
      ...errors,
      fault.invalid(`${field}.items.type`, items.type ?? "", "must be object if parent array's x-kubernetes-list-type is map"),
    ];
  if (new Set(keys).size < keys.length) return [...errors, fault.invalid(place, keys, "must not contain duplicate entries")];
  for (const key of keys) {
    const property = items.properties?.[key];
    const at = `${field}.items.properties[${key}]`;
    if (!property) {
      errors.push(fault.invalid(place, keys, "entries must all be names of item properties"));
      continue;
    }
    if (property.type === "array" || property.type === "object")
      errors.push(fault.invalid(`${at}.type`, property.type, "must be a scalar type if parent array's x-kubernetes-list-type is map"));
    const isKey = "this property is in x-kubernetes-list-map-keys, so it";
    if (property.default === undefined && !items.required?.includes(key))
      errors.push(fault.required(`${at}.default`, `${isKey} must have a default or be a required property`));
    if (property.nullable) errors.push(fault.forbidden(`${at}.nullable`, `${isKey} cannot be nullable`));
  }
  return errors;
}

function patternOf(field: string, { pattern }: JSONSchemaProps): FieldError[] {
  try {
    if (pattern) goRegExp(pattern);
    return [];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [fault.invalid(`${field}.pattern`, pattern, `must be a valid regular expression, but isn't: ${why}`)];
  }
}
