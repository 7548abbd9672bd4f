import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { checkQualifiedName } from "../meta/names.ts";
import type { JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule, SuccessPolicyRule } from "../types/batch.v1.ts";

/** What is wrong with how a Job reacts to failed pods. */
export function validatePodFailurePolicy(field: string, spec: JobSpec): FieldError[] {
  const containers = [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])];
  const names = new Set(containers.map((container) => container.name));
  const rules = spec.podFailurePolicy?.rules ?? [];
  return [...atMost(`${field}.rules`, rules, 20), ...rules.flatMap((rule, i) => validateRule(`${field}.rules[${i}]`, rule, names, spec))];
}

const actions = ["Count", "FailIndex", "FailJob", "Ignore"];

function validateRule(field: string, rule: PodFailurePolicyRule, names: ReadonlySet<string>, spec: JobSpec): FieldError[] {
  const { action, onExitCodes, onPodConditions = [] } = rule;
  const errors = chosen(`${field}.action`, action, actions);
  if (action === "FailIndex" && spec.backoffLimitPerIndex === undefined)
    errors.push(fault.invalid(`${field}.action`, action, "requires the backoffLimitPerIndex to be set"));
  if (onExitCodes) errors.push(...validateExitCodes(`${field}.onExitCodes`, onExitCodes, names));
  errors.push(...atMost(`${field}.onPodConditions`, onPodConditions, 20));
  for (const [i, { type, status }] of onPodConditions.entries()) {
    errors.push(...fault.checked(`${field}.onPodConditions[${i}].type`, type, checkQualifiedName));
    errors.push(...chosen(`${field}.onPodConditions[${i}].status`, status, ["False", "True", "Unknown"]));
  }
  if (onExitCodes && onPodConditions.length > 0)
    errors.push(bare(field, "specifying both OnExitCodes and OnPodConditions is not supported"));
  if (!onExitCodes && onPodConditions.length === 0)
    errors.push(bare(field, "specifying one of OnExitCodes and OnPodConditions is required"));
  return errors;
}

/** As oneOf, naming the choices where there is none. */
function chosen(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  if (value) return fault.oneOf(field, value, supported);
  return [fault.required(field, `valid values: [${supported.map((item) => `"${item}"`).join(" ")}]`)];
}

function atMost(field: string, list: readonly unknown[], maximum: number): FieldError[] {
  return list.length > maximum ? [fault.tooMany(field, list.length, maximum)] : [];
}

// Upstream shows no value here, only the text.
function bare(field: string, text: string): FieldError {
  return { reason: "FieldValueInvalid", field, message: `Invalid value: ${text}` };
}

function validateExitCodes(
  field: string,
  { operator, values = [], containerName }: PodFailurePolicyOnExitCodesRequirement,
  names: ReadonlySet<string>,
): FieldError[] {
  const errors = chosen(`${field}.operator`, operator, ["In", "NotIn"]);
  if (containerName !== undefined && !names.has(containerName))
    errors.push(
      fault.invalid(`${field}.containerName`, containerName, "must be one of the container or initContainer names in the pod template"),
    );
  if (values.length === 0) errors.push(fault.invalid(`${field}.values`, values, "at least one value is required"));
  errors.push(...atMost(`${field}.values`, values, 255));
  for (const [i, value] of values.entries()) {
    if (operator === "In" && value === 0) errors.push(fault.invalid(`${field}.values[${i}]`, 0, "must not be 0 for the In operator"));
    if (values.indexOf(value) < i) errors.push(fault.duplicate(`${field}.values[${i}]`, value));
  }
  if (values.some((value, i) => value < (values[i - 1] ?? value))) errors.push(fault.invalid(`${field}.values`, values, "must be ordered"));
  return errors;
}

/** What is wrong with when a Job counts as done. */
export function validateSuccessPolicy(field: string, spec: JobSpec): FieldError[] {
  if (!spec.successPolicy) return [];
  if (spec.completionMode !== "Indexed") return [fault.invalid(field, spec.successPolicy, "requires indexed completion mode")];
  const rules = spec.successPolicy.rules ?? [];
  if (rules.length === 0)
    return [fault.required(`${field}.rules`, "at least one rules must be specified when the successPolicy is specified")];
  return [
    ...atMost(`${field}.rules`, rules, 20),
    ...rules.flatMap((rule, i) => validateSuccessRule(`${field}.rules[${i}]`, rule, spec.completions ?? 0)),
  ];
}

function validateSuccessRule(field: string, { succeededCount, succeededIndexes }: SuccessPolicyRule, completions: number): FieldError[] {
  if (succeededCount === undefined && succeededIndexes === undefined)
    return [fault.required(field, "at least one of succeededCount or succeededIndexes must be specified")];
  const indexes = succeededIndexes === undefined ? undefined : countIndexes(succeededIndexes, completions);
  const errors =
    typeof indexes === "string"
      ? [fault.invalid(`${field}.succeededIndexes`, succeededIndexes, `error parsing succeededIndexes: ${indexes}`)]
      : [];
  const path = `${field}.succeededCount`;
  errors.push(...fault.nonNegative(path, succeededCount));
  const atMostCount = (most: number, what: string): void => {
    if ((succeededCount ?? 0) > most) errors.push(fault.invalid(path, succeededCount, `must be less than or equal to ${most} (${what})`));
  };
  atMostCount(completions, "the number of specified completions");
  if (indexes !== undefined)
    atMostCount(typeof indexes === "string" ? 0 : indexes, "the number of indexes in the specified succeededIndexes field");
  return errors;
}

/** How many indexes "0-2,5" names, or what is wrong with it. */
function countIndexes(text: string, completions: number): number | string {
  if (!text) return 0;
  let last = -1;
  let total = 0;
  for (const interval of text.split(",")) {
    const limits = interval.split("-");
    if (limits.length > 2)
      return `the fragment ${JSON.stringify(interval)} violates the requirement that an index interval can have at most two parts separated by '-'`;
    for (const [i, limit] of limits.entries()) {
      const index = /^\d+$/.test(limit) ? Number(limit) : undefined;
      if (index === undefined) return `cannot convert string to integer for index: ${JSON.stringify(limit)}`;
      if (index >= completions) return `too large index: ${JSON.stringify(limit)}`;
      if (index <= last) return `non-increasing order, previous: ${last}, current: ${index}`;
      total += i === 0 ? 1 : index - last;
      last = index;
    }
  }
  return total;
}
