import { type Plugin, type NodeFilter, unresolvable, unschedulable } from "../framework.ts";
import { extremes } from "../normalize.ts";
import type { NodeInfo } from "../node-info.ts";
import type { AffinityTerm, PodInfo } from "../pod-info.ts";
import type { World } from "../world.ts";

const affinityRejected = unresolvable("node(s) didn't match pod affinity rules");
const antiAffinityRejected = unschedulable("node(s) didn't match pod anti-affinity rules");
const existingRejected = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");
/** How much a required affinity of a pod that is there counts when the incoming pod would please it. */
const hardAffinityWeight = 1;

/** How many matching pods there are in each domain ("topologyKey\0value"). */
class DomainCounts {
  private readonly counts = new Map<string, number>();

  get size(): number {
    return this.counts.size;
  }

  add(node: NodeInfo | undefined, topologyKey: string, by: number): void {
    const value = node?.labels[topologyKey];
    if (value === undefined) return;
    const key = `${topologyKey}\0${value}`;
    const count = (this.counts.get(key) ?? 0) + by;
    if (count === 0) this.counts.delete(key);
    else this.counts.set(key, count);
  }

  get(node: NodeInfo, topologyKey: string): number {
    const value = node.labels[topologyKey];
    return value === undefined ? 0 : (this.counts.get(`${topologyKey}\0${value}`) ?? 0);
  }

  /** The sum over all topology keys of the domains that the node is in. */
  sum(node: NodeInfo, topologyKeys: Iterable<string>): number {
    let sum = 0;
    for (const key of topologyKeys) sum += this.get(node, key);
    return sum;
  }
}

/** The pods that the terms can speak of: those of their namespaces, or all where a namespaceSelector decides. */
function* candidates(terms: readonly AffinityTerm[], world: World): Iterable<PodInfo> {
  if (terms.some((t) => !t.namespaces)) return yield* world.allPods();
  const namespaces = new Set(terms.flatMap((t) => [...(t.namespaces ?? [])]));
  for (const namespace of namespaces) yield* world.podsIn(namespace);
}

/** The counts for one incoming pod, kept true by add and remove. */
class AffinityFilter implements NodeFilter {
  private readonly existing = new DomainCounts();
  private readonly affinity = new DomainCounts();
  private readonly antiAffinity = new DomainCounts();
  private readonly pod: PodInfo;
  private readonly world: World;

  constructor(pod: PodInfo, world: World) {
    this.pod = pod;
    this.world = world;
    for (const other of world.podsWithRequiredAntiAffinity) this.countExisting(other, world.node(other.nodeName), 1);
    const own = [...pod.requiredAffinity, ...pod.requiredAntiAffinity];
    if (own.length > 0) for (const other of candidates(own, world)) this.countOwn(other, world.node(other.nodeName), 1);
  }

  add(other: PodInfo, node: NodeInfo): void {
    this.countExisting(other, node, 1);
    this.countOwn(other, node, 1);
  }

  remove(other: PodInfo, node: NodeInfo): void {
    this.countExisting(other, node, -1);
    this.countOwn(other, node, -1);
  }

  check(node: NodeInfo) {
    if (!this.affinityHolds(node)) return affinityRejected;
    for (const term of this.pod.requiredAntiAffinity) if (this.antiAffinity.get(node, term.topologyKey) > 0) return antiAffinityRejected;
    if (this.existing.size > 0) for (const key of Object.keys(node.labels)) if (this.existing.get(node, key) > 0) return existingRejected;
    return undefined;
  }

  private affinityHolds(node: NodeInfo): boolean {
    const { requiredAffinity } = this.pod;
    if (requiredAffinity.length === 0) return true;
    let all = true;
    for (const term of requiredAffinity) {
      if (node.labels[term.topologyKey] === undefined) return false;
      if (this.affinity.get(node, term.topologyKey) <= 0) all = false;
    }
    if (all) return true;
    // The first pod of a group that attracts itself may go anywhere.
    return this.affinity.size === 0 && requiredAffinity.every((t) => t.matches(this.pod, this.world.namespaceLabels));
  }

  private countExisting(other: PodInfo, node: NodeInfo | undefined, by: number): void {
    for (const term of other.requiredAntiAffinity)
      if (term.matches(this.pod, this.world.namespaceLabels)) this.existing.add(node, term.topologyKey, by);
  }

  private countOwn(other: PodInfo, node: NodeInfo | undefined, by: number): void {
    const { requiredAffinity, requiredAntiAffinity } = this.pod;
    // A pod counts for affinity only when it matches all terms.
    if (requiredAffinity.length > 0 && requiredAffinity.every((t) => t.matches(other, this.world.namespaceLabels)))
      for (const term of requiredAffinity) this.affinity.add(node, term.topologyKey, by);
    for (const term of requiredAntiAffinity)
      if (term.matches(other, this.world.namespaceLabels)) this.antiAffinity.add(node, term.topologyKey, by);
  }
}

/** Adds up the weights of preferred terms by domain, in both directions. */
function preferences(pod: PodInfo, world: World): { counts: DomainCounts; keys: Set<string> } {
  const counts = new DomainCounts();
  const keys = new Set<string>();
  const count = (term: AffinityTerm, weight: number, subject: PodInfo, at: PodInfo): void => {
    if (!term.matches(subject, world.namespaceLabels)) return;
    keys.add(term.topologyKey);
    counts.add(world.node(at.nodeName), term.topologyKey, weight);
  };
  const own = [...pod.preferredAffinity, ...pod.preferredAntiAffinity];
  if (own.length > 0)
    for (const other of candidates(
      own.map((t) => t.term),
      world,
    )) {
      for (const { term, weight } of pod.preferredAffinity) count(term, weight, other, other);
      for (const { term, weight } of pod.preferredAntiAffinity) count(term, -weight, other, other);
    }
  for (const other of world.podsWithAffinity) {
    for (const term of other.requiredAffinity) count(term, hardAffinityWeight, pod, other);
    for (const { term, weight } of other.preferredAffinity) count(term, weight, pod, other);
    for (const { term, weight } of other.preferredAntiAffinity) count(term, -weight, pod, other);
  }
  return { counts, keys };
}

/** InterPodAffinity: required and preferred pod affinity and anti-affinity, of the incoming pod and of the pods that are there. */
export const interPodAffinity: Plugin = {
  name: "InterPodAffinity",
  weight: 2,
  filter: (pod, world) => new AffinityFilter(pod, world),
  score(pod, world) {
    const { counts, keys } = preferences(pod, world);
    if (counts.size === 0) return undefined;
    return {
      score: (node) => counts.sum(node, keys),
      normalize(scores) {
        const [min, max] = extremes(scores);
        for (let i = 0; i < scores.length; i++) scores[i] = max > min ? Math.floor((100 * ((scores[i] ?? 0) - min)) / (max - min)) : 0;
      },
    };
  },
  wakes: (_pod, event) => event.type === "pod" || event.type === "node" || event.type === "namespace",
};
