import { correlate } from "../apiextensions/rules.ts";
import type { FieldError } from "../errors.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";
import { isFormat, isKnownFormat } from "./formats.ts";
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
    for (const check of checks) check(value, path, errors, old);
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

/** The formats of numbers, by which upstream tells their types where the schema has a format. */
const goFormats: Record<string, string | undefined> = { number: "float64", integer: "int64" };

function typeCheck(schema: JSONSchemaProps): Check | undefined {
  const allowed = schema["x-kubernetes-int-or-string"] ? ["integer", "string"] : schema.type ? [schema.type] : undefined;
  if (!allowed) return undefined;
  const { format = "" } = schema;
  return (value, path, errors) => {
    const type = typeName(value);
    if (allowed.includes(type) || (type === "integer" && schema.type === "number")) return;
    const isByFormat = value !== null && type !== "string" && type !== "array" && isKnownFormat(format, schema.type);
    const [wanted, actual] = isByFormat ? [format, goFormats[type] ?? ""] : [allowed.join(","), type];
    errors.push(fault.wrongType(path || "<nil>", actual, `${path} in body must be of type ${wanted}: "${actual}"`));
  };
}

function valueChecks(schema: JSONSchemaProps): (Check | undefined)[] {
  return [enumCheck(schema), stringCheck(schema), numberCheck(schema)];
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

/** Whether a number is one of that type and format: where a whole one is wanted, it has to be whole. */
function fits(number: number, type: string | undefined, format: string): boolean {
  if (type !== "integer") return format !== "float" || Math.abs(number) < 3.4028234663852886e38;
  const [least, limit] = integerRanges[format] ?? [-(2 ** 63), 2 ** 63];
  return Number.isInteger(number) && number >= least && number <= limit;
}

const integerRanges: Record<string, [number, number] | undefined> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, 2 ** 64],
};

function numberCheck(schema: JSONSchemaProps): Check | undefined {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, type = "", format = "" } = schema;
  const rangeError = (what: string, path: string): FieldError => {
    const wanted = `${type} ${format ? `with format ${format}` : "(default format)"}`;
    return fault.invalid("<nil>", "", `${what} value must be of type ${wanted} in ${path}`);
  };
  const limited = (
    what: string,
    limit: number | undefined,
    should: string,
    isWithin: (value: number, limit: number) => boolean,
  ): Check[] => {
    if (limit === undefined) return [];
    const isOfType = fits(limit, type, format);
    return [
      (value, path, errors) => {
        // Upstream compares whole numbers with a whole limit, where the limit is one of the type.
        const compared = isOfType && Number.isInteger(Number(value)) ? Math.trunc(limit) : limit;
        if (!isOfType) errors.push(rangeError(what, path));
        if (!isWithin(Number(value), compared)) errors.push(fault.invalid(path, value, `${path} in body should be ${should}${compared}`));
      },
    ];
  };
  const [most, least] = [exclusiveMaximum ? "" : "or equal to ", exclusiveMinimum ? "" : "or equal to "];
  const checks: Check[] = [
    ...limited("MultipleOf", multipleOf, "a multiple of ", (n, factor) => Number.isInteger(Number((n / factor).toPrecision(15)))),
    ...limited("Maximum boundary", maximum, `less than ${most}`, (n, limit) => (exclusiveMaximum ? n < limit : n <= limit)),
    ...limited("Minimum boundary", minimum, `greater than ${least}`, (n, limit) => (exclusiveMinimum ? n > limit : n >= limit)),
  ];
  if (checks.length === 0 && type !== "integer" && type !== "number") return undefined;
  return (value, path, errors) => {
    if (typeof value !== "number" && typeof value !== "bigint") return;
    if (!fits(Number(value), type, format)) errors.push(rangeError("Checked", path));
    for (const check of checks) check(value, path, errors);
  };
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
