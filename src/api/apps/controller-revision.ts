import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { controllerOf } from "../meta/owners.ts";
import { age } from "../meta/time.ts";
import { isJsonObject } from "../schema/struct.ts";
import type { ControllerRevision } from "../types/apps.v1.ts";

/** The rules of ControllerRevisions: what they hold never changes. */
export const controllerRevisionRules: KindRules<ControllerRevision> = {
  validate: ({ revision, data }, old) => [...(old ? [] : validateData(data)), ...fault.nonNegative("revision", revision)],
  validateUpdate: (revision, old) => fault.immutable("data", deepEqual(revision.data, old.data), revision.data),
  cells({ metadata, revision }, now) {
    const owner = controllerOf({ metadata });
    const group = owner?.apiVersion.includes("/") ? `.${owner.apiVersion.split("/")[0]}` : "";
    const controller = owner ? `${owner.kind.toLowerCase()}${group}/${owner.name}` : "<none>";
    return [metadata.name, controller, revision ?? 0, age(metadata.creationTimestamp, now)];
  },
};

function validateData(data: unknown): FieldError[] {
  if (data === undefined || data === null) return [fault.required("data", "data is mandatory")];
  return isJsonObject(data) ? [] : [fault.required("data", "data must be a valid JSON object")];
}
