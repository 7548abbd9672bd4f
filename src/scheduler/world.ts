import { deepEqual } from "../api/meta/equality.ts";
import type { Node, Pod } from "../api/types/core.v1.ts";
import type { Lookups } from "./framework.ts";
import { addPod, type NodeInfo, nodeInfo, removePod, updateNode } from "./node-info.ts";
import { isSameToOthers, isTerminal, type PodInfo, podInfo } from "./pod-info.ts";
import { type Selection, SpreadCounts } from "./spread-counts.ts";
import type { LabelSelector } from "../api/types/meta.v1.ts";

const nobody: readonly PodInfo[] = [];

/**
 * The cluster as the scheduler sees it: nodes with their pods, kept current change by change and never rebuilt. One pod is scheduled in one
 * turn of the event loop, so that the living state is the snapshot. Pods that were given a node are assumed there until the API says so.
 */
export class World {
  readonly lookups: Lookups;
  /** Every node, in an order that changes only when nodes come and go. */
  readonly nodes: NodeInfo[] = [];
  /** On how many nodes each image is. */
  readonly imageNodes = new Map<string, number>();
  /** Pods on nodes that have any pod affinity or anti-affinity, and those with required anti-affinity: mostly few. */
  readonly podsWithAffinity = new Set<PodInfo>();
  readonly podsWithRequiredAntiAffinity = new Set<PodInfo>();
  private readonly byName = new Map<string, NodeInfo>();
  private readonly placed = new Map<string, PodInfo>();
  /** Pods whose node is not there, by its name. */
  private readonly strays = new Map<string, Map<string, PodInfo>>();
  private readonly spread = new SpreadCounts();
  private readonly byNamespace = new Map<string, Set<PodInfo>>();
  private readonly byClaim = new Map<string, Set<PodInfo>>();
  private readonly assumed = new Set<string>();
  private readonly nominated = new Map<string, Map<string, PodInfo>>();
  private readonly nominatedNode = new Map<string, string>();

  constructor(lookups: Lookups) {
    this.lookups = lookups;
  }

  /** The node of that name, if it is there. */
  node(name: string): NodeInfo | undefined {
    return this.byName.get(name);
  }

  /** The pods on nodes in that namespace. */
  podsIn(namespace: string): Iterable<PodInfo> {
    return this.byNamespace.get(namespace) ?? [];
  }

  /** The pods on nodes in that namespace that the selector selects, counted. */
  selection(namespace: string, selector: LabelSelector | undefined): Selection {
    return this.spread.of(namespace, selector, () => this.podsIn(namespace));
  }

  /** All pods on nodes. */
  allPods(): Iterable<PodInfo> {
    return this.placed.values();
  }

  /** The pods on nodes that mount that claim. */
  podsOfClaim(namespace: string, name: string): Iterable<PodInfo> {
    return this.byClaim.get(`${namespace}/${name}`) ?? [];
  }

  /** The labels of a namespace, for namespaceSelectors. */
  readonly namespaceLabels = (name: string): Readonly<Record<string, string>> | undefined => this.lookups.namespace(name)?.metadata.labels;

  /** A node that came or changed. */
  setNode(node: Node): void {
    const { name } = node.metadata;
    const known = this.byName.get(name);
    if (known) {
      const { labels } = known;
      this.countImages(known, -1);
      updateNode(known, node);
      this.countImages(known, 1);
      if (!deepEqual(labels, known.labels)) this.spread.nodesChanged();
      return;
    }
    const info = nodeInfo(node);
    this.byName.set(name, info);
    this.nodes.push(info);
    this.countImages(info, 1);
    for (const pod of this.strays.get(name)?.values() ?? []) addPod(info, pod);
    this.strays.delete(name);
    this.spread.nodeAdded(info);
  }

  /** A node that went. Its pods are remembered, in case it comes back. */
  removeNode(name: string): void {
    const info = this.byName.get(name);
    if (!info) return;
    this.countImages(info, -1);
    this.byName.delete(name);
    this.nodes.splice(this.nodes.indexOf(info), 1);
    if (info.pods.size > 0) this.strays.set(name, info.pods);
    this.spread.nodesChanged();
  }

  /** A pod with a node that came or changed; ended ones take no room any more. Says whether another pod may see a difference. */
  setPod(pod: Pod): boolean {
    const { uid } = pod.metadata;
    this.assumed.delete(uid);
    if (isTerminal(pod)) {
      this.removePod(uid);
      return true;
    }
    const known = this.placed.get(uid);
    const isSame = known !== undefined && known.nodeName === pod.spec.nodeName && isSameToOthers(known, pod);
    if (isSame) known.pod = pod;
    else this.replace(podInfo(pod));
    return !isSame;
  }

  /** From now on the pod counts as being on that node, until setPod, removePod or forget. */
  assume(pod: PodInfo, nodeName: string): void {
    this.assumed.add(pod.uid);
    this.replace({ ...pod, nodeName });
  }

  /** The pod could not be bound: takes back assume. Nothing happens when the API has confirmed the pod meanwhile. */
  forget(uid: string): void {
    if (this.assumed.has(uid)) this.removePod(uid);
  }

  /** Whether the pod is on a node, or assumed to be. */
  hasPod(uid: string): boolean {
    return this.placed.has(uid);
  }

  /** A pod that is gone. */
  removePod(uid: string): void {
    this.assumed.delete(uid);
    const known = this.placed.get(uid);
    if (!known) return;
    this.placed.delete(uid);
    const node = this.byName.get(known.nodeName);
    if (node) removePod(node, uid);
    else if (this.strays.get(known.nodeName)?.delete(uid) && this.strays.get(known.nodeName)?.size === 0)
      this.strays.delete(known.nodeName);
    removeFrom(this.byNamespace, known.namespace, known);
    for (const claim of known.claims) removeFrom(this.byClaim, `${known.namespace}/${claim}`, known);
    this.spread.count(known, node, -1);
    this.podsWithAffinity.delete(known);
    this.podsWithRequiredAntiAffinity.delete(known);
  }

  /** Keeps room on that node for a pod whose victims are still leaving. */
  nominate(pod: PodInfo, nodeName: string): void {
    this.unnominate(pod.uid);
    this.nominatedNode.set(pod.uid, nodeName);
    const there = this.nominated.get(nodeName) ?? new Map<string, PodInfo>();
    this.nominated.set(nodeName, there.set(pod.uid, pod));
  }

  /** Gives up the room kept for a pod. */
  unnominate(uid: string): void {
    const nodeName = this.nominatedNode.get(uid);
    if (nodeName === undefined) return;
    this.nominatedNode.delete(uid);
    this.nominated.get(nodeName)?.delete(uid);
  }

  /** The node on which room is kept for that pod. */
  nominatedNodeOf(uid: string): string | undefined {
    return this.nominatedNode.get(uid);
  }

  /** The pods for which room is kept on that node. */
  nominatedPods(nodeName: string): Iterable<PodInfo> {
    return this.nominated.get(nodeName)?.values() ?? nobody;
  }

  private replace(pod: PodInfo): void {
    const old = this.placed.get(pod.uid);
    if (old?.pod === pod.pod && old.nodeName === pod.nodeName) return;
    const stillAssumed = this.assumed.has(pod.uid);
    if (old) this.removePod(pod.uid);
    if (stillAssumed) this.assumed.add(pod.uid);
    this.placed.set(pod.uid, pod);
    const node = this.byName.get(pod.nodeName);
    if (node) addPod(node, pod);
    else this.strays.set(pod.nodeName, (this.strays.get(pod.nodeName) ?? new Map()).set(pod.uid, pod));
    this.spread.count(pod, node, 1);
    addTo(this.byNamespace, pod.namespace, pod);
    for (const claim of pod.claims) addTo(this.byClaim, `${pod.namespace}/${claim}`, pod);
    const anti = pod.requiredAntiAffinity.length;
    if (anti) this.podsWithRequiredAntiAffinity.add(pod);
    if (anti || pod.requiredAffinity.length || pod.preferredAffinity.length || pod.preferredAntiAffinity.length)
      this.podsWithAffinity.add(pod);
  }

  private countImages(info: NodeInfo, by: number): void {
    for (const name of info.images.keys()) this.imageNodes.set(name, (this.imageNodes.get(name) ?? 0) + by);
  }
}

function addTo(index: Map<string, Set<PodInfo>>, key: string, pod: PodInfo): void {
  const there = index.get(key);
  if (there) there.add(pod);
  else index.set(key, new Set([pod]));
}

function removeFrom(index: Map<string, Set<PodInfo>>, key: string, pod: PodInfo): void {
  const there = index.get(key);
  if (there?.delete(pod) && there.size === 0) index.delete(key);
}
