import type { KubeObject, StoredMeta } from "../../api/meta/object.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import type { ClusterRole, PolicyRule, RoleBinding, RoleRef, Subject } from "../../api/types/rbac.v1.ts";
import { ClusterRoleBindings, ClusterRoles, RoleBindings, Roles } from "../../api/types/resources.ts";
import { missingRules } from "../authorization/index.ts";
import { bootstrapObjects, type Wanted } from "./writer.ts";

const autoupdate = "rbac.authorization.kubernetes.io/autoupdate";

/** Upstream's roles and bindings, and hue's own. What was taken from them comes back at the next start, what was added stays. */
export function rbacObjects(): Wanted[] {
  const upstream = [ClusterRoles, Roles, ClusterRoleBindings, RoleBindings].flatMap((resource: ResourceInfo) =>
    bootstrapObjects(resource).map((object) => wanted(resource, withoutNulls(object))),
  );
  return [...upstream, ...ownRoles.map(({ resource, ...object }) => wanted(resource, complete(resource, object)))];
}

/** The facts write empty rules and subjects as null. */
function withoutNulls(object: KubeObject): KubeObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null)) as KubeObject; // Members go, types stay.
}

function wanted(resource: ResourceInfo, object: KubeObject): Wanted {
  const isRole = resource.plural.endsWith("roles");
  return { resource, object, merge: (current) => (isRole ? mergeRole(current, object) : mergeBinding(current, object)) };
}

function mergeRole(current: KubeObject, expected: KubeObject): KubeObject | undefined {
  if (!isUpdated(current)) return undefined;
  const [role, wantedRole] = [current as ClusterRole, expected as ClusterRole]; // Called for roles only; both kinds have these fields.
  const missing = wantedRole.aggregationRule ? [] : missingRules(role.rules ?? [], wantedRole.rules ?? []);
  const selectors = (wantedRole.aggregationRule?.clusterRoleSelectors ?? []).filter(
    (selector) => !role.aggregationRule?.clusterRoleSelectors?.some((own) => deepEqual(own, selector)),
  );
  const metadata = mergeMetadata(role.metadata, wantedRole.metadata);
  if (missing.length === 0 && selectors.length === 0 && !metadata) return undefined;
  const next = structuredClone(role);
  if (metadata) next.metadata = metadata;
  if (missing.length > 0) next.rules = [...(next.rules ?? []), ...structuredClone(rulesWith(wantedRole.rules ?? [], missing))];
  if (selectors.length > 0)
    next.aggregationRule = { clusterRoleSelectors: [...(next.aggregationRule?.clusterRoleSelectors ?? []), ...structuredClone(selectors)] };
  return next;
}

/** The whole rules that something is missing of: readable as upstream wrote them. */
function rulesWith(rules: readonly PolicyRule[], missing: readonly PolicyRule[]): PolicyRule[] {
  return rules.filter((rule) => missingRules([rule], missing).length < missing.length);
}

function mergeBinding(current: KubeObject, expected: KubeObject): KubeObject | undefined {
  if (!isUpdated(current)) return undefined;
  const [binding, wantedBinding] = [current as RoleBinding, expected as RoleBinding]; // Called for bindings only, as above.
  // Another role under our name cannot be put right by an update: the administrator's choice stays.
  if (binding.roleRef.kind !== wantedBinding.roleRef.kind || binding.roleRef.name !== wantedBinding.roleRef.name) return undefined;
  const same = (a: Subject, b: Subject): boolean => a.kind === b.kind && a.name === b.name && (a.namespace ?? "") === (b.namespace ?? "");
  const missing = (wantedBinding.subjects ?? []).filter((subject) => !binding.subjects?.some((own) => same(own, subject)));
  const metadata = mergeMetadata(binding.metadata, wantedBinding.metadata);
  if (missing.length === 0 && !metadata) return undefined;
  const next = structuredClone(binding);
  next.subjects = [...(next.subjects ?? []), ...structuredClone(missing)];
  return metadata ? { ...next, metadata: { ...next.metadata, ...metadata } } : next;
}

/** An administrator who does not want this sets the annotation to "false". */
function isUpdated({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[autoupdate] === "true";
}

function mergeMetadata(current: StoredMeta, expected: StoredMeta): StoredMeta | undefined {
  const lacks = (own: Record<string, string> = {}, all: Record<string, string> = {}): boolean =>
    Object.keys(all).some((key) => own[key] === undefined);
  if (!lacks(current.labels, expected.labels) && !lacks(current.annotations, expected.annotations)) return undefined;
  return {
    ...structuredClone(current),
    labels: { ...expected.labels, ...current.labels },
    annotations: { ...expected.annotations, ...current.annotations },
  };
}

interface OwnRole {
  resource: ResourceInfo;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  rules?: PolicyRule[];
  roleRef?: RoleRef;
  subjects?: Subject[];
}

function complete({ groupVersion, kind }: ResourceInfo, { metadata, ...rest }: Omit<OwnRole, "resource">): KubeObject {
  return { apiVersion: groupVersion, kind, metadata: { ...metadata, annotations: { [autoupdate]: "true" } }, ...rest };
}

const rbacGroup = "rbac.authorization.k8s.io";

function bind(name: string, role: string, kind: "Group" | "User", subject: string): OwnRole {
  return {
    resource: ClusterRoleBindings,
    metadata: { name },
    roleRef: { apiGroup: rbacGroup, kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: rbacGroup, kind, name: subject }],
  };
}

const approver = "system:certificates.k8s.io:certificatesigningrequests";

/** What joining and the nodes' network need beyond upstream's roles. */
const ownRoles: readonly OwnRole[] = [
  bind("hue:node-bootstrapper", "system:node-bootstrapper", "Group", "system:bootstrappers"),
  bind("hue:node-autoapprove-bootstrap", `${approver}:nodeclient`, "Group", "system:bootstrappers"),
  bind("hue:node-autoapprove-certificate-rotation", `${approver}:selfnodeclient`, "Group", "system:nodes"),
  bind("hue:kubelet-api-admin", "system:kubelet-api-admin", "User", "kube-apiserver-kubelet-client"),
  // Every node runs its own service proxy and DNS, and enforces NetworkPolicies, whose peers may be any pod: it reads what they follow, but no Secret.
  bind("hue:node-network", "hue:node-network", "Group", "system:nodes"),
  {
    resource: ClusterRoles,
    metadata: { name: "hue:node-network" },
    rules: [
      { apiGroups: [""], resources: ["namespaces", "nodes", "pods", "services"], verbs: ["get", "list", "watch"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"] },
      { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["get", "list", "watch"] },
      // To let go of volumes whose folders are removed; NodeRestriction sees to it that nothing else is done to them.
      { apiGroups: [""], resources: ["persistentvolumes"], verbs: ["get", "list", "watch", "patch"] },
    ],
  },
  // `kubectl top` for those who may view, as metrics-server's manifest has it.
  {
    resource: ClusterRoles,
    metadata: {
      name: "system:aggregated-metrics-reader",
      labels: Object.fromEntries(["view", "edit", "admin"].map((role) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, "true"])),
    },
    rules: [{ apiGroups: ["metrics.k8s.io"], resources: ["pods", "nodes"], verbs: ["get", "list", "watch"] }],
  },
  // Whoever joins reads how to reach the cluster before it has credentials.
  {
    resource: Roles,
    metadata: { namespace: "kube-public", name: "kubeadm:bootstrap-signer-clusterinfo" },
    rules: [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["cluster-info"], verbs: ["get"] }],
  },
  {
    resource: RoleBindings,
    metadata: { namespace: "kube-public", name: "kubeadm:bootstrap-signer-clusterinfo" },
    roleRef: { apiGroup: rbacGroup, kind: "Role", name: "kubeadm:bootstrap-signer-clusterinfo" },
    subjects: [{ apiGroup: rbacGroup, kind: "User", name: "system:anonymous" }],
  },
];
