import type { FieldError } from "../errors.ts";
import {
  duplicateValue,
  forbiddenField,
  invalidForEach,
  invalidValue,
  notSupported,
  oneOf,
  oneOfIfSet,
  requiredValue,
} from "../meta/field-errors.ts";
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
  if (!nodeSelectorTerms?.length) return [requiredValue(`${field}.nodeSelectorTerms`, "must have at least one node selector term")];
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
    if (values.length === 0) errors.push(requiredValue(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (text === "Exists" || text === "DoesNotExist") {
    if (values.length > 0)
      errors.push(forbiddenField(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  } else if (text === "Gt" || text === "Lt") {
    if (values.length !== 1)
      errors.push(requiredValue(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
  } else errors.push(invalidValue(`${field}.operator`, text ?? "", "not a valid selector operator"));
  errors.push(...invalidForEach(`${field}.key`, key ?? "", checkQualifiedName(key ?? "")));
  for (const [i, value] of checksValues ? values.entries() : [])
    errors.push(...invalidForEach(`${field}.values[${i}]`, value, checkLabelValue(value)));
  return errors;
}

function validateNodeField(field: string, { key, operator, values = [] }: NodeSelectorRequirement): FieldError[] {
  const errors: FieldError[] = [];
  if (operator !== "In" && operator !== "NotIn")
    errors.push(invalidValue(`${field}.operator`, operator ?? "", "not a valid selector operator"));
  else if (values.length !== 1)
    errors.push(requiredValue(`${field}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"));
  if (key !== "metadata.name") errors.push(invalidValue(`${field}.key`, key ?? "", "not a valid field selector key"));
  else for (const [i, value] of values.entries()) errors.push(...invalidForEach(`${field}.values[${i}]`, value, checkDnsSubdomain(value)));
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
  for (const namespace of term.namespaces ?? []) errors.push(...invalidForEach(`${field}.namespace`, namespace, checkDnsLabel(namespace)));
  for (const key of ["matchLabelKeys", "mismatchLabelKeys"] as const)
    errors.push(...validateLabelKeys(`${field}.${key}`, term[key], term.labelSelector !== undefined));
  for (const [i, key] of (term.matchLabelKeys ?? []).entries())
    if (term.mismatchLabelKeys?.includes(key))
      errors.push(invalidValue(`${field}.matchLabelKeys[${i}]`, key, "exists in both matchLabelKeys and mismatchLabelKeys"));
  const topologyKey = term.topologyKey ?? "";
  if (!topologyKey) errors.push(requiredValue(`${field}.topologyKey`, "can not be empty"));
  return [...errors, ...invalidForEach(`${field}.topologyKey`, topologyKey, checkQualifiedName(topologyKey))];
}

function validateLabelKeys(field: string, keys: readonly string[] | undefined, hasSelector: boolean): FieldError[] {
  if (!keys?.length) return [];
  if (!hasSelector) return [forbiddenField(field, "must not be specified when labelSelector is not set")];
  return keys.flatMap((key, i) => invalidForEach(`${field}[${i}]`, key, checkQualifiedName(key)));
}

function validateWeight(field: string, weight: number): FieldError[] {
  return weight >= 1 && weight <= 100 ? [] : [invalidValue(field, weight ?? 0, "must be in the range 1-100")];
}

const emptyKeyText = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';

/** What is wrong with tolerations. */
export function validateTolerations(field: string, tolerations: readonly Toleration[]): FieldError[] {
  return tolerations.flatMap(({ key, operator = "", value = "", effect, tolerationSeconds }, i) => {
    const path = `${field}[${i}]`;
    const text: string = operator;
    const errors: FieldError[] = [];
    if (key) errors.push(...invalidForEach(`${path}.key`, key, checkQualifiedName(key)));
    else if (text !== "Exists") errors.push(invalidValue(`${path}.operator`, text, emptyKeyText));
    if (tolerationSeconds !== undefined && effect !== "NoExecute")
      errors.push(invalidValue(`${path}.effect`, effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    if (text === "Equal" || text === "") errors.push(...invalidForEach(`${path}.operator`, value, checkLabelValue(value)).slice(0, 1));
    else if (text !== "Exists") errors.push(notSupported(`${path}.operator`, text, ["Equal", "Exists"]));
    else if (value) errors.push(invalidValue(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'"));
    if (effect) errors.push(...oneOf(`${path}.effect`, effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"]));
    return errors;
  });
}

/** What is wrong with topology spread constraints. */
export function validateSpread(field: string, constraints: readonly TopologySpreadConstraint[]): FieldError[] {
  const seen = new Set<string>();
  return constraints.flatMap((constraint, i) => {
    const path = `${field}[${i}]`;
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    const errors: FieldError[] = [];
    if (!(maxSkew > 0)) errors.push(invalidValue(`${path}.maxSkew`, maxSkew ?? 0, "must be greater than zero"));
    if (!topologyKey) errors.push(requiredValue(`${path}.topologyKey`, "can not be empty"));
    errors.push(...oneOfIfSet(`${path}.whenUnsatisfiable`, whenUnsatisfiable ?? "", ["DoNotSchedule", "ScheduleAnyway"]));
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (constraints.slice(i + 1).some((c) => `{${c.topologyKey}, ${c.whenUnsatisfiable}}` === pair) && !seen.has(pair))
      errors.push(duplicateValue(`${path}.{topologyKey, whenUnsatisfiable}`, pair));
    seen.add(pair);
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.push(invalidValue(`${path}.minDomains`, minDomains, "must be greater than zero"));
      if (whenUnsatisfiable !== "DoNotSchedule")
        errors.push(
          invalidValue(
            `${path}.minDomains`,
            minDomains,
            `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable ?? ""}`,
          ),
        );
    }
    for (const key of ["nodeAffinityPolicy", "nodeTaintsPolicy"] as const)
      errors.push(...oneOfIfSet(`${path}.${key}`, constraint[key], ["Honor", "Ignore"]));
    errors.push(...validateLabelKeys(`${path}.matchLabelKeys`, constraint.matchLabelKeys, constraint.labelSelector !== undefined));
    errors.push(...validateLabelSelector(`${path}.labelSelector`, constraint.labelSelector));
    return errors;
  });
}
