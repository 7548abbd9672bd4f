import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { invalidValue, requiredValue } from "../meta/field-errors.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import type { ClusterRole, PolicyRule, Role } from "../types/rbac.v1.ts";

/** The rules of Roles. */
export const roleRules: KindRules<Role> = {
  validate: ({ rules }) => validateRules(rules ?? [], true),
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

/** The rules of ClusterRoles. */
export const clusterRoleRules: KindRules<ClusterRole> = {
  validate({ rules, aggregationRule }) {
    const selectors = aggregationRule?.clusterRoleSelectors;
    const errors = validateRules(rules ?? [], false);
    if (aggregationRule && !selectors?.length)
      errors.push(
        requiredValue("aggregationRule.clusterRoleSelectors", "at least one clusterRoleSelector required if aggregationRule is non-nil"),
      );
    for (const [i, selector] of (selectors ?? []).entries()) {
      const field = `aggregationRule.clusterRoleSelectors[${i}]`;
      const wrong = validateLabelSelector(field, selector);
      if (wrong.length > 0) errors.push(...wrong, invalidValue(field, null, "invalid label selector."));
    }
    return errors;
  },
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

function validateRules(rules: readonly PolicyRule[], namespaced: boolean): FieldError[] {
  return rules.flatMap(({ verbs, apiGroups, resources, nonResourceURLs = [] }, i) => {
    const field = `rules[${i}]`;
    const errors: FieldError[] = [];
    if (!verbs?.length) errors.push(requiredValue(`${field}.verbs`, "verbs must contain at least one value"));
    if (nonResourceURLs.length > 0) {
      if (namespaced)
        errors.push(invalidValue(`${field}.nonResourceURLs`, nonResourceURLs, "namespaced rules cannot apply to non-resource URLs"));
      if (apiGroups?.length || resources?.length)
        errors.push(
          invalidValue(`${field}.nonResourceURLs`, nonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs"),
        );
      return errors;
    }
    if (!apiGroups?.length) errors.push(requiredValue(`${field}.apiGroups`, "resource rules must supply at least one api group"));
    if (!resources?.length) errors.push(requiredValue(`${field}.resources`, "resource rules must supply at least one resource"));
    return errors;
  });
}
