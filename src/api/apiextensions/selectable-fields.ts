import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { isJsonObject } from "../schema/struct.ts";
import type { CustomResourceDefinitionVersion, JSONSchemaProps } from "../types/apiextensions.v1.ts";
import { pathParts } from "./rule-paths.ts";

const most = 8;

/** What is wrong with the selectableFields of a version (KEP-4358). */
export function validateSelectableFields(field: string, { selectableFields = [], schema }: CustomResourceDefinitionVersion): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  if (selectableFields.length > most) errors.push(fault.tooMany(field, selectableFields.length, most));
  if (selectableFields.length > 0 && !schema?.openAPIV3Schema)
    return [...errors, fault.invalid(field, "", "may only be set when validations.schema is included")];
  for (const [i, { jsonPath }] of selectableFields.entries()) {
    const place = `${field}[${i}].jsonPath`;
    if (!jsonPath) errors.push(fault.required(place));
    else {
      const why = problemOf(jsonPath, schema?.openAPIV3Schema);
      if (why) errors.push(fault.invalid(place, jsonPath, why));
      errors.push(...fault.once(seen, place, jsonPath));
    }
  }
  return errors;
}

function problemOf(path: string, root: JSONSchemaProps | undefined): string | undefined {
  const parts = pathParts(path.replace(/\[\d+\]/g, "._"));
  if (!parts) return `is an invalid path: expected [ or . but got: ${/^[^[.]*/.exec(path)?.[0] ?? ""}`;
  if (/\[\d+\]/.test(path)) return "is an invalid path: array notation is not allowed";
  let at = parts[0] === "metadata" ? undefined : root;
  for (const part of parts) {
    const others: unknown = at?.additionalProperties;
    at = at?.properties?.[part] ?? (isJsonObject(others) ? others : undefined);
  }
  if (!at) return "is an invalid path: does not refer to a valid field";
  if (at.type === "string" || at.type === "boolean" || at.type === "integer") return undefined;
  return "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
}
