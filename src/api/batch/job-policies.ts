import type { FieldError } from "../errors.ts";
import { duplicateValue, invalidForEach, invalidValue, oneOf, requiredValue } from "../meta/field-errors.ts";
import { checkQualifiedName } from "../meta/names.ts";
import type { JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule } from "../types/batch.v1.ts";

/** What is wrong with how a Job reacts to failed pods. */
export function validatePodFailurePolicy(field: string, spec: JobSpec): FieldError[] {
  const containers = [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])];
  const names = new Set(containers.map((container) => container.name));
  return (spec.podFailurePolicy?.rules ?? []).flatMap((rule, i) => validateRule(`${field}.rules[${i}]`, rule, names, spec));
}

function validateRule(field: string, rule: PodFailurePolicyRule, names: ReadonlySet<string>, spec: JobSpec): FieldError[] {
  const errors: FieldError[] = [];
  const { action, onExitCodes, onPodConditions = [] } = rule;
  if (!action) errors.push(requiredValue(`${field}.action`, 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'));
  else errors.push(...oneOf(`${field}.action`, action, ["Count", "FailIndex", "FailJob", "Ignore"]));
  if (action === "FailIndex" && spec.backoffLimitPerIndex === undefined)
    errors.push(invalidValue(`${field}.action`, action, "requires the backoffLimitPerIndex to be set"));
  if (onExitCodes) errors.push(...validateExitCodes(`${field}.onExitCodes`, onExitCodes, names));
  for (const [i, { type, status }] of onPodConditions.entries()) {
    errors.push(...invalidForEach(`${field}.onPodConditions[${i}].type`, type, checkQualifiedName(type)));
    errors.push(...oneOf(`${field}.onPodConditions[${i}].status`, status, ["False", "True", "Unknown"]));
  }
  if (onExitCodes && onPodConditions.length > 0)
    errors.push(bare(field, "specifying both OnExitCodes and OnPodConditions is not supported"));
  if (!onExitCodes && onPodConditions.length === 0)
    errors.push(bare(field, "specifying one of OnExitCodes and OnPodConditions is required"));
  return errors;
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
  const errors: FieldError[] = [];
  if (!operator) errors.push(requiredValue(`${field}.operator`, 'valid values: ["In" "NotIn"]'));
  else errors.push(...oneOf(`${field}.operator`, operator, ["In", "NotIn"]));
  if (containerName !== undefined && !names.has(containerName))
    errors.push(
      invalidValue(`${field}.containerName`, containerName, "must be one of the container or initContainer names in the pod template"),
    );
  if (values.length === 0) errors.push(invalidValue(`${field}.values`, values, "at least one value is required"));
  else if (values.length > 255)
    errors.push({
      reason: "FieldValueTooMany",
      field: `${field}.values`,
      message: `Too many: ${values.length}: must have at most 255 items`,
    });
  let ordered = true;
  for (const [i, value] of values.entries()) {
    if (operator === "In" && value === 0) errors.push(invalidValue(`${field}.values[${i}]`, 0, "must not be 0 for the In operator"));
    if (values.indexOf(value) < i) errors.push(duplicateValue(`${field}.values[${i}]`, value));
    else if (i > 0 && value < (values[i - 1] ?? value)) ordered = false;
  }
  if (!ordered) errors.push(invalidValue(`${field}.values`, values, "must be ordered"));
  return errors;
}

/** What is wrong with when a Job counts as done. */
export function validateSuccessPolicy(field: string, spec: JobSpec): FieldError[] {
  if (!spec.successPolicy) return [];
  if (spec.completionMode !== "Indexed") return [invalidValue(field, spec.successPolicy, "requires indexed completion mode")];
  const rules = spec.successPolicy.rules ?? [];
  if (rules.length === 0)
    return [requiredValue(`${field}.rules`, "at least one rules must be specified when the successPolicy is specified")];
  return rules.flatMap(({ succeededCount, succeededIndexes }, i) => {
    const path = `${field}.rules[${i}]`;
    if (succeededCount === undefined && succeededIndexes === undefined)
      return [requiredValue(path, "at least one of succeededCount or succeededIndexes must be specified")];
    if (succeededCount === undefined || succeededCount <= (spec.completions ?? 0)) return [];
    return [
      invalidValue(
        `${path}.succeededCount`,
        succeededCount,
        `must be less than or equal to ${spec.completions} (the number of specified completions)`,
      ),
    ];
  });
}
