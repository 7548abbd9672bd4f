import type { FieldError } from "../errors.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { isJsonObject } from "../schema/struct.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";

/** Where a schema stands: some may do more than others. */
type Level = "root" | "field" | "item";

/**
 * What keeps a schema, in which every keyword is sound, from being structural: every value must have one type outside of logical junctors.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
export function validateStructural(field: string, schema: JSONSchemaProps): FieldError[] {
  return validateNode(field, schema, "root");
}

const emptyTypes: Record<Level, string> = {
  root: "must not be empty at the root",
  field: "must not be empty for specified object fields",
  item: "must not be empty for specified array items",
};

function validateNode(field: string, schema: JSONSchemaProps, level: Level): FieldError[] {
  const errors: FieldError[] = [];
  const { type = "", items, properties = {}, additionalProperties } = schema;
  const intOrString = schema["x-kubernetes-int-or-string"] === true;
  const keepsAll = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  if (items && !Array.isArray(items)) errors.push(...validateNode(`${field}.items`, items, "item"));
  for (const [name, property] of sorted(properties)) errors.push(...validateNode(`${field}.properties[${name}]`, property, "field"));
  if (isJsonObject(additionalProperties)) errors.push(...validateNode(`${field}.additionalProperties`, additionalProperties, "field"));
  if (level === "root") {
    if (schema.nullable) errors.push(fault.forbidden(`${field}.nullable`, "nullable cannot be true at the root"));
    if (additionalProperties) errors.push(fault.forbidden(`${field}.additionalProperties`, "must not be used at the root"));
    if (type && type !== "object") errors.push(fault.invalid(`${field}.type`, type, "must be object at the root"));
  }
  if (intOrString && keepsAll)
    errors.push(
      fault.invalid(`${field}.x-kubernetes-preserve-unknown-fields`, true, "must be false if x-kubernetes-int-or-string is true"),
    );
  if (intOrString && embedded)
    errors.push(fault.invalid(`${field}.x-kubernetes-embedded-resource`, true, "must be false if x-kubernetes-int-or-string is true"));
  errors.push(...validateJunctors(field, schema, intOrString));
  if (embedded && !keepsAll && Object.keys(properties).length === 0) {
    const why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
    errors.push(fault.required(`${field}.properties`, why));
  }
  if (embedded && type !== "object") {
    const why = "must be object if x-kubernetes-embedded-resource is true";
    errors.push(type ? fault.invalid(`${field}.type`, type, why) : fault.required(`${field}.type`, why));
  } else if (!type && !intOrString && (!keepsAll || level === "root")) errors.push(fault.required(`${field}.type`, emptyTypes[level]));
  if (embedded || level === "root") errors.push(...validateObjectMeta(`${field}.properties`, properties, level));
  return errors;
}

/** What an object's schema may say of the members that every object has. */
function validateObjectMeta(field: string, { metadata, apiVersion, kind }: Record<string, JSONSchemaProps>, level: Level): FieldError[] {
  const errors: FieldError[] = [];
  if (metadata && metadata.type !== "object") errors.push(fault.invalid(`${field}[metadata].type`, metadata.type ?? "", "must be object"));
  else if (metadata && level === "root") {
    const { name: _name, generateName: _generateName, ...others } = metadata.properties ?? {};
    const { type: _type, description: _description, properties: _properties, default: byDefault, ...rest } = metadata;
    if (byDefault !== undefined) errors.push(fault.forbidden(`${field}[metadata].default`, "must not be set in top-level metadata"));
    if (Object.keys(others).length > 0 || Object.keys(rest).length > 0) {
      const why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
      errors.push(fault.forbidden(`${field}[metadata]`, why));
    }
  }
  for (const [name, schema] of Object.entries({ apiVersion, kind }))
    if (schema && schema.type !== "string") errors.push(fault.invalid(`${field}[${name}].type`, schema.type ?? "", "must be string"));
  return errors;
}

/** The two ways in which a junctor may name types: x-kubernetes-int-or-string, written out. */
const intOrStringTypes = [{ type: "integer" }, { type: "string" }];

function validateJunctors(field: string, schema: JSONSchemaProps, intOrString: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const mayNameTypes = (anyOf: JSONSchemaProps[] | undefined): boolean => intOrString && deepEqual(anyOf, intOrStringTypes);
  const nested = (path: string, parts: JSONSchemaProps[] | undefined, spared: boolean): void => {
    for (const [i, part] of parts?.entries() ?? []) if (!spared) errors.push(...validateNested(`${path}[${i}]`, part));
  };
  for (const [i, part] of schema.allOf?.entries() ?? []) {
    const { anyOf, ...rest } = part;
    const path = `${field}.allOf[${i}]`;
    errors.push(...validateNested(path, i === 0 && mayNameTypes(anyOf) ? rest : part));
  }
  nested(`${field}.anyOf`, schema.anyOf, mayNameTypes(schema.anyOf));
  nested(`${field}.oneOf`, schema.oneOf, false);
  if (schema.not) errors.push(...validateNested(`${field}.not`, schema.not));
  return errors;
}

/** What a schema in a junctor may not say, in upstream's order, and what it would have to be instead. */
const forbiddenInJunctors: [keyof JSONSchemaProps, string][] = [
  ["type", "must be empty to be structural"],
  ["additionalProperties", "must be undefined to be structural"],
  ["title", "must be empty to be structural"],
  ["description", "must be empty to be structural"],
  ["default", "must be undefined to be structural"],
  ["nullable", "must be false to be structural"],
  ["x-kubernetes-preserve-unknown-fields", "must be false to be structural"],
  ["x-kubernetes-embedded-resource", "must be false to be structural"],
  ["x-kubernetes-int-or-string", "must be false to be structural"],
  ["x-kubernetes-list-type", "must be undefined to be structural"],
  ["x-kubernetes-list-map-keys", "must be empty to be structural"],
  ["x-kubernetes-map-type", "must be undefined to be structural"],
  ["x-kubernetes-validations", "must be empty to be structural"],
];

function validateNested(field: string, schema: JSONSchemaProps): FieldError[] {
  const { items, properties = {} } = schema;
  const metadata = Object.hasOwn(properties, "metadata");
  return [
    ...validateJunctors(field, schema, false),
    ...(items && !Array.isArray(items) ? validateNested(`${field}.items`, items) : []),
    ...sorted(properties).flatMap(([name, property]) => validateNested(`${field}.properties[${name}]`, property)),
    ...forbiddenInJunctors.flatMap(([key, why]) => (schema[key] ? [fault.forbidden(`${field}.${key}`, why)] : [])),
    ...(metadata ? [fault.forbidden(`${field}.properties[metadata]`, "must not be specified in a nested context")] : []),
  ];
}

/** In the order of names. */
export function sorted<T>(members: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1));
}
