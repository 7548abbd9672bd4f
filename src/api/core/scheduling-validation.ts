import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import { checkDnsLabel, checkDnsSubdomain, checkLabelValue, checkQualifiedName } from "../meta/names.ts";
import type {
  Affinity,
  NodeAffinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from "../types/core.v1.ts";

const required = "requiredDuringSchedulingIgnoredDuringExecution";
const preferred = "preferredDuringSchedulingIgnoredDuringExecution";

/** What is wrong with a pod's affinities. */
export function validateAffinity(field: string, affinity: Affinity | undefined): FieldError[] {
  if (!affinity) return [];
  return [
    ...validateNodeAffinity(`${field}.nodeAffinity`, affinity.nodeAffinity),
    ...validatePodAffinity(`${field}.podAffinity`, affinity.podAffinity),
    ...validatePodAffinity(`${field}.podAntiAffinity`, affinity.podAntiAffinity),
  ];
}

function validateNodeAffinity(field: string, affinity: NodeAffinity | undefined): FieldError[] {
  const must = affinity?.[required];
  return [
    ...(must ? validateNodeSelector(`${field}.${required}`, must) : []),
    ...(affinity?.[preferred] ?? []).flatMap(({ weight, preference }, i) => {
      const path = `${field}.${preferred}[${i}]`;
      return [...validateWeight(`${path}.weight`, weight), ...validateTerm(`${path}.preference`, preference ?? {}, false)];
    }),
  ];
}

/** What is wrong with a selector of nodes. */
export function validateNodeSelector(field: string, { nodeSelectorTerms }: NodeSelector): FieldError[] {
  if (!nodeSelectorTerms?.length) return [fault.required(`${field}.nodeSelectorTerms`, "must have at least one node selector term")];
  return nodeSelectorTerms.flatMap((term, i) => validateTerm(`${field}.nodeSelectorTerms[${i}]`, term));
}

// What nodes should rather have may name values that no label can hold.
function validateTerm(field: string, { matchExpressions, matchFields }: NodeSelectorTerm, checksValues = true): FieldError[] {
  return [
    ...(matchExpressions ?? []).flatMap((requirement, i) =>
      validateExpression(`${field}.matchExpressions[${i}]`, requirement, checksValues),
    ),
    ...(matchFields ?? []).flatMap((requirement, i) => validateNodeField(`${field}.matchFields[${i}]`, requirement)),
  ];
}

function validateExpression(field: string, { key, operator, values = [] }: NodeSelectorRequirement, checksValues: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const text: string = operator;
  if (text === "In" || text === "NotIn") {
    if (values.length === 0) errors.push(fault.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (text === "Exists" || text === "DoesNotExist") {
    if (values.length > 0)
      errors.push(fault.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  } else if (text === "Gt" || text === "Lt") {
    if (values.length !== 1)
      errors.push(fault.required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
  } else errors.push(fault.invalid(`${field}.operator`, text ?? "", "not a valid selector operator"));
  errors.push(...fault.checked(`${field}.key`, key ?? "", checkQualifiedName));
  for (const [i, value] of checksValues ? values.entries() : [])
    errors.push(...fault.checked(`${field}.values[${i}]`, value, checkLabelValue));
  return errors;
}

function validateNodeField(field: string, { key, operator, values = [] }: NodeSelectorRequirement): FieldError[] {
  const errors: FieldError[] = [];
  if (operator !== "In" && operator !== "NotIn")
    errors.push(fault.invalid(`${field}.operator`, operator ?? "", "not a valid selector operator"));
  else if (values.length !== 1)
    errors.push(fault.required(`${field}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"));
  if (key !== "metadata.name") errors.push(fault.invalid(`${field}.key`, key ?? "", "not a valid field selector key"));
  else for (const [i, value] of values.entries()) errors.push(...fault.checked(`${field}.values[${i}]`, value, checkDnsSubdomain));
  return errors;
}

function validatePodAffinity(field: string, affinity: PodAffinity | undefined): FieldError[] {
  return [
    ...(affinity?.[required] ?? []).flatMap((term, i) => validateAffinityTerm(`${field}.${required}[${i}]`, term)),
    ...(affinity?.[preferred] ?? []).flatMap(({ weight, podAffinityTerm }, i) => {
      const path = `${field}.${preferred}[${i}]`;
      return [...validateWeight(`${path}.weight`, weight), ...validateAffinityTerm(`${path}.podAffinityTerm`, podAffinityTerm ?? {})];
    }),
  ];
}

function validateAffinityTerm(field: string, term: Partial<PodAffinityTerm>): FieldError[] {
  const errors = [
    ...validateLabelSelector(`${field}.labelSelector`, term.labelSelector),
    ...validateLabelSelector(`${field}.namespaceSelector`, term.namespaceSelector),
  ];
  for (const namespace of term.namespaces ?? []) errors.push(...fault.checked(`${field}.namespace`, namespace, checkDnsLabel));
  for (const key of ["matchLabelKeys", "mismatchLabelKeys"] as const)
    errors.push(...validateLabelKeys(`${field}.${key}`, term[key], term.labelSelector !== undefined));
  for (const [i, key] of (term.matchLabelKeys ?? []).entries())
    if (term.mismatchLabelKeys?.includes(key))
      errors.push(fault.invalid(`${field}.matchLabelKeys[${i}]`, key, "exists in both matchLabelKeys and mismatchLabelKeys"));
  const topologyKey = term.topologyKey ?? "";
  if (!topologyKey) errors.push(fault.required(`${field}.topologyKey`, "can not be empty"));
  return [...errors, ...fault.checked(`${field}.topologyKey`, topologyKey, checkQualifiedName)];
}

function validateLabelKeys(field: string, keys: readonly string[] | undefined, hasSelector: boolean): FieldError[] {
  if (!keys?.length) return [];
  if (!hasSelector) return [fault.forbidden(field, "must not be specified when labelSelector is not set")];
  return keys.flatMap((key, i) => fault.checked(`${field}[${i}]`, key, checkQualifiedName));
}

function validateWeight(field: string, weight: number): FieldError[] {
  return weight >= 1 && weight <= 100 ? [] : [fault.invalid(field, weight ?? 0, "must be in the range 1-100")];
}

const emptyKeyText = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';

/** What is wrong with tolerations. */
export function validateTolerations(field: string, tolerations: readonly Toleration[]): FieldError[] {
  return fault.each(field, tolerations, ({ key, operator = "", value = "", effect, tolerationSeconds }, path) => {
    const text: string = operator;
    const errors: FieldError[] = [];
    if (key) errors.push(...fault.checked(`${path}.key`, key, checkQualifiedName));
    else if (text !== "Exists") errors.push(fault.invalid(`${path}.operator`, text, emptyKeyText));
    if (tolerationSeconds !== undefined && effect !== "NoExecute")
      errors.push(fault.invalid(`${path}.effect`, effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    if (text === "Equal" || text === "") errors.push(...fault.checked(`${path}.operator`, value, checkLabelValue).slice(0, 1));
    else if (text !== "Exists") errors.push(fault.notSupported(`${path}.operator`, text, ["Equal", "Exists"]));
    else if (value) errors.push(fault.invalid(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'"));
    if (effect) errors.push(...fault.oneOf(`${path}.effect`, effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"]));
    return errors;
  });
}

/** What is wrong with topology spread constraints. */
export function validateSpread(field: string, constraints: readonly TopologySpreadConstraint[]): FieldError[] {
  const seen = new Set<string>();
  return fault.each(field, constraints, (constraint, path, i) => {
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    const errors: FieldError[] = [];
    if (!(maxSkew > 0)) errors.push(fault.invalid(`${path}.maxSkew`, maxSkew ?? 0, "must be greater than zero"));
    if (!topologyKey) errors.push(fault.required(`${path}.topologyKey`, "can not be empty"));
    errors.push(...fault.oneOfIfSet(`${path}.whenUnsatisfiable`, whenUnsatisfiable ?? "", ["DoNotSchedule", "ScheduleAnyway"]));
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (constraints.slice(i + 1).some((c) => `{${c.topologyKey}, ${c.whenUnsatisfiable}}` === pair) && !seen.has(pair))
      errors.push(fault.duplicate(`${path}.{topologyKey, whenUnsatisfiable}`, pair));
    seen.add(pair);
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.push(fault.invalid(`${path}.minDomains`, minDomains, "must be greater than zero"));
      if (whenUnsatisfiable !== "DoNotSchedule")
        errors.push(
          fault.invalid(
            `${path}.minDomains`,
            minDomains,
            `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable ?? ""}`,
          ),
        );
    }
    for (const key of ["nodeAffinityPolicy", "nodeTaintsPolicy"] as const)
      errors.push(...fault.oneOfIfSet(`${path}.${key}`, constraint[key], ["Honor", "Ignore"]));
    errors.push(...validateLabelKeys(`${path}.matchLabelKeys`, constraint.matchLabelKeys, constraint.labelSelector !== undefined));
    return [...errors, ...validateLabelSelector(`${path}.labelSelector`, constraint.labelSelector)];
  });
}
