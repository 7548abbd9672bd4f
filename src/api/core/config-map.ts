import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { checkConfigKey } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { ConfigMap } from "../types/core.v1.ts";

const sizeLimit = 1024 * 1024;

/** The rules of ConfigMaps. */
export const configMapRules: KindRules<ConfigMap> = {
  validate({ data = {}, binaryData = {} }) {
    const errors: FieldError[] = [];
    let size = 0;
    for (const [key, value] of Object.entries(data)) {
      errors.push(...fault.checked(`data[${key}]`, key, checkConfigKey));
      if (Object.hasOwn(binaryData, key)) errors.push(fault.invalid(`data[${key}]`, key, "duplicate of key present in binaryData"));
      size += Buffer.byteLength(value);
    }
    for (const [key, value] of Object.entries(binaryData)) {
      errors.push(...fault.checked(`binaryData[${key}]`, key, checkConfigKey));
      size += decodedSize(value);
    }
    return size > sizeLimit ? [...errors, fault.tooLong("[]", sizeLimit)] : errors;
  },
  validateUpdate(next, old) {
    if (!old.immutable) return [];
    const errors = next.immutable ? [] : [fault.forbidden("immutable", "field is immutable when `immutable` is set")];
    for (const key of ["data", "binaryData"] as const)
      if (!deepEqual(next[key] ?? {}, old[key] ?? {})) errors.push(fault.forbidden(key, "field is immutable when `immutable` is set"));
    return errors;
  },
  cells: ({ metadata, data = {}, binaryData = {} }, now) => [
    metadata.name,
    Object.keys(data).length + Object.keys(binaryData).length,
    age(metadata.creationTimestamp, now),
  ],
};

/** The bytes that a base64 text stands for. */
export function decodedSize(base64: string): number {
  return Math.floor((base64.length * 3) / 4) - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0);
}
