import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { prunerOf } from "../schema/structural.ts";
import { checkOf } from "../schema/structural-validation.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";
import { childrenOf, ruleCheckOf } from "./rules.ts";

/** What is wrong with the defaults of a structural schema: each must be what its own schema allows. */
export function validateDefaults(field: string, schema: JSONSchemaProps): FieldError[] {
  const names: Record<string, string> = { "@idx": "items", "@elem": "additionalProperties" };
  const own = schema.default === undefined ? [] : validateDefault(`${field}.default`, schema);
  const below = childrenOf(schema).flatMap(([name, child]) =>
    validateDefaults(`${field}.${(schema.properties?.[name] !== child && names[name]) || `properties[${name}]`}`, child),
  );
  return [...own, ...below];
}

/** Whether the schema or one in it has a default. */
export function hasDefaults(schema: JSONSchemaProps): boolean {
  return schema.default !== undefined || childrenOf(schema).some(([, child]) => hasDefaults(child));
}

function validateDefault(field: string, schema: JSONSchemaProps): FieldError[] {
  const unknown: string[] = [];
  prunerOf(schema)(schema.default, "", unknown);
  if (unknown.length > 0) return [fault.invalid(field, schema.default, "must not have unknown fields")];
  const errors: FieldError[] = [];
  checkOf(schema)(schema.default, "", errors);
  if (errors.length === 0) ruleCheckOf(schema)?.(schema.default, undefined, "", { errors });
  return errors.map((error) => ({ ...error, field: error.field && error.field !== "<nil>" ? `${field}.${error.field}` : field }));
}
