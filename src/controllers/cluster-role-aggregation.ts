import { deepEqual } from "../api/meta/equality.ts";
import { matchesLabelSelector } from "../api/meta/labels.ts";
import type { ClusterRole, PolicyRule } from "../api/types/rbac.v1.ts";
import { ClusterRoles } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";

/** The rules of all roles that the role's aggregationRule selects, by name, each rule once. */
export function aggregatedRules(role: ClusterRole, roles: readonly ClusterRole[]): PolicyRule[] {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  const sources = roles
    .filter((other) => other.metadata.name !== role.metadata.name && selectors.some((s) => matchesLabelSelector(s, other.metadata.labels)))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const rules: PolicyRule[] = [];
  for (const source of sources) for (const rule of source.rules ?? []) if (!rules.some((known) => deepEqual(known, rule))) rules.push(rule);
  return rules;
}

/** Gives ClusterRoles with an aggregationRule (admin, edit, view) the rules of the roles that it selects. */
export const createClusterRoleAggregation: ControllerFactory = ({ client, caches }) => {
  const roles = caches.of(ClusterRoles);
  return {
    name: "clusterrole-aggregation",
    watches: [watch(roles, () => roles.list().flatMap((role) => (role.aggregationRule ? [role.metadata.name] : [])))],
    async reconcile(name) {
      const role = roles.byKey(name);
      if (!role?.aggregationRule) return;
      const rules = aggregatedRules(role, roles.list());
      if (deepEqual(rules, role.rules ?? [])) return;
      // As upstream does: no rules take away what was aggregated before, and leave what somebody else gave the role.
      const body = { apiVersion: role.apiVersion, kind: role.kind, metadata: { name }, ...(rules.length > 0 ? { rules } : {}) };
      await client.patch(
        ClusterRoles,
        { name },
        { type: "apply", body },
        { fieldManager: "clusterrole-aggregation-controller", force: true },
      );
    },
  };
};
