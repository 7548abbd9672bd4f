import type { FieldError } from "../errors.ts";
import { forbiddenField, invalidValue, notSupported, requiredValue } from "../meta/field-errors.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";

const types = ["array", "boolean", "integer", "number", "object", "string"];

/**
 * What keeps a schema from being structural: every value must have one type outside of logical junctors.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
export function validateStructure(field: string, schema: JSONSchemaProps): FieldError[] {
  const root = schema.type === "object" ? [] : [invalidValue(`${field}.type`, schema.type ?? "", "must be object at the root")];
  return [
    ...(schema.type ? root : [requiredValue(`${field}.type`, "must not be empty at the root")]),
    ...validateNode(field, schema, true),
  ];
}

function validateNode(field: string, schema: JSONSchemaProps, isRoot: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const intOrString = schema["x-kubernetes-int-or-string"];
  const free = schema["x-kubernetes-preserve-unknown-fields"];
  if (!isRoot) {
    if (!schema.type && !intOrString && !free) errors.push(requiredValue(`${field}.type`, "must not be empty for specified object fields"));
    else if (schema.type && !types.includes(schema.type)) errors.push(notSupported(`${field}.type`, schema.type, types));
    if (intOrString && schema.type)
      errors.push(invalidValue(`${field}.type`, schema.type, "must be empty if x-kubernetes-int-or-string is true"));
  }
  errors.push(...validateMergeKeys(field, schema));
  const { properties = {}, additionalProperties, items } = schema;
  if (Object.keys(properties).length > 0 && additionalProperties !== undefined && additionalProperties !== false)
    errors.push(forbiddenField(`${field}.additionalProperties`, "additionalProperties and properties are mutual exclusive"));
  for (const [name, property] of Object.entries(properties)) errors.push(...validateNode(`${field}.properties[${name}]`, property, false));
  if (typeof additionalProperties === "object") errors.push(...validateNode(`${field}.additionalProperties`, additionalProperties, false));
  if (Array.isArray(items)) errors.push(forbiddenField(`${field}.items`, "items must be a schema object and not an array"));
  else if (items) errors.push(...validateNode(`${field}.items`, items, false));
  else if (schema.type === "array") errors.push(requiredValue(`${field}.items`, "must be specified"));
  else if (schema["x-kubernetes-list-type"] === "map")
    errors.push(requiredValue(`${field}.items`, "must have a schema if x-kubernetes-list-type is map"));
  if (schema.uniqueItems)
    errors.push(forbiddenField(`${field}.uniqueItems`, "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"));
  for (const key of ["$ref", "definitions", "dependencies", "patternProperties"] as const)
    if (schema[key] !== undefined) errors.push(forbiddenField(`${field}.${key}`, `${key} is not supported`));
  return errors;
}

function validateMergeKeys(field: string, schema: JSONSchemaProps): FieldError[] {
  const listType = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"];
  if (listType === undefined)
    return keys?.length ? [requiredValue(`${field}.x-kubernetes-list-type`, "must be map if x-kubernetes-list-map-keys is non-empty")] : [];
  const errors: FieldError[] = [];
  if (!["atomic", "set", "map"].includes(listType))
    errors.push(notSupported(`${field}.x-kubernetes-list-type`, listType, ["atomic", "map", "set"]));
  if (schema.type !== "array")
    errors.push(invalidValue(`${field}.type`, schema.type ?? "", "must be array if x-kubernetes-list-type is specified"));
  if (listType === "map" && !keys?.length)
    errors.push(requiredValue(`${field}.x-kubernetes-list-map-keys`, "must not be empty if x-kubernetes-list-type is map"));
  return errors;
}
