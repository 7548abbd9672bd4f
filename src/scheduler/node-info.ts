import { value } from "../api/meta/quantity.ts";
import type { Node, Taint } from "../api/types/core.v1.ts";
import type { PodInfo } from "./pod-info.ts";
import { addResources, copyResources, noResources, parseResources, type Resources } from "./resources.ts";

/** A node and what is on it, kept current change by change. */
export interface NodeInfo {
  readonly name: string;
  node: Node;
  labels: Readonly<Record<string, string>>;
  taints: readonly Taint[];
  allocatable: Resources;
  /** How many pods the node may have. */
  maxPods: number;
  /** The pods there, assumed ones included, by uid. */
  readonly pods: Map<string, PodInfo>;
  /** The sum of the pods' requests. */
  readonly requested: Resources;
  /** The same, with a small amount for containers that ask for nothing. */
  readonly scoreRequested: Resources;
  /** Bytes of each image that the node has, by every name of it. */
  images: ReadonlyMap<string, number>;
}

/** A node without pods. */
export function nodeInfo(node: Node): NodeInfo {
  const { name } = node.metadata;
  return { name, pods: new Map(), requested: noResources(), scoreRequested: noResources(), ...factsOf(node) };
}

/** Takes over a newer state of the node; its pods stay. */
export function updateNode(info: NodeInfo, node: Node): void {
  Object.assign(info, factsOf(node));
}

function factsOf(node: Node): Pick<NodeInfo, "node" | "labels" | "taints" | "allocatable" | "maxPods" | "images"> {
  const allocatable = node.status?.allocatable;
  return {
    node,
    labels: node.metadata.labels ?? {},
    taints: node.spec?.taints ?? [],
    allocatable: parseResources(allocatable),
    maxPods: value(allocatable?.["pods"] ?? 0),
    images: new Map((node.status?.images ?? []).flatMap((image) => (image.names ?? []).map((name) => [name, image.sizeBytes ?? 0]))),
  };
}

/** Puts a pod there; a second time changes nothing. */
export function addPod(info: NodeInfo, pod: PodInfo): void {
  if (info.pods.has(pod.uid)) return;
  info.pods.set(pod.uid, pod);
  addResources(info.requested, pod.requests);
  addResources(info.scoreRequested, pod.scoreRequests);
}

/** Takes a pod away; nothing happens when it is not there. */
export function removePod(info: NodeInfo, uid: string): void {
  const pod = info.pods.get(uid);
  if (!pod) return;
  info.pods.delete(uid);
  addResources(info.requested, pod.requests, -1);
  addResources(info.scoreRequested, pod.scoreRequests, -1);
}

/** A copy whose pods can be changed: for "what if" questions. */
export function copyNode(info: NodeInfo): NodeInfo {
  return {
    ...info,
    pods: new Map(info.pods),
    requested: copyResources(info.requested),
    scoreRequested: copyResources(info.scoreRequested),
  };
}
