import { validateAtMostAll, validateIntOrPercent } from "../apps/pod-owner.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import { age } from "../meta/time.ts";
import type { PodDisruptionBudget } from "../types/policy.v1.ts";

/** The rules of PodDisruptionBudgets. */
export const podDisruptionBudgetRules: KindRules<PodDisruptionBudget> = {
  validate({ spec }) {
    const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec ?? {};
    const errors =
      minAvailable !== undefined && maxUnavailable !== undefined
        ? [fault.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")]
        : [];
    for (const [key, value] of Object.entries({ minAvailable, maxUnavailable }))
      errors.push(...validateIntOrPercent(`spec.${key}`, value), ...validateAtMostAll(`spec.${key}`, value));
    errors.push(...validateLabelSelector("spec.selector", selector));
    errors.push(...fault.oneOfIfSet("spec.unhealthyPodEvictionPolicy", unhealthyPodEvictionPolicy, ["AlwaysAllow", "IfHealthyBudget"]));
    return errors;
  },
  cells: ({ metadata, spec, status }, now) => [
    metadata.name,
    spec?.minAvailable === undefined ? "N/A" : String(spec.minAvailable),
    spec?.maxUnavailable === undefined ? "N/A" : String(spec.maxUnavailable),
    status?.disruptionsAllowed ?? 0,
    age(metadata.creationTimestamp, now),
  ],
};
