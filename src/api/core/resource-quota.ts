import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { checkQualifiedName } from "../meta/names.ts";
import { canonicalQuantity } from "../meta/quantity.ts";
import { age } from "../meta/time.ts";
import type { ResourceQuota } from "../types/core.v1.ts";
import { isStandardResource, validateQuantity, validateResourceName } from "./resource-validation.ts";

const scopes = `Terminating NotTerminating BestEffort NotBestEffort PriorityClass CrossNamespacePodAffinity VolumeAttributesClass`.split(
  /\s+/,
);

/** The rules of ResourceQuotas. */
export const resourceQuotaRules: KindRules<ResourceQuota> = {
  validate({ spec }) {
    const errors: FieldError[] = [];
    for (const [name, amount] of Object.entries(spec?.hard ?? {})) {
      const field = `spec.hard[${name}]`;
      errors.push(...validateName(field, name), ...validateQuantity(field, name, amount));
    }
    for (const scope of spec?.scopes ?? [])
      if (!scopes.includes(scope)) errors.push(fault.invalid("spec.scopes", spec?.scopes, "unsupported scope"));
    const expressions = spec?.scopeSelector?.matchExpressions ?? [];
    for (const { scopeName, operator, values = [] } of expressions) {
      const field = "spec.scopeSelector.matchExpressions";
      if (!scopes.includes(scopeName)) errors.push(fault.invalid(`${field}.scopeName`, scopeName, "unsupported scope"));
      if (!["In", "NotIn", "Exists", "DoesNotExist"].includes(operator))
        errors.push(fault.invalid(`${field}.operator`, operator, "not a valid selector operator"));
      if (!["In", "NotIn", "Exists", "DoesNotExist"].includes(operator)) continue;
      const takesValues = ["In", "NotIn"].includes(operator);
      if (takesValues && values.length === 0)
        errors.push({
          reason: "FieldValueRequired",
          field: `${field}.values`,
          message: "Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        });
      if (!takesValues && values.length > 0)
        errors.push(
          fault.invalid(`${field}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"),
        );
    }
    return errors;
  },
  validateUpdate: ({ spec }, old) =>
    fault.immutable("spec.scopes", semanticEqual(setOf(spec?.scopes), setOf(old.spec?.scopes)), spec?.scopes ?? null),
  cells({ metadata, status }, now) {
    const used = status?.used ?? {};
    const hard = status?.hard ?? {};
    const requests: string[] = [];
    const limits: string[] = [];
    for (const name of Object.keys(hard).sort()) {
      const text = `${name}: ${canonicalQuantity(used[name] ?? "0")}/${canonicalQuantity(hard[name] ?? "0")}`;
      (name.startsWith("limits.") ? limits : requests).push(text);
    }
    return [metadata.name, requests.join(", "), limits.join(", "), age(metadata.creationTimestamp, now)];
  },
};

function setOf(names: readonly string[] | undefined): string[] {
  return [...new Set(names)].sort();
}

function validateName(field: string, name: string): FieldError[] {
  const errors = validateResourceName(field, name);
  const counted = name.includes("/") || (isStandardResource(name) && name !== "storage");
  return counted || checkQualifiedName(name).length > 0
    ? errors
    : [...errors, fault.invalid(field, name, "must be a standard resource for quota")];
}
