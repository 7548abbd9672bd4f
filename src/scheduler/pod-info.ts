import { deepEqual } from "../api/meta/equality.ts";
import { type Selector, selectorOfLabelSelector } from "../api/meta/labels.ts";
import type { Affinity, Pod, PodAffinityTerm } from "../api/types/core.v1.ts";
import { podRequests, podRequestsForScore, type Resources } from "./resources.ts";

/** A host port that a pod takes. */
export interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

/** A pod (anti-)affinity term, compiled. */
export interface AffinityTerm {
  topologyKey: string;
  /** Whether that pod is one that the term speaks of. */
  matches(pod: PodInfo, namespaceLabels: (namespace: string) => Readonly<Record<string, string>> | undefined): boolean;
  /** The only namespaces that can match; undefined: a namespaceSelector decides. */
  namespaces: ReadonlySet<string> | undefined;
}

/** A preferred term and how much it counts. */
export interface WeightedAffinityTerm {
  weight: number;
  term: AffinityTerm;
}

/** A pod with everything the scheduler asks of it often, worked out once. */
export interface PodInfo {
  /** Its newest state as far as known: what scheduling looks at is in the other fields. */
  pod: Pod;
  readonly uid: string;
  readonly key: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly requests: Resources;
  readonly scoreRequests: Resources;
  readonly ports: readonly HostPort[];
  /** Names of the claims it mounts, those of generic ephemeral volumes included. */
  readonly claims: readonly string[];
  readonly requiredAffinity: readonly AffinityTerm[];
  readonly requiredAntiAffinity: readonly AffinityTerm[];
  readonly preferredAffinity: readonly WeightedAffinityTerm[];
  readonly preferredAntiAffinity: readonly WeightedAffinityTerm[];
  /** Where it is or is assumed to be; "" while it waits. */
  nodeName: string;
}

/** Works out what the scheduler needs to know of a pod. */
export function podInfo(pod: Pod): PodInfo {
  const { namespace, name, uid } = pod.metadata;
  const affinity: Affinity = pod.spec.affinity ?? {};
  const own = { namespace, labels: pod.metadata.labels ?? {} };
  return {
    pod,
    uid,
    key: `${namespace}/${name}`,
    namespace,
    labels: own.labels,
    priority: pod.spec.priority ?? 0,
    requests: podRequests(pod),
    scoreRequests: podRequestsForScore(pod),
    ports: hostPorts(pod),
    claims: claimNames(pod),
    requiredAffinity: (affinity.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((t) => compileTerm(t, own)),
    requiredAntiAffinity: (affinity.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((t) => compileTerm(t, own)),
    preferredAffinity: (affinity.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((t) => ({
      weight: t.weight,
      term: compileTerm(t.podAffinityTerm, own),
    })),
    preferredAntiAffinity: (affinity.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((t) => ({
      weight: t.weight,
      term: compileTerm(t.podAffinityTerm, own),
    })),
    nodeName: pod.spec.nodeName ?? "",
  };
}

/** Whether a newer state of a pod, on the same node, takes as much as before and is to other pods what it was: mostly only its status is new. */
export function isSameToOthers({ pod: old, requests }: PodInfo, pod: Pod): boolean {
  return (
    old.metadata.deletionTimestamp === pod.metadata.deletionTimestamp &&
    deepEqual(old.metadata.labels, pod.metadata.labels) &&
    deepEqual({ ...old.spec, nodeName: pod.spec.nodeName }, pod.spec) &&
    deepEqual(requests, podRequests(pod))
  );
}

/** Whether all containers of the pod have ended for good: it takes nothing from its node any more. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

function hostPorts(pod: Pod): HostPort[] {
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always");
  return [...pod.spec.containers, ...sidecars].flatMap((container) =>
    (container.ports ?? [])
      .filter((p) => (p.hostPort ?? 0) > 0)
      .map((p) => ({ ip: p.hostIP || "0.0.0.0", protocol: p.protocol ?? "TCP", port: p.hostPort ?? 0 })),
  );
}

function claimNames(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap((v) =>
    v.persistentVolumeClaim ? [v.persistentVolumeClaim.claimName] : v.ephemeral ? [`${pod.metadata.name}-${v.name}`] : [],
  );
}

function compileTerm(term: PodAffinityTerm, own: { namespace: string; labels: Readonly<Record<string, string>> }): AffinityTerm {
  const selector = selectorOfLabelSelector(withLabelKeys(term, own.labels));
  const listed = new Set(term.namespaces ?? []);
  const bySelector: Selector | undefined = term.namespaceSelector && selectorOfLabelSelector(term.namespaceSelector);
  if (!bySelector && listed.size === 0) listed.add(own.namespace);
  return {
    topologyKey: term.topologyKey,
    namespaces: bySelector ? undefined : listed,
    matches(pod, namespaceLabels) {
      if (!listed.has(pod.namespace) && !bySelector?.matches(namespaceLabels(pod.namespace))) return false;
      return selector.matches(pod.labels);
    },
  };
}

/** matchLabelKeys and mismatchLabelKeys as requirements. The API server merges them at creation; doing it twice does no harm. */
function withLabelKeys(term: PodAffinityTerm, labels: Readonly<Record<string, string>>): PodAffinityTerm["labelSelector"] {
  if (!term.labelSelector || (!term.matchLabelKeys?.length && !term.mismatchLabelKeys?.length)) return term.labelSelector;
  const requirement = (operator: string) => (key: string) => {
    const value = labels[key];
    return value === undefined ? [] : [{ key, operator, values: [value] }];
  };
  const added = [
    ...(term.matchLabelKeys ?? []).flatMap(requirement("In")),
    ...(term.mismatchLabelKeys ?? []).flatMap(requirement("NotIn")),
  ];
  return { ...term.labelSelector, matchExpressions: [...(term.labelSelector.matchExpressions ?? []), ...added] };
}
