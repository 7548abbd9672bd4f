import type { FieldError } from "../errors.ts";

/** `Invalid value: "x": detail`. The value is shown as Go prints it: strings quoted, the rest as JSON. */
export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return { reason: "FieldValueInvalid", field, message: withDetail(`Invalid value: ${shown(value)}`, detail) };
}

/** `Required value: detail`, or only `Required value`. */
export function requiredValue(field: string, detail = ""): FieldError {
  return { reason: "FieldValueRequired", field, message: withDetail("Required value", detail) };
}

/** `Unsupported value: "x": supported values: "a", "b"`. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.map((v) => JSON.stringify(v)).join(", ");
  return {
    reason: "FieldValueNotSupported",
    field,
    message: withDetail(`Unsupported value: ${shown(value)}`, list && `supported values: ${list}`),
  };
}

/** `Duplicate value: "x"`. */
export function duplicateValue(field: string, value: unknown): FieldError {
  return { reason: "FieldValueDuplicate", field, message: `Duplicate value: ${shown(value)}` };
}

/** `Forbidden: detail`. */
export function forbiddenField(field: string, detail: string): FieldError {
  return { reason: "FieldValueForbidden", field, message: withDetail("Forbidden", detail) };
}

/** `Not found: "x"`. */
export function fieldNotFound(field: string, value: unknown): FieldError {
  return { reason: "FieldValueNotFound", field, message: `Not found: ${shown(value)}` };
}

/** `Too long: may not be more than N bytes`. */
export function tooLong(field: string, maximum: number): FieldError {
  return { reason: "FieldValueTooLong", field, message: `Too long: may not be more than ${maximum} bytes` };
}

/** `Too many: N: must have at most M items`. */
export function tooMany(field: string, actual: number, maximum: number): FieldError {
  return {
    reason: "FieldValueTooMany",
    field,
    message: `Too many: ${actual}: must have at most ${maximum} item${maximum === 1 ? "" : "s"}`,
  };
}

/** `Invalid value: "x": detail` where the value is of the wrong type. */
export function wrongType(field: string, value: unknown, detail: string): FieldError {
  return { reason: "FieldValueTypeInvalid", field, message: withDetail(`Invalid value: ${shown(value)}`, detail) };
}

/** One invalidValue a text: how the checks of names.ts become errors of a field. */
export function invalidForEach(field: string, value: unknown, details: readonly string[]): FieldError[] {
  return details.map((detail) => invalidValue(field, value, detail));
}

/** What is wrong with a number that may not be negative. */
export function nonNegative(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value < 0 ? [invalidValue(field, value, "must be greater than or equal to 0")] : [];
}

/** What is wrong with a number that has to be above 0. */
export function positive(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value <= 0 ? [invalidValue(field, value, "must be greater than 0")] : [];
}

/** What is wrong with a field that has to hold one of these values. */
export function oneOf(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  if (!value) return [requiredValue(field)];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

/** What is wrong with a field that has to hold one of these values, where absent and empty are just two more that are not among them. */
export function supportedValue(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  return value !== undefined && supported.includes(value) ? [] : [notSupported(field, value ?? "", supported)];
}

/** What is wrong with a field that may be left out, and otherwise has to hold one of these values: "" is none of them. */
export function oneOfIfSet(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  return value === undefined || supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

/** What is wrong with a field that must stay as it is: nothing when both are the same. */
export function immutable(field: string, same: boolean, value: unknown): FieldError[] {
  return same ? [] : [invalidValue(field, value, "field is immutable")];
}

/** A struct of upstream's: its fields in order, each with what stands there when it is absent, or the struct or function that makes it. */
export interface GoShape {
  readonly [field: string]: string | number | null | GoShape | ((value: never) => unknown);
}

/** The value as upstream's own struct, whose names and order its refusals show: "APIGroup" for "apiGroup". */
export function goStruct(value: object | undefined, shape: GoShape): object {
  const entries = Object.entries(shape).map(([name, absent]) => {
    const key = name.replace(/^([A-Z]+(?=[A-Z][a-z]|$)|[A-Z])/, (start) => start.toLowerCase());
    const child: unknown = value?.[key as keyof typeof value];
    if (typeof absent === "function") return [name, child === undefined ? null : absent(child as never)];
    return [name, typeof absent === "object" && absent ? goStruct(child as object | undefined, absent) : (child ?? absent)];
  });
  return Object.fromEntries(entries);
}

function shown(value: unknown): string {
  if (value === undefined) return "null";
  const text = JSON.stringify(value);
  // Go's JSON escapes what HTML would take for its own; its quoting of strings does not.
  return typeof value === "object" ? text.replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`) : text;
}

function withDetail(text: string, detail: string): string {
  return detail ? `${text}: ${detail}` : text;
}
