import { correlate } from "../apiextensions/rules.ts";
import type { FieldError } from "../errors.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";
import { isFormat } from "./formats.ts";
import { goRegExp } from "./go-regexp.ts";
import { isJsonObject } from "./struct.ts";

/**
 * Adds what is wrong with a value to the errors; `path` is where it is ("spec.ports[0]"). With the value that was there before, what is
 * equal to it passes.
 */
export type Check = (value: unknown, path: string, errors: FieldError[], old?: unknown) => void;

/** The checks of a schema and of everything below it, with the texts of Kubernetes. CEL rules are not among them. */
export function checkOf(schema: JSONSchemaProps): Check {
  const checks = [typeCheck(schema), ...valueChecks(schema), ...combinationChecks(schema), ...containerChecks(schema)].filter(
    (check) => check !== undefined,
  );
  const isNullable = schema.nullable === true;
  return (value, path, errors, old) => {
    if (value === null && isNullable) return;
    if (old !== undefined && deepEqual(value, old)) return;
    const before = errors.length;
    for (const check of checks) {
      check(value, path, errors, old);
      if (check === checks[0] && schema.type && errors.length > before) return; // of the wrong type: nothing else is worth saying
    }
  };
}

/** The type of a value as errors name it. */
function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  if (typeof value === "bigint") return "integer";
  return typeof value;
}

function typeCheck(schema: JSONSchemaProps): Check | undefined {
  const allowed = schema["x-kubernetes-int-or-string"] ? ["integer", "string"] : schema.type ? [schema.type] : undefined;
  if (!allowed) return undefined;
  const wanted = allowed.join(",");
  return (value, path, errors) => {
    const actual = typeName(value);
    if (allowed.includes(actual) || (actual === "integer" && schema.type === "number")) return;
    errors.push(fault.wrongType(path || "<nil>", actual, `${path} in body must be of type ${wanted}: "${actual}"`));
  };
}

function valueChecks(schema: JSONSchemaProps): (Check | undefined)[] {
  return [enumCheck(schema), stringCheck(schema), ...numberChecks(schema)];
}

function enumCheck({ enum: values }: JSONSchemaProps): Check | undefined {
  if (!values) return undefined;
  const texts = new Set(values.map((value) => JSON.stringify(value)));
  const shown = values.map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  return (value, path, errors) => {
    if (!texts.has(JSON.stringify(value))) errors.push(fault.notSupported(path, value, shown));
  };
}

/** Of a text only the first thing that is wrong is told. */
function stringCheck({ pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY, format }: JSONSchemaProps): Check {
  const expression = pattern === undefined ? undefined : tolerant(pattern);
  return (value, path, errors) => {
    if (typeof value !== "string") return;
    if (value.length > maxLength && [...value].length > maxLength) errors.push(fault.tooLong(path, maxLength));
    else if (value.length < minLength * 2 && [...value].length < minLength)
      errors.push(fault.invalid(path, value, `${path} in body should be at least ${minLength} chars long`));
    else if (expression && !expression.test(value)) errors.push(fault.invalid(path, value, `${path} in body should match '${pattern}'`));
    if (format && !isFormat(format, value))
      errors.push(fault.wrongType(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`));
  };
}

/** What cannot be read matches everything: the CRD was accepted already. */
function tolerant(pattern: string): { test(text: string): boolean } {
  try {
    return goRegExp(pattern);
  } catch {
    return /(?:)/;
  }
}

const formatLimits: Record<string, number | undefined> = { int32: 2 ** 31, float: 3.4028234663852886e38 };

function numberChecks(schema: JSONSchemaProps): (Check | undefined)[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, type, format = "" } = schema;
  const number = (fits: (value: number) => boolean, should: string, limit: number): Check => {
    return (value, path, errors) => {
      // Upstream compares whole numbers with a whole limit.
      if (typeof value !== "number" && typeof value !== "bigint") return;
      const shown = Number.isInteger(Number(value)) ? Math.trunc(limit) : limit;
      if (!fits(Number(value))) errors.push(fault.invalid(path, value, `${path} in body should be ${should}${shown}`));
    };
  };
  const limit = type === "integer" || type === "number" ? formatLimits[format] : undefined;
  return [
    limit === undefined
      ? undefined
      : (value, path, errors) => {
          if ((typeof value === "number" || typeof value === "bigint") && (value >= limit || value < -limit))
            errors.push(fault.invalid("<nil>", "", `Checked value must be of type ${type} with format ${format} in ${path}`));
        },
    multipleOf === undefined
      ? undefined
      : number((n) => Number.isInteger(Number((n / multipleOf).toPrecision(15))), "a multiple of ", multipleOf),
    maximum === undefined
      ? undefined
      : number((n) => (exclusiveMaximum ? n < maximum : n <= maximum), `less than ${exclusiveMaximum ? "" : "or equal to "}`, maximum),
    minimum === undefined
      ? undefined
      : number((n) => (exclusiveMinimum ? n > minimum : n >= minimum), `greater than ${exclusiveMinimum ? "" : "or equal to "}`, minimum),
  ];
}

function combinationChecks({ allOf, anyOf, oneOf, not }: JSONSchemaProps): (Check | undefined)[] {
  const refuse = (path: string, what: string): FieldError => fault.invalid("<nil>", "", `"${path}" must ${what}`);
  const all = allOf?.map(checkOf);
  const any = anyOf?.map(checkOf);
  const one = oneOf?.map(checkOf);
  const never = not && checkOf(not);
  return [
    all &&
      ((value, path, errors) => {
        const wrong = all.map((check) => errorsOf(check, value, path)).filter((found) => found.length);
        errors.push(...wrong.flat());
        if (wrong.length)
          errors.push(refuse(path, `validate all the schemas (allOf)${wrong.length === all.length ? ". None validated" : ""}`));
      }),
    any &&
      ((value, path, errors) => {
        const results = any.map((check) => errorsOf(check, value, path));
        if (results.every((found) => found.length)) errors.push(refuse(path, "validate at least one schema (anyOf)"), ...fewest(results));
      }),
    one &&
      ((value, path, errors) => {
        const results = one.map((check) => errorsOf(check, value, path));
        const valid = results.filter((found) => found.length === 0).length;
        const found = valid === 0 ? "Found none valid" : `Found ${valid} valid alternatives`;
        if (valid !== 1)
          errors.push(refuse(path, `validate one and only one schema (oneOf). ${found}`), ...(valid === 0 ? fewest(results) : []));
      }),
    never &&
      ((value, path, errors) => {
        if (errorsOf(never, value, path).length === 0) errors.push(refuse(path, "not validate the schema (not)"));
      }),
  ];
}

function errorsOf(check: Check, value: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  check(value, path, errors);
  return errors;
}

/** The errors of the alternative that fits best. */
function fewest(results: FieldError[][]): FieldError[] {
  return results.reduce((best, found) => (found.length < best.length ? found : best));
}

function containerChecks(schema: JSONSchemaProps): (Check | undefined)[] {
  return [listCheck(schema), uniqueCheck(schema), objectCheck(schema), embeddedCheck(schema)];
}

function listCheck(schema: JSONSchemaProps): Check {
  const { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  const each = items && !Array.isArray(items) ? checkOf(items) : undefined;
  const keys = schema["x-kubernetes-list-type"] === "map" ? (schema["x-kubernetes-list-map-keys"] ?? []) : undefined;
  return (value, path, errors, old) => {
    if (!Array.isArray(value)) return;
    if (value.length > maxItems) errors.push(fault.tooMany(path, value.length, maxItems));
    if (value.length < minItems) errors.push(fault.invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
    const before = keys && Array.isArray(old) ? correlate(old, keys) : undefined;
    if (each) for (const [i, item] of value.entries()) each(item, `${path}[${i}]`, errors, before?.(item));
  };
}

function uniqueCheck(schema: JSONSchemaProps): Check | undefined {
  const listType = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  if (listType !== "set" && listType !== "map" && !schema.uniqueItems) return undefined;
  return (value, path, errors) => {
    if (!Array.isArray(value)) return;
    const seen = new Set<string>();
    for (const [i, item] of value.entries()) {
      const identity: unknown = listType === "map" && isJsonObject(item) ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item;
      const text = JSON.stringify(identity);
      if (seen.has(text)) errors.push(fault.duplicate(`${path}[${i}]`, identity));
      seen.add(text);
    }
  };
}

function objectCheck(schema: JSONSchemaProps): Check {
  const { required = [], additionalProperties, minProperties = 0, maxProperties = Number.POSITIVE_INFINITY } = schema;
  const properties = new Map(Object.entries(schema.properties ?? {}).map(([name, property]) => [name, checkOf(property)]));
  const others = isJsonObject(additionalProperties) ? checkOf(additionalProperties) : undefined;
  return (value, path, errors, old) => {
    if (!isJsonObject(value)) return;
    const before = isJsonObject(old) ? old : undefined;
    const prefix = path ? `${path}.` : "";
    const names = Object.keys(value);
    if (names.length > maxProperties) errors.push(fault.tooMany(path, names.length, maxProperties));
    if (names.length < minProperties)
      errors.push(fault.invalid(path, names.length, `${path} in body should have at least ${minProperties} properties`));
    for (const name of required) if (value[name] === undefined) errors.push(fault.required(prefix + name));
    for (const name of names) (properties.get(name) ?? others)?.(value[name], prefix + name, errors, before?.[name]);
  };
}

function embeddedCheck(schema: JSONSchemaProps): Check | undefined {
  if (!schema["x-kubernetes-embedded-resource"]) return undefined;
  return (value, path, errors) => {
    if (!isJsonObject(value)) return;
    const { apiVersion, kind } = value;
    for (const name of ["apiVersion", "kind"]) if (value[name] === undefined) errors.push(fault.required(`${path}.${name}`));
    if (apiVersion === "") errors.push(fault.invalid(`${path}.apiVersion`, "", "must not be empty"));
    else if (typeof apiVersion === "string" && apiVersion.split("/").length > 2)
      errors.push(fault.invalid(`${path}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
    if (kind === "") errors.push(fault.invalid(`${path}.kind`, "", "must not be empty"));
  };
}
