import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { duplicateValue, forbiddenField, invalidValue, oneOf, requiredValue } from "../meta/field-errors.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import { age } from "../meta/time.ts";
import type {
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingAdmissionPolicySpec,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicySpec,
} from "../types/admissionregistration.v1.ts";
import type { LabelSelector } from "../types/meta.v1.ts";
import { validateRule } from "./webhook-configuration.ts";

/** The rules of ValidatingAdmissionPolicies. Their expressions are compiled, and refused, by admission. */
export const validatingAdmissionPolicyRules: KindRules<ValidatingAdmissionPolicy> = {
  default: ({ spec }) => defaultPolicy(spec),
  validate({ spec }) {
    const errors = validatePolicy(spec);
    const { validations = [], auditAnnotations = [] } = spec;
    if (validations.length === 0 && auditAnnotations.length === 0)
      for (const key of ["validations", "auditAnnotations"])
        errors.push(requiredValue(`spec.${key}`, "validations or auditAnnotations must contain at least one item"));
    for (const [i, validation] of validations.entries())
      if (!validation.expression?.trim()) errors.push(requiredValue(`spec.validations[${i}].expression`, "expression is not specified"));
    for (const [i, { key, valueExpression }] of auditAnnotations.entries()) {
      if (!key) errors.push(requiredValue(`spec.auditAnnotations[${i}].key`));
      if (!valueExpression?.trim())
        errors.push(requiredValue(`spec.auditAnnotations[${i}].valueExpression`, "valueExpression is not specified"));
    }
    return errors;
  },
  cells: ({ metadata, spec }, now) => [
    metadata.name,
    spec.validations?.length ?? 0,
    paramText(spec.paramKind),
    age(metadata.creationTimestamp, now),
  ],
};

/** The rules of MutatingAdmissionPolicies. */
export const mutatingAdmissionPolicyRules: KindRules<MutatingAdmissionPolicy> = {
  default: ({ spec }) => defaultPolicy(spec),
  validate({ spec }) {
    const errors = validatePolicy(spec);
    const { mutations = [] } = spec;
    if (mutations.length === 0) errors.push(requiredValue("spec.mutations", "mutations must contain at least one item"));
    for (const [i, { patchType, applyConfiguration, jsonPatch }] of mutations.entries()) {
      const field = `spec.mutations[${i}]`;
      errors.push(...oneOf(`${field}.patchType`, patchType, ["ApplyConfiguration", "JSONPatch"]));
      const [wanted, name] = patchType === "JSONPatch" ? [jsonPatch, "jsonPatch"] : [applyConfiguration, "applyConfiguration"];
      if (!wanted?.expression?.trim()) errors.push(requiredValue(`${field}.${name}.expression`, "expression is not specified"));
    }
    if (!spec.reinvocationPolicy) errors.push(requiredValue("spec.reinvocationPolicy"));
    else errors.push(...oneOf("spec.reinvocationPolicy", spec.reinvocationPolicy, ["IfNeeded", "Never"]));
    return errors;
  },
  cells: ({ metadata, spec }, now) => [
    metadata.name,
    spec.mutations?.length ?? 0,
    paramText(spec.paramKind),
    age(metadata.creationTimestamp, now),
  ],
};

/** The rules of ValidatingAdmissionPolicyBindings. */
export const validatingAdmissionPolicyBindingRules: KindRules<ValidatingAdmissionPolicyBinding> = {
  default: ({ spec }) => defaultMatch(spec.matchResources),
  validate({ spec }) {
    const errors = validateBinding(spec);
    const actions = spec.validationActions ?? [];
    if (actions.length === 0) errors.push(requiredValue("spec.validationActions", "at least one validation action is required"));
    for (const [i, action] of actions.entries()) {
      errors.push(...oneOf(`spec.validationActions[${i}]`, action, ["Audit", "Deny", "Warn"]));
      if (actions.indexOf(action) < i) errors.push(duplicateValue(`spec.validationActions[${i}]`, action));
    }
    if (actions.includes("Deny") && actions.includes("Warn"))
      errors.push(
        invalidValue(
          "spec.validationActions",
          actions,
          "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)",
        ),
      );
    return errors;
  },
  cells: ({ metadata, spec }, now) => [metadata.name, spec.policyName, refText(spec.paramRef), age(metadata.creationTimestamp, now)],
};

/** The rules of MutatingAdmissionPolicyBindings. */
export const mutatingAdmissionPolicyBindingRules: KindRules<MutatingAdmissionPolicyBinding> = {
  default: ({ spec }) => defaultMatch(spec.matchResources),
  validate: ({ spec }) => validateBinding(spec),
  cells: ({ metadata, spec }, now) => [metadata.name, spec.policyName ?? "", refText(spec.paramRef), age(metadata.creationTimestamp, now)],
};

function paramText(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion}/${kind.kind}` : "<unset>";
}

function refText(ref: ParamRef | undefined): string {
  if (!ref) return "<unset>";
  if (ref.name) return ref.namespace ? `${ref.namespace}/${ref.name}` : `*/${ref.name}`;
  return ref.selector ? goSelector(ref.selector) : "<unset>";
}

// Upstream prints the selector as Go's generated String method does.
function goSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.keys(matchLabels)
    .sort()
    .map((key) => `${key}: ${matchLabels[key]},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(" ")}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join("")}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join("")}},}`;
}

function defaultPolicy(spec: ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec): void {
  spec.failurePolicy ||= "Fail";
  defaultMatch(spec.matchConstraints);
}

function defaultMatch(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ||= "Equivalent";
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ||= "*";
}

function validatePolicy(spec: ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec): FieldError[] {
  const errors = oneOf("spec.failurePolicy", spec.failurePolicy, ["Fail", "Ignore"]);
  const { paramKind, matchConstraints } = spec;
  if (paramKind)
    for (const key of ["apiVersion", "kind"] as const) if (!paramKind[key]) errors.push(requiredValue(`spec.paramKind.${key}`));
  if (!matchConstraints) errors.push(requiredValue("spec.matchConstraints"));
  else {
    errors.push(...validateMatch("spec.matchConstraints", matchConstraints));
    if (!matchConstraints.resourceRules?.length) errors.push(requiredValue("spec.matchConstraints.resourceRules"));
  }
  for (const key of ["variables", "matchConditions"] as const)
    for (const [i, { name, expression }] of (spec[key] ?? []).entries()) {
      if (!name) errors.push(requiredValue(`spec.${key}[${i}].name`, "name is not specified"));
      if (!expression?.trim()) errors.push(requiredValue(`spec.${key}[${i}].expression`, "expression is not specified"));
    }
  return errors;
}

function validateBinding(spec: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources }): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.policyName) errors.push(requiredValue("spec.policyName"));
  const { paramRef } = spec;
  if (paramRef) {
    if (paramRef.name && paramRef.selector) errors.push(forbiddenField("spec.paramRef.name", "name and selector are mutually exclusive"));
    if (!paramRef.name && !paramRef.selector) errors.push(requiredValue("spec.paramRef", "one of name or selector must be specified"));
    if (!paramRef.parameterNotFoundAction) errors.push(requiredValue("spec.paramRef.parameterNotFoundAction"));
    else errors.push(...oneOf("spec.paramRef.parameterNotFoundAction", paramRef.parameterNotFoundAction, ["Allow", "Deny"]));
  }
  if (spec.matchResources) errors.push(...validateMatch("spec.matchResources", spec.matchResources));
  return errors;
}

function validateMatch(field: string, match: MatchResources): FieldError[] {
  return [
    ...validateLabelSelector(`${field}.namespaceSelector`, match.namespaceSelector),
    ...validateLabelSelector(`${field}.objectSelector`, match.objectSelector),
    ...(match.resourceRules ?? []).flatMap((rule, i) => validateRule(`${field}.resourceRules[${i}]`, rule)),
    ...(match.excludeResourceRules ?? []).flatMap((rule, i) => validateRule(`${field}.excludeResourceRules[${i}]`, rule)),
  ];
}
