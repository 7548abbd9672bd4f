/** What can be wrong with a field, in upstream's words; used as `fault.required("spec.x")`. Those that return a list look first. */
import type { FieldError } from "../errors.ts";

/** `Invalid value: "x": detail`. The value is shown as Go prints it: strings quoted, the rest as JSON. */
export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { reason: "FieldValueInvalid", field, message: withDetail(`Invalid value: ${shown(value)}`, detail) };
}

/** `Required value: detail`, or only `Required value`. */
export function required(field: string, detail = ""): FieldError {
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
export function duplicate(field: string, value: unknown): FieldError {
  return { reason: "FieldValueDuplicate", field, message: `Duplicate value: ${shown(value)}` };
}

/** `Forbidden: detail`. */
export function forbidden(field: string, detail: string): FieldError {
  return { reason: "FieldValueForbidden", field, message: withDetail("Forbidden", detail) };
}

/** `Not found: "x"`. */
export function notFound(field: string, value: unknown): FieldError {
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
export function invalidEach(field: string, value: unknown, details: readonly string[]): FieldError[] {
  return details.map((detail) => invalid(field, value, detail));
}

/** A check of names.ts: what is wrong with a value, in texts. */
type Check<T> = (value: T) => readonly string[];

/** What a check finds wrong with the value of a field. */
export function checked<T>(field: string, value: T, check: Check<T>): FieldError[] {
  return invalidEach(field, value, check(value));
}

/** The same of a value that has to be there. */
export function requiredAndChecked<T>(field: string, value: T | undefined, check: Check<T>, missing?: string): FieldError[] {
  return value ? checked(field, value, check) : [required(field, missing)];
}

/** The same of a value that may be left out or empty. */
export function checkedIfNonEmpty<T>(field: string, value: T | undefined, check: Check<T>): FieldError[] {
  return value ? checked(field, value, check) : [];
}

/** The same of a value that may be left out, but not be empty. */
export function checkedIfSet<T>(field: string, value: T | undefined, check: Check<T>): FieldError[] {
  return value === undefined ? [] : checked(field, value, check);
}

/** What is wrong with the items of a list, each looked at with its own path: "spec.ports[1]". */
export function each<T>(
  field: string,
  list: readonly T[] | undefined,
  check: (item: T, path: string, index: number) => readonly FieldError[],
): FieldError[] {
  return (list ?? []).flatMap((item, i) => check(item, `${field}[${i}]`, i));
}

/** What is wrong with a value that may be there once only; `seen` holds those before it. */
export function once<T>(seen: Set<T>, field: string, value: T): FieldError[] {
  if (seen.has(value)) return [duplicate(field, value)];
  seen.add(value);
  return [];
}

/** What is wrong with a number that may not be negative. */
export function nonNegative(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value < 0 ? [invalid(field, value, "must be greater than or equal to 0")] : [];
}

/** What is wrong with a number that has to be above 0. */
export function positive(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value <= 0 ? [invalid(field, value, "must be greater than 0")] : [];
}

/** What is wrong with a field that has to hold one of these values. */
export function oneOf(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  if (!value) return [required(field)];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

/** What is wrong with a field that has to hold one of these values, where absent and empty are just two more that are not among them. */
export function supported(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  return value !== undefined && supported.includes(value) ? [] : [notSupported(field, value ?? "", supported)];
}

/** What is wrong with a field that may be left out, and otherwise has to hold one of these values: "" is none of them. */
export function oneOfIfSet(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  return value === undefined || supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

/** What is wrong with a field that must stay as it is: nothing when both are the same. */
export function immutable(field: string, same: boolean, value: unknown): FieldError[] {
  return same ? [] : [invalid(field, value, "field is immutable")];
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
