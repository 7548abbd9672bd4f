import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  type Quantity,
  quantityOf,
  subtractQuantities,
  zeroQuantity,
} from "../meta/quantity.ts";
import type { KubeObject } from "../meta/object.ts";
import type { Container, PersistentVolumeClaim, Pod, ResourceQuota, ScopedResourceSelectorRequirement, Service } from "../types/core.v1.ts";

/** Amounts by quota key ("pods", "requests.cpu", "count/deployments.apps"). */
export type Usage = Readonly<Record<string, Quantity>>;

/** What identifies a resource for quotas. */
export interface CountedResource {
  group: string;
  plural: string;
}

/** The quota key that counts objects of a resource. */
export function countKey({ group, plural }: CountedResource): string {
  return `count/${group ? `${plural}.${group}` : plural}`;
}

const plainlyCounted = new Set(["services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims"]);
const one = quantityOf(1);

/**
 * What an object costs its namespace's quotas. Pods that have ended cost nothing but their count/pods. `now` in milliseconds: a pod
 * that should have gone by then costs nothing either.
 */
export function quotaUsage(resource: CountedResource, object: KubeObject, now: number): Usage {
  const count: Record<string, Quantity> = { [countKey(resource)]: one };
  if (resource.group !== "") return count;
  switch (resource.plural) {
    case "pods":
      return isCountedPod(object as Pod, now) ? { ...count, ...podUsage(object as Pod) } : count; // The resource says which kind it is.
    case "services":
      return { ...count, ...serviceUsage(object as Service) }; // As above.
    case "persistentvolumeclaims":
      return { ...count, ...claimUsage(object as PersistentVolumeClaim) }; // As above.
    default:
      return plainlyCounted.has(resource.plural) ? { ...count, [resource.plural]: one } : count;
  }
}

function isCountedPod({ status, metadata }: Pod, now: number): boolean {
  if (status?.phase === "Failed" || status?.phase === "Succeeded") return false;
  if (!metadata.deletionTimestamp || metadata.deletionGracePeriodSeconds === undefined) return true;
  // The timestamp has the grace period in it already; the node may be gone and never confirm the end.
  return Date.parse(metadata.deletionTimestamp) + metadata.deletionGracePeriodSeconds * 1000 > now;
}

const bareResources = new Set(["cpu", "memory", "ephemeral-storage"]);

function podUsage(pod: Pod): Usage {
  const usage: Record<string, Quantity> = { pods: one };
  for (const [name, amount] of Object.entries(podTotal(pod, "requests"))) {
    if (bareResources.has(name) || name.startsWith("hugepages-")) usage[name] = amount;
    usage[`requests.${name}`] = amount;
  }
  // Extended resources have quotas for requests only.
  for (const [name, amount] of Object.entries(podTotal(pod, "limits"))) if (bareResources.has(name)) usage[`limits.${name}`] = amount;
  return usage;
}

/** The sum of containers and sidecars, or the most that one init container needs beside the sidecars before it; plus the overhead. */
export function podTotal({ spec }: Pod, field: "requests" | "limits"): Usage {
  const running: Record<string, Quantity> = {};
  const peak: Record<string, Quantity> = {};
  const add = (to: Record<string, Quantity>, amounts: Usage): void => {
    for (const [name, amount] of Object.entries(amounts)) to[name] = addQuantities(to[name] ?? zeroQuantity, amount);
  };
  for (const container of spec.initContainers ?? []) {
    const amounts = amountsOf(container.resources?.[field]);
    const needed = { ...running };
    add(needed, amounts);
    for (const [name, amount] of Object.entries(needed)) if (!peak[name] || compareQuantities(amount, peak[name]) > 0) peak[name] = amount;
    if (container.restartPolicy === "Always") add(running, amounts);
  }
  for (const container of spec.containers) add(running, amountsOf(container.resources?.[field]));
  for (const [name, amount] of Object.entries(peak))
    if (!running[name] || compareQuantities(amount, running[name]) > 0) running[name] = amount;
  Object.assign(running, amountsOf(spec.resources?.[field]));
  for (const [name, amount] of Object.entries(amountsOf(spec.overhead)))
    if (field === "requests" || running[name]) running[name] = addQuantities(running[name] ?? zeroQuantity, amount);
  return running;
}

function amountsOf(list: Readonly<Record<string, string>> | undefined): Usage {
  return Object.fromEntries(Object.entries(list ?? {}).map(([name, text]) => [name, parseQuantity(text)]));
}

function serviceUsage({ spec }: Service): Usage {
  const ports = quantityOf(spec?.ports?.length ?? 0);
  switch (spec?.type) {
    case "NodePort":
      return { services: one, "services.nodeports": ports };
    case "LoadBalancer":
      return {
        services: one,
        "services.loadbalancers": one,
        ...(spec.allocateLoadBalancerNodePorts === false ? {} : { "services.nodeports": ports }),
      };
    default:
      return { services: one };
  }
}

function claimUsage({ spec, metadata, status }: PersistentVolumeClaim): Usage {
  const usage: Record<string, Quantity> = { persistentvolumeclaims: one };
  const storageClass = metadata.annotations?.["volume.beta.kubernetes.io/storage-class"] ?? spec.storageClassName;
  const keys = storageClass ? ["", `${storageClass}.storageclass.storage.k8s.io/`] : [""];
  const asked = parseQuantity(spec.resources?.requests?.["storage"] ?? "0");
  const allocated = parseQuantity(status?.allocatedResources?.["storage"] ?? "0");
  for (const key of keys) {
    usage[`${key}persistentvolumeclaims`] = one;
    usage[`${key}requests.storage`] = compareQuantities(allocated, asked) > 0 ? allocated : asked;
  }
  return usage;
}

/** Whether the quota's scopes take the object in. Scopes speak of pods (and VolumeAttributesClass of claims): other kinds need a quota without any. */
export function quotaCovers({ spec }: ResourceQuota, resource: CountedResource, object: KubeObject): boolean {
  const requirements: ScopedResourceSelectorRequirement[] = [
    ...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: "Exists" }) as ScopedResourceSelectorRequirement),
    ...(spec?.scopeSelector?.matchExpressions ?? []),
  ];
  if (requirements.length === 0) return true;
  if (resource.group !== "") return false;
  if (resource.plural === "pods") return requirements.every((requirement) => podInScope(requirement, object as Pod)); // As the resource says.
  if (resource.plural !== "persistentvolumeclaims") return false;
  const claim = object as PersistentVolumeClaim; // As above.
  return requirements.every((r) => r.scopeName === "VolumeAttributesClass" && matchesName(r, claim.spec.volumeAttributesClassName));
}

function podInScope(requirement: ScopedResourceSelectorRequirement, { spec }: Pod): boolean {
  switch (requirement.scopeName) {
    case "Terminating":
      return spec.activeDeadlineSeconds !== undefined;
    case "NotTerminating":
      return spec.activeDeadlineSeconds === undefined;
    case "BestEffort":
      return isBestEffort(spec.containers, spec.initContainers);
    case "NotBestEffort":
      return !isBestEffort(spec.containers, spec.initContainers);
    case "PriorityClass":
      return matchesName(requirement, spec.priorityClassName);
    case "CrossNamespacePodAffinity":
      return usesOtherNamespaces(spec);
    default:
      return false;
  }
}

function isBestEffort(containers: readonly Container[], initContainers: readonly Container[] = []): boolean {
  return [...containers, ...initContainers].every(
    ({ resources }) => !["cpu", "memory"].some((name) => (resources?.requests?.[name] ?? resources?.limits?.[name] ?? "0") !== "0"),
  );
}

function matchesName({ operator, values }: ScopedResourceSelectorRequirement, name: string | undefined): boolean {
  switch (operator) {
    case "In":
      return name !== undefined && (values ?? []).includes(name);
    case "NotIn":
      return name === undefined || !(values ?? []).includes(name);
    case "Exists":
      return Boolean(name);
    default:
      return !name;
  }
}

function usesOtherNamespaces({ affinity }: Pod["spec"]): boolean {
  const terms = [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap((one) => [
    ...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(one?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm),
  ]);
  return terms.some((term) => (term?.namespaces?.length ?? 0) > 0 || term?.namespaceSelector !== undefined);
}

/**
 * What a quota on compute resources wants every container to say and these do not: `limits.cpu for: a; requests.memory for: a,b`.
 * Empty when nothing is missing.
 */
export function missingResources({ spec }: Pod, keys: readonly string[]): string {
  if (spec.resources) return "";
  const required = keys.filter((key) => /^(requests\.|limits\.)?(cpu|memory)$/.test(key)).sort();
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const missing = required.flatMap((key) => {
    const field = key.startsWith("limits.") ? "limits" : "requests";
    const name = key.slice(key.indexOf(".") + 1);
    const names = containers.filter(({ resources }) => resources?.[field]?.[name] === undefined).map((container) => container.name);
    return names.length > 0 ? [`${key} for: ${names.sort().join(",")}`] : [];
  });
  return missing.join("; ");
}

/** The sum of usages. */
export function addUsage(a: Usage, b: Usage): Usage {
  const sum: Record<string, Quantity> = { ...a };
  for (const [name, amount] of Object.entries(b)) sum[name] = addQuantities(sum[name] ?? zeroQuantity, amount);
  return sum;
}

/** What of `a` goes beyond `b`; keys of which nothing does are left out. */
export function exceedingUsage(a: Usage, b: Usage): Usage {
  const rest: Record<string, Quantity> = {};
  for (const [name, amount] of Object.entries(a)) {
    const more = subtractQuantities(amount, b[name] ?? zeroQuantity);
    if (more.nano > 0n) rest[name] = more;
  }
  return rest;
}
