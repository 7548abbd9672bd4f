import { badRequest, type FieldError, invalid } from "../../api/errors.ts";
import * as fault from "../../api/meta/field-errors.ts";
import type { DeleteOptions, ListOptions, WatchOptions } from "../call.ts";
import { isTrue } from "../request-path.ts";

/** Query options that every write has. */
export interface WriteQuery {
  dryRun: boolean;
  fieldValidation: "Ignore" | "Warn" | "Strict";
  fieldManager: string | undefined;
  force: boolean;
}

const fieldValidations = new Set(["Ignore", "Warn", "Strict"]);

/** Reads the options of a write; `kind` is that of the options in errors: "CreateOptions"; `applies`: an apply patch. Throws invalid. */
export function writeQuery(query: URLSearchParams, kind: string, applies = false): WriteQuery {
  const errors: FieldError[] = [];
  const dryRun = query.getAll("dryRun").filter((value) => value !== "");
  if (dryRun.some((value) => value !== "All")) {
    const message = `Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`;
    errors.push({ reason: "FieldValueNotSupported", field: "dryRun", message });
  }
  const fieldValidation = query.get("fieldValidation") || "Warn";
  if (!fieldValidations.has(fieldValidation)) {
    const message = `Unsupported value: ${JSON.stringify(fieldValidation)}: supported values: "", "Ignore", "Strict", "Warn"`;
    errors.push({ reason: "FieldValueNotSupported", field: "fieldValidation", message });
  }
  const fieldManager = query.get("fieldManager") || undefined;
  const force = query.get("force");
  if (kind === "PatchOptions") errors.push(...managerErrors(fieldManager, force, applies));
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind }, errors);
  const strictness = fieldValidation === "Ignore" || fieldValidation === "Strict" ? fieldValidation : "Warn";
  return { dryRun: dryRun.length > 0, fieldValidation: strictness, fieldManager, force: isTrue(force) };
}

function managerErrors(fieldManager: string | undefined, force: string | null, applies: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (applies && !fieldManager) errors.push(fault.required("fieldManager", "is required for apply patch"));
  if (!applies && force !== null) errors.push(fault.forbidden("force", "may not be specified for non-apply patch"));
  if (fieldManager && fieldManager.length > 128) errors.push(fault.tooLong("fieldManager", 128));
  return errors;
}

/** Reads the options of a list. Throws for those that only watches have. */
export function listQuery(query: URLSearchParams): ListOptions {
  if (query.has("sendInitialEvents")) {
    const message = "Forbidden: sendInitialEvents is forbidden for list";
    throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, [{ reason: "FieldValueForbidden", field: "sendInitialEvents", message }]);
  }
  return selectionQuery(query);
}

/** Reads the options of a watch. */
export function watchQuery(query: URLSearchParams): WatchOptions {
  const initial = query.get("sendInitialEvents");
  return {
    ...selectionQuery(query),
    allowWatchBookmarks: isTrue(query.get("allowWatchBookmarks")),
    ...(initial === null ? {} : { sendInitialEvents: isTrue(initial) }),
    timeoutSeconds: integer(query, "timeoutSeconds"),
  };
}

/** Reads the options of a delete that come in the query. */
export function deleteQuery(query: URLSearchParams): DeleteOptions {
  const orphan = query.get("orphanDependents");
  return {
    gracePeriodSeconds: integer(query, "gracePeriodSeconds"),
    propagationPolicy: query.get("propagationPolicy") || undefined,
    orphanDependents: orphan === null ? undefined : isTrue(orphan),
  };
}

function selectionQuery(query: URLSearchParams): ListOptions {
  return {
    labelSelector: query.get("labelSelector") || undefined,
    fieldSelector: query.get("fieldSelector") || undefined,
    resourceVersion: query.get("resourceVersion") || undefined,
    resourceVersionMatch: query.get("resourceVersionMatch") || undefined,
    limit: integer(query, "limit"),
    continue: query.get("continue") || undefined,
  };
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}
