import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
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
        fault.required("aggregationRule.clusterRoleSelectors", "at least one clusterRoleSelector required if aggregationRule is non-nil"),
      );
    for (const [i, selector] of (selectors ?? []).entries()) {
      const field = `aggregationRule.clusterRoleSelectors[${i}]`;
      const wrong = validateLabelSelector(field, selector);
      if (wrong.length > 0) errors.push(...wrong, fault.invalid(field, null, "invalid label selector."));
    }
    return errors;
  },
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

function validateRules(rules: readonly PolicyRule[], namespaced: boolean): FieldError[] {
  return fault.each("rules", rules, ({ verbs, apiGroups, resources, nonResourceURLs = [] }, field) => {
    const errors: FieldError[] = [];
    if (!verbs?.length) errors.push(fault.required(`${field}.verbs`, "verbs must contain at least one value"));
    if (nonResourceURLs.length > 0) {
      if (namespaced)
        errors.push(fault.invalid(`${field}.nonResourceURLs`, nonResourceURLs, "namespaced rules cannot apply to non-resource URLs"));
      if (apiGroups?.length || resources?.length)
        errors.push(
          fault.invalid(`${field}.nonResourceURLs`, nonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs"),
        );
      return errors;
    }
    if (!apiGroups?.length) errors.push(fault.required(`${field}.apiGroups`, "resource rules must supply at least one api group"));
    if (!resources?.length) errors.push(fault.required(`${field}.resources`, "resource rules must supply at least one resource"));
    return errors;
  });
}
