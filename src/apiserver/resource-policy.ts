import type { ResourceInfo } from "../api/resource.ts";

/** How the verbs treat a resource where kinds differ for historical reasons; all of it observed on v1.36. */
export interface ResourcePolicy {
  /** A PUT of an object that is not there creates it. */
  createOnUpdate: boolean;
  /** A PUT without metadata.resourceVersion is refused. */
  needsResourceVersion: boolean;
  /** A finished delete answers with the object instead of a Status. */
  returnsDeleted: boolean;
  /** metadata.generation starts at 1 and counts changes; elsewhere it is whatever the client sent. */
  generation: boolean;
  /** What of the metadata counts for the generation as well. */
  generationCounts: "annotations" | "labels" | undefined;
  /** A delete without a propagation policy leaves the dependents. */
  orphansByDefault: boolean;
}

const createOnUpdate = new Set([
  "/endpoints",
  "/events",
  "events.k8s.io/events",
  "/limitranges",
  "/services",
  "rbac.authorization.k8s.io/clusterroles",
  "rbac.authorization.k8s.io/clusterrolebindings",
  "rbac.authorization.k8s.io/roles",
  "rbac.authorization.k8s.io/rolebindings",
  "coordination.k8s.io/leases",
  "node.k8s.io/runtimeclasses",
]);

const needsResourceVersion = new Set([
  "policy/poddisruptionbudgets",
  "storage.k8s.io/csidrivers",
  "storage.k8s.io/csinodes",
  "storage.k8s.io/csistoragecapacities",
  "storage.k8s.io/volumeattachments",
  "coordination.k8s.io/leases",
  "node.k8s.io/runtimeclasses",
  "apiregistration.k8s.io/apiservices",
  "apiextensions.k8s.io/customresourcedefinitions",
]);

const returnsDeleted = new Set([
  "/pods",
  "/podtemplates",
  "/persistentvolumes",
  "/persistentvolumeclaims",
  "/resourcequotas",
  "/serviceaccounts",
  "/services",
  "storage.k8s.io/csidrivers",
  "storage.k8s.io/csinodes",
  "storage.k8s.io/storageclasses",
  "storage.k8s.io/volumeattachments",
  "storage.k8s.io/volumeattributesclasses",
  "resource.k8s.io/deviceclasses",
  "resource.k8s.io/resourceclaims",
  "resource.k8s.io/resourceclaimtemplates",
  "resource.k8s.io/resourceslices",
]);

const generation = new Set([
  "/pods",
  "/podtemplates",
  "/replicationcontrollers",
  "apps/deployments",
  "apps/replicasets",
  "apps/daemonsets",
  "apps/statefulsets",
  "batch/jobs",
  "batch/cronjobs",
  "networking.k8s.io/ingressclasses",
  "networking.k8s.io/ingresses",
  "networking.k8s.io/networkpolicies",
  "policy/poddisruptionbudgets",
  "scheduling.k8s.io/priorityclasses",
  "discovery.k8s.io/endpointslices",
  "apiextensions.k8s.io/customresourcedefinitions",
  "resource.k8s.io/deviceclasses",
  "resource.k8s.io/resourceslices",
]);
const generationCounts = new Map<string, ResourcePolicy["generationCounts"]>([
  ["apps/deployments", "annotations"],
  ["discovery.k8s.io/endpointslices", "labels"],
]);
/** Every kind of these groups counts generations. */
const generationGroups = new Set(["admissionregistration.k8s.io", "flowcontrol.apiserver.k8s.io"]);

/** The policy of a built-in resource. */
export function policyOf(info: ResourceInfo): ResourcePolicy {
  const id = `${info.group}/${info.plural}`;
  return {
    createOnUpdate: createOnUpdate.has(id),
    needsResourceVersion: needsResourceVersion.has(id) || info.group === "admissionregistration.k8s.io",
    returnsDeleted: returnsDeleted.has(id),
    generation: generation.has(id) || generationGroups.has(info.group),
    generationCounts: generationCounts.get(id),
    orphansByDefault: id === "/replicationcontrollers" || id === "batch/jobs",
  };
}

/** The policy of custom resources. */
export const customResourcePolicy: ResourcePolicy = {
  createOnUpdate: false,
  needsResourceVersion: true,
  returnsDeleted: false,
  generation: true,
  generationCounts: undefined,
  orphansByDefault: false,
};
