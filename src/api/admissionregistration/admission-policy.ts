import type { Compiled } from "../cel/admission.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import { checkDns1035Label, checkDnsSubdomain, checkPathSegment, checkQualifiedName } from "../meta/names.ts";
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
import {
  expressionErrors,
  type MutatingExpressions,
  mutatingExpressions,
  type PolicyExpressions,
  type ValidatingExpressions,
  validatingExpressions,
} from "./policy-expressions.ts";
import { validateRule } from "./webhook-configuration.ts";

const reservedWords = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(" "),
);

/** The rules of ValidatingAdmissionPolicies. */
export const validatingAdmissionPolicyRules: KindRules<ValidatingAdmissionPolicy> = {
  default: ({ spec }) => defaultPolicy(spec),
  validate({ metadata, spec }) {
    const compiled = validatingExpressions(spec);
    const errors = validatePolicy(spec, compiled);
    if (compiled.validations.length === 0 && compiled.auditAnnotations.length === 0)
      for (const key of ["validations", "auditAnnotations"])
        errors.push(fault.required(`spec.${key}`, "validations or auditAnnotations must contain at least one item"));
    for (const [i, validation] of compiled.validations.entries()) errors.push(...validateValidation(`spec.validations[${i}]`, validation));
    if (compiled.auditAnnotations.length > 20)
      errors.push(fault.invalid("spec.auditAnnotations", spec.auditAnnotations, "must not have more than 20 auditAnnotations"));
    for (const [i, annotation] of compiled.auditAnnotations.entries()) {
      const field = `spec.auditAnnotations[${i}]`;
      const key = `${metadata.name}/${annotation.name}`;
      if (!metadata.name) errors.push(fault.invalid(`${field}.key`, annotation.name, "requires metadata.name be non-empty"));
      errors.push(...fault.checked(`${field}.key`, key, checkQualifiedName), ...required(`${field}.valueExpression`, annotation));
      if (compiled.auditAnnotations.findIndex(({ name }) => name === annotation.name) < i)
        errors.push(fault.duplicate(`${field}.key`, annotation.name));
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
    const compiled = mutatingExpressions(spec);
    const errors = validatePolicy(spec, compiled, ["*", "CONNECT", "CREATE", "UPDATE"]);
    if (compiled.mutations.length === 0) errors.push(fault.required("spec.mutations", "mutations must contain at least one item"));
    for (const [i, mutation] of compiled.mutations.entries()) errors.push(...validateMutation(`spec.mutations[${i}]`, mutation));
    errors.push(...fault.oneOf("spec.reinvocationPolicy", spec.reinvocationPolicy, ["IfNeeded", "Never"]));
    return errors;
  },
  cells: ({ metadata, spec }, now) => [
    metadata.name,
    spec.mutations?.length ?? 0,
    paramText(spec.paramKind),
    age(metadata.creationTimestamp, now),
  ],
};

function required(field: string, { text, expression }: { text: string; expression: Compiled }): FieldError[] {
  if (!text?.trim()) return [fault.required(field, `${field.slice(field.lastIndexOf(".") + 1)} is not specified`)];
  return expressionErrors(field, text, expression);
}

function validateValidation(field: string, { spec, expression, message }: ValidatingExpressions["validations"][number]): FieldError[] {
  const { messageExpression = "", reason } = spec;
  const errors = [
    ...required(`${field}.expression`, { text: spec.expression, expression }),
    ...expressionErrors(`${field}.messageExpression`, messageExpression, message),
  ];
  if (messageExpression && !message)
    errors.push(fault.invalid(`${field}.messageExpression`, messageExpression, "must be non-empty if specified"));
  if (spec.message && !spec.message.trim()) errors.push(fault.invalid(`${field}.message`, spec.message, "must be non-empty if specified"));
  else if (/[\r\n]/.test(spec.message?.trim() ?? ""))
    errors.push(fault.invalid(`${field}.message`, spec.message, "must not contain line breaks"));
  errors.push(...fault.oneOfIfSet(`${field}.reason`, reason, ["Forbidden", "Invalid", "RequestEntityTooLarge"]));
  return errors;
}

function validateMutation(field: string, { spec, text, expression }: MutatingExpressions["mutations"][number]): FieldError[] {
  const { patchType } = spec;
  if (patchType !== "JSONPatch" && patchType !== "ApplyConfiguration")
    return patchType
      ? fault.supported(`${field}.patchType`, patchType, ["ApplyConfiguration", "JSONPatch"])
      : [fault.required(`${field}.patchType`)];
  const [own, other] =
    patchType === "JSONPatch" ? (["jsonPatch", "applyConfiguration"] as const) : (["applyConfiguration", "jsonPatch"] as const);
  const errors = !spec[own]
    ? [fault.required(`${field}.${own}`, `must be specified when patchType is ${patchType}`)]
    : !text
      ? [fault.required(`${field}.${own}.expression`)]
      : expressionErrors(`${field}.${own}.expression`, text, expression);
  if (spec[other]) errors.push(fault.invalid(`${field}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`));
  return errors;
}

/** The rules of ValidatingAdmissionPolicyBindings. */
export const validatingAdmissionPolicyBindingRules: KindRules<ValidatingAdmissionPolicyBinding> = {
  default: ({ spec }) => defaultMatch(spec.matchResources),
  validate({ spec }) {
    const errors = validateBinding(spec);
    const actions = spec.validationActions ?? [];
    if (actions.length === 0) errors.push(fault.required("spec.validationActions", "at least one validation action is required"));
    for (const [i, action] of actions.entries()) {
      errors.push(...fault.supported(`spec.validationActions[${i}]`, action, ["Audit", "Deny", "Warn"]));
      if (actions.indexOf(action) < i) errors.push(fault.duplicate(`spec.validationActions[${i}]`, action));
    }
    if (actions.includes("Deny") && actions.includes("Warn"))
      errors.push(
        fault.invalid(
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
  spec.failurePolicy ??= "Fail";
  defaultMatch(spec.matchConstraints);
}

function defaultMatch(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= "Equivalent";
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= "*";
}

function validatePolicy(
  spec: ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec,
  compiled: PolicyExpressions,
  operations?: readonly string[],
): FieldError[] {
  const errors = fault.supported("spec.failurePolicy", spec.failurePolicy, ["Fail", "Ignore"]);
  const { paramKind, matchConstraints, matchConditions = [] } = spec;
  if (paramKind) errors.push(...validateParamKind("spec.paramKind", paramKind));
  if (!matchConstraints) errors.push(fault.required("spec.matchConstraints"));
  else {
    const field = "spec.matchConstraints.resourceRules";
    const { resourceRules = [] } = matchConstraints;
    errors.push(...validateMatch("spec.matchConstraints", matchConstraints));
    if (resourceRules.length === 0) errors.push(fault.required(field));
    for (const operation of operations ? resourceRules.flatMap((rule) => rule.operations ?? []) : [])
      errors.push(...fault.supported(`${field}.operations`, operation, operations ?? []));
  }
  if (matchConditions.length > 64) errors.push(fault.tooMany("spec.matchConditions", matchConditions.length, 64));
  for (const [i, { name, text, expression }] of compiled.matchConditions.entries()) {
    const field = `spec.matchConditions[${i}]`;
    errors.push(...(text ? expressionErrors(`${field}.expression`, text, expression) : [fault.required(`${field}.expression`)]));
    errors.push(...fault.requiredAndChecked(`${field}.name`, name, checkQualifiedName));
    if (name && matchConditions.findIndex((condition) => condition.name === name) < i) errors.push(fault.duplicate(`${field}.name`, name));
  }
  for (const [i, variable] of compiled.variables.entries()) {
    const field = `spec.variables[${i}]`;
    const { name } = variable;
    if (!name?.trim()) errors.push(fault.required(`${field}.name`, "name is not specified"));
    else if (!/^[_a-zA-Z]\w*$/.test(name) || reservedWords.has(name))
      errors.push(fault.invalid(`${field}.name`, name, "must be a valid CEL identifier"));
    errors.push(...required(`${field}.expression`, variable));
  }
  return errors;
}

function validateBinding(spec: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources }): FieldError[] {
  const errors: FieldError[] = [];
  const { policyName } = spec;
  errors.push(...fault.requiredAndChecked("spec.policyName", policyName, checkDnsSubdomain));
  const { paramRef } = spec;
  if (paramRef) {
    const both = paramRef.name && paramRef.selector;
    errors.push(...fault.checkedIfNonEmpty("spec.paramRef.name", paramRef.name, checkPathSegment));
    if (both) errors.push(fault.forbidden("spec.paramRef.name", "name and selector are mutually exclusive"));
    if (paramRef.selector) errors.push(...validateLabelSelector("spec.paramRef.selector", paramRef.selector));
    if (both) errors.push(fault.forbidden("spec.paramRef.selector", "name and selector are mutually exclusive"));
    if (!paramRef.name && !paramRef.selector) errors.push(fault.required("spec.paramRef", "one of name or selector must be specified"));
    errors.push(...fault.oneOf("spec.paramRef.parameterNotFoundAction", paramRef.parameterNotFoundAction, ["Allow", "Deny"]));
  }
  if (spec.matchResources) errors.push(...validateMatch("spec.matchResources", spec.matchResources));
  return errors;
}

function validateMatch(field: string, match: MatchResources): FieldError[] {
  const rules = (key: "resourceRules" | "excludeResourceRules"): FieldError[] =>
    (match[key] ?? []).flatMap((rule, i) => [
      ...(rule.resourceNames ?? []).flatMap((name, n, names) => {
        const place = `${field}.${key}[${i}].resourceNames[${n}]`;
        const twice = names.indexOf(name) < n ? [fault.duplicate(place, name)] : [];
        return [...fault.checked(place, name, checkPathSegment), ...twice];
      }),
      ...validateRule(`${field}.${key}[${i}]`, rule),
    ]);
  return [
    ...fault.supported(`${field}.matchPolicy`, match.matchPolicy, ["Equivalent", "Exact"]),
    ...validateLabelSelector(`${field}.namespaceSelector`, match.namespaceSelector),
    ...validateLabelSelector(`${field}.objectSelector`, match.objectSelector),
    ...rules("resourceRules"),
    ...rules("excludeResourceRules"),
  ];
}

function validateParamKind(field: string, { apiVersion, kind }: ParamKind): FieldError[] {
  const errors: FieldError[] = [];
  const [version = "", group = "", ...rest] = (apiVersion ?? "").split("/").reverse();
  const joined = (key: string, value: string, problems: string[], before = ""): void => {
    if (problems.length > 0) errors.push(fault.invalid(`${field}.${key}`, value, before + problems.join(",")));
  };
  if (!apiVersion) errors.push(fault.required(`${field}.apiVersion`));
  else if (rest.length > 0) joined("apiVersion", apiVersion, [`unexpected GroupVersion string: ${apiVersion}`]);
  else {
    if (group) joined("apiVersion", group, checkDnsSubdomain(group));
    if (version) joined("apiVersion", version, checkDns1035Label(version));
    else joined("apiVersion", apiVersion, ["version must be specified"]);
  }
  if (!kind) errors.push(fault.required(`${field}.kind`));
  else joined("kind", kind, checkDns1035Label(kind.toLowerCase()), "may have mixed case, but should otherwise match: ");
  return errors;
}
