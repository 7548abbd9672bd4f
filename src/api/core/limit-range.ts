import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { checkQualifiedName } from "../meta/names.ts";
import { approximateValue, compareQuantities } from "../meta/quantity.ts";
import { ownMember } from "../schema/struct.ts";
import type { LimitRange, LimitRangeItem } from "../types/core.v1.ts";
import { isOvercommitAllowed, validateContainerResourceName, validateResourceName } from "./resource-validation.ts";

/** The rules of LimitRanges: for containers, max gives default limits, those give default requests, and min the rest. */
export const limitRangeRules: KindRules<LimitRange> = {
  default({ spec }) {
    for (const item of spec?.limits ?? []) {
      if (item.type !== "Container") continue;
      item.default = { ...item.max, ...item.default };
      // Requests default to the limits first, so a minimum counts only where there is no limit.
      item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
      for (const key of ["default", "defaultRequest"] as const) if (Object.keys(item[key] ?? {}).length === 0) delete item[key];
    }
  },
  prepareForCreate({ metadata }) {
    metadata.name ||= metadata.uid;
  },
  validate({ spec }) {
    const seen = new Set<string>();
    return fault.each("spec.limits", spec?.limits, (item, field) => {
      const errors = validateItem(field, item);
      if (seen.has(item.type)) errors.unshift(fault.duplicate(`${field}.type`, item.type));
      seen.add(item.type);
      return errors;
    });
  },
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

function validateItem(field: string, item: LimitRangeItem): FieldError[] {
  const errors: FieldError[] = [];
  if (item.type === "Pod")
    for (const key of ["default", "defaultRequest"] as const)
      if (Object.keys(item[key] ?? {}).length > 0)
        errors.push(fault.forbidden(`${field}.${key}`, "may not be specified when `type` is 'Pod'"));
  if (item.type === "PersistentVolumeClaim" && !item.min?.["storage"] && !item.max?.["storage"])
    errors.push(fault.required(`${field}.limits`, "either minimum or maximum storage value is required, but neither was provided"));
  const check = item.type === "Pod" || item.type === "Container" ? validateContainerResourceName : validateResourceName;
  const names = new Set<string>();
  for (const key of ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] as const)
    for (const name of Object.keys(item[key] ?? {})) {
      names.add(name);
      errors.push(...check(`${field}.${key}[${name}]`, name));
    }
  for (const name of names) errors.push(...validateBounds(field, name, item));
  return [...validateType(`${field}.type`, item.type ?? ""), ...errors];
}

function validateType(field: string, type: string): FieldError[] {
  const errors = fault.checked(field, type, checkQualifiedName);
  const known = type.includes("/") || ["Pod", "Container", "PersistentVolumeClaim"].includes(type);
  return errors.length > 0 || known ? errors : [fault.invalid(field, type, "must be a standard limit type or fully qualified")];
}

// Each must not exceed the next: the texts name the greater one first.
function validateBounds(field: string, name: string, item: LimitRangeItem): FieldError[] {
  const amounts = {
    min: ownMember(item.min, name),
    defaultRequest: ownMember(item.defaultRequest, name),
    default: ownMember(item.default, name),
    max: ownMember(item.max, name),
  };
  const words = { min: "min", defaultRequest: "default request", default: "default", max: "max" };
  const errors: FieldError[] = [];
  const order = ["min", "defaultRequest", "default", "max"] as const;
  for (const [i, lower] of order.entries())
    for (const upper of order.slice(i + 1)) {
      const low = amounts[lower];
      const high = amounts[upper];
      if (low === undefined || high === undefined || compareQuantities(low, high) <= 0) continue;
      // Upstream names the field of the default and shows the amount at the other end.
      const at = lower === "min" && upper !== "max" ? upper : lower;
      const shown = at === "default" ? amounts[lower === "default" ? upper : lower] : amounts[at];
      const upperWord = lower === "defaultRequest" && upper === "default" ? "default limit" : words[upper];
      const text = `${words[lower]} value ${low} is greater than ${upperWord} value ${high}`;
      errors.push(fault.invalid(`${field}.${at}[${name}]`, shown, text));
    }
  const ratio = ownMember(item.maxLimitRequestRatio, name);
  if (ratio !== undefined && compareQuantities(ratio, "1") < 0)
    errors.push(fault.invalid(`${field}.maxLimitRequestRatio[${name}]`, ratio, `ratio ${ratio} is less than 1`));
  if (ratio !== undefined && amounts.max !== undefined && amounts.min !== undefined) {
    const most = approximateValue(amounts.max) / approximateValue(amounts.min);
    if (approximateValue(ratio) > most)
      errors.push(
        fault.invalid(`${field}.maxLimitRequestRatio[${name}]`, ratio, `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`),
      );
  }
  if (item.type === "Container" && amounts.default !== undefined && amounts.defaultRequest !== undefined && !isOvercommitAllowed(name))
    if (compareQuantities(amounts.default, amounts.defaultRequest) !== 0)
      errors.push(
        fault.invalid(
          `${field}.defaultRequest[${name}]`,
          amounts.defaultRequest,
          `default value ${amounts.default} must equal to defaultRequest value ${amounts.defaultRequest} in ${name}`,
        ),
      );
  return errors;
}
