import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { checkConfigKey } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { Secret } from "../types/core.v1.ts";
import { decodedSize } from "./config-map.ts";

const sizeLimit = 1024 * 1024;
const accountAnnotation = "kubernetes.io/service-account.name";

/** The rules of Secrets. stringData is for writing only: its values become data. */
export const secretRules: KindRules<Secret> = {
  default(secret) {
    secret.type ||= "Opaque";
    for (const [key, value] of Object.entries(secret.stringData ?? {})) {
      secret.data ??= {};
      secret.data[key] = Buffer.from(value).toString("base64");
    }
    delete secret.stringData;
  },
  validate(secret) {
    const errors: FieldError[] = [];
    let size = 0;
    for (const [key, value] of Object.entries(secret.data ?? {})) {
      errors.push(...fault.checked(`data[${key}]`, key, checkConfigKey));
      size += decodedSize(value);
    }
    if (size > sizeLimit) errors.push(fault.tooLong("data", sizeLimit));
    return [...errors, ...validateForType(secret)];
  },
  validateUpdate(next, old) {
    const errors = fault.immutable("type", (next.type ?? "") === (old.type ?? ""), next.type);
    if (!old.immutable) return errors;
    if (!next.immutable) errors.push(fault.forbidden("immutable", "field is immutable when `immutable` is set"));
    if (!deepEqual(next.data ?? {}, old.data ?? {})) errors.push(fault.forbidden("data", "field is immutable when `immutable` is set"));
    return errors;
  },
  cells: ({ metadata, type, data = {} }, now) => [
    metadata.name,
    type ?? "",
    Object.keys(data).length,
    age(metadata.creationTimestamp, now),
  ],
  fields: { type: ({ type }) => type ?? "" },
};

function validateForType({ metadata, type, data = {} }: Secret): FieldError[] {
  const missing = (...keys: string[]): FieldError[] =>
    keys.filter((key) => data[key] === undefined).map((key) => fault.required(`data[${key}]`));
  switch (type) {
    case "kubernetes.io/service-account-token":
      return metadata.annotations?.[accountAnnotation] ? [] : [fault.required(`metadata.annotations[${accountAnnotation}]`)];
    case "kubernetes.io/dockercfg":
      return [...missing(".dockercfg"), ...validateJson(".dockercfg", data)];
    case "kubernetes.io/dockerconfigjson":
      return [...missing(".dockerconfigjson"), ...validateJson(".dockerconfigjson", data)];
    case "kubernetes.io/basic-auth":
      if (data["username"] !== undefined || data["password"] !== undefined) return [];
      return [fault.required("data[username]"), fault.required("data[password]")];
    case "kubernetes.io/ssh-auth":
      return data["ssh-privatekey"] ? [] : [fault.required("data[ssh-privatekey]")];
    case "kubernetes.io/tls":
      return missing("tls.crt", "tls.key");
    default:
      return [];
  }
}

function validateJson(key: string, data: Readonly<Record<string, string>>): FieldError[] {
  const text = data[key];
  if (text === undefined) return [];
  try {
    JSON.parse(Buffer.from(text, "base64").toString());
    return [];
  } catch (error) {
    return [fault.invalid(`data[${key}]`, "<secret contents redacted>", error instanceof Error ? error.message : "invalid JSON")];
  }
}
