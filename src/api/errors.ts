import type { Status, StatusCause } from "./types/meta.v1.ts";

/** What a Status is about. */
export interface StatusTarget {
  group?: string;
  /** The resource ("pods") or, for Invalid, the kind ("Pod"). */
  kind: string;
  name?: string;
  uid?: string;
}

/** One problem of one field, as in `spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive`. */
export interface FieldError {
  /** The machine-readable reason: FieldValueInvalid, FieldValueRequired, ... */
  reason:
    | "FieldValueInvalid"
    | "FieldValueRequired"
    | "FieldValueDuplicate"
    | "FieldValueForbidden"
    | "FieldValueNotSupported"
    | "FieldValueNotFound"
    | "FieldValueTooLong"
    | "FieldValueTooMany"
    | "FieldValueTypeInvalid"
    | "InternalError";
  /** "spec.containers[0].name" */
  field: string;
  /** The text after the field: `Invalid value: "x": must be ...`. */
  message: string;
}

/** An error that an API client sees as a Status. Thrown by verbs, admission and validation; turned into a reply at the edge. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(status: Partial<Status>) {
    super(status.message ?? status.reason ?? "error");
    this.name = "StatusError";
    this.status = { metadata: {}, status: "Failure", ...status, apiVersion: "v1", kind: "Status" };
  }

  get code(): number {
    return this.status.code ?? 500;
  }

  get reason(): string {
    return this.status.reason ?? "";
  }
}

/** Whether the error is a Status with that reason ("NotFound", "Conflict", "AlreadyExists", ...). */
export function isReason(error: unknown, reason: string): error is StatusError {
  return error instanceof StatusError && error.reason === reason;
}

/** Whether a create failed because its namespace is being deleted: nothing to report, everything goes away soon. */
export function isNamespaceTerminating(error: unknown): boolean {
  return isReason(error, "Forbidden") && (error.status.details?.causes ?? []).some(({ reason }) => reason === "NamespaceTerminating");
}

function qualified(t: StatusTarget): string {
  return t.group ? `${t.kind}.${t.group}` : t.kind;
}

function details(t: StatusTarget): { details: { name?: string; group?: string; kind?: string; uid?: string } } {
  return {
    details: {
      ...(t.name ? { name: t.name } : {}),
      ...(t.group ? { group: t.group } : {}),
      ...(t.kind ? { kind: t.kind } : {}),
      ...(t.uid ? { uid: t.uid } : {}),
    },
  };
}

/** 404: there is no such object. */
export function notFound(t: StatusTarget): StatusError {
  return new StatusError({ code: 404, reason: "NotFound", message: `${qualified(t)} "${t.name}" not found`, ...details(t) });
}

/** 404 for a path or resource that the server does not know. */
export function unknownResource(): StatusError {
  return new StatusError({ code: 404, reason: "NotFound", message: "the server could not find the requested resource", details: {} });
}

/** 409: an object of that name is there already. */
export function alreadyExists(t: StatusTarget): StatusError {
  return new StatusError({ code: 409, reason: "AlreadyExists", message: `${qualified(t)} "${t.name}" already exists`, ...details(t) });
}

/** 409: the object is not as the caller believed. */
export function conflict(t: StatusTarget, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(t)} "${t.name}": ${why}`;
  return new StatusError({ code: 409, reason: "Conflict", message, ...details(t) });
}

/** 403: access or admission says no. */
export function forbidden(t: StatusTarget, why: string): StatusError {
  const message = t.name ? `${qualified(t)} "${t.name}" is forbidden: ${why}` : `${qualified(t)} is forbidden: ${why}`;
  return new StatusError({ code: 403, reason: "Forbidden", message, ...details(t) });
}

/** 422: fields are wrong; t.kind is the kind ("Pod"), as in `Pod "x" is invalid: spec.containers: Required value`. */
export function invalid(t: StatusTarget, errors: readonly FieldError[]): StatusError {
  const texts = [...new Set(errors.map((e) => `${e.field}: ${e.message}`))];
  const list = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  const causes: StatusCause[] = errors.map((e) => ({ reason: e.reason, message: e.message, field: e.field }));
  const base = details(t);
  return new StatusError({
    code: 422,
    reason: "Invalid",
    message: `${qualified(t)} "${t.name ?? ""}" is invalid: ${list}`,
    details: { ...base.details, causes },
  });
}

/** 400: the request cannot be understood. */
export function badRequest(message: string): StatusError {
  return new StatusError({ code: 400, reason: "BadRequest", message });
}

/** 401: nobody vouches for the caller. */
export function unauthorized(message = "Unauthorized"): StatusError {
  return new StatusError({ code: 401, reason: "Unauthorized", message });
}

/** 405: the resource has no such verb. */
export function methodNotAllowed(message = "the server does not allow this method on the requested resource"): StatusError {
  return new StatusError({ code: 405, reason: "MethodNotAllowed", message, details: {} });
}

/** 406: no representation that the caller accepts. */
export function notAcceptable(message: string): StatusError {
  return new StatusError({ code: 406, reason: "NotAcceptable", message });
}

/** 410: the revision or continue token is older than the history kept. */
export function expired(message: string): StatusError {
  return new StatusError({ code: 410, reason: "Expired", message });
}

/** 413: the body is larger than the server takes. */
export function tooLarge(message: string): StatusError {
  return new StatusError({ code: 413, reason: "RequestEntityTooLarge", message });
}

/** 415: a body of a type that the server cannot read. */
export function unsupportedMediaType(message: string): StatusError {
  return new StatusError({ code: 415, reason: "UnsupportedMediaType", message });
}

/** 429: try again later; retryAfterSeconds becomes the Retry-After header. */
export function tooManyRequests(message: string, retryAfterSeconds = 1): StatusError {
  return new StatusError({ code: 429, reason: "TooManyRequests", message, details: { retryAfterSeconds } });
}

/** 500: the server's own mistake. */
export function internalError(message: string): StatusError {
  const details = { causes: [{ message }] };
  return new StatusError({ code: 500, reason: "InternalError", message: `Internal error occurred: ${message}`, details });
}

/** 503: a part that the request needs is not there now. */
export function serviceUnavailable(message: string): StatusError {
  return new StatusError({ code: 503, reason: "ServiceUnavailable", message });
}
