import { type Selector, selectorOfLabelSelector } from "../api/meta/labels.ts";
import type { LabelSelector } from "../api/types/meta.v1.ts";
import type { NodeInfo } from "./node-info.ts";
import type { PodInfo } from "./pod-info.ts";

/** How many selections are kept current; of more the one not asked for longest is forgotten. */
const remembered = 1024;

/** A number of pods for each domain (value of a topology key) that exists, and the least of them. */
export class Domains {
  private readonly counts = new Map<string, number>();
  /** How many domains have so many pods. */
  private readonly sizes = new Map<number, number>();
  private least = 0;

  /** From now on the domain exists. */
  exists(value: string): void {
    if (this.counts.has(value)) return;
    this.counts.set(value, 0);
    this.resize(0, 1);
    this.least = 0;
  }

  /** Only domains that exist are counted. */
  add(value: string, by: number): void {
    const count = this.counts.get(value);
    if (count === undefined || by === 0) return;
    this.counts.set(value, count + by);
    this.resize(count, -1);
    this.resize(count + by, 1);
    if (count + by < this.least) this.least = count + by;
  }

  get(value: string): number {
    return this.counts.get(value) ?? 0;
  }

  /** The least number of pods in a domain; 0 when there are fewer domains than there should be. */
  min(minDomains: number): number {
    if (this.counts.size === 0 || this.counts.size < minDomains) return 0;
    while (!this.sizes.get(this.least)) this.least++;
    return this.least;
  }

  /** A copy that can be changed. */
  copy(): Domains {
    const copy = new Domains();
    for (const [value, count] of this.counts) {
      copy.exists(value);
      copy.add(value, count);
    }
    return copy;
  }

  private resize(size: number, by: number): void {
    const domains = (this.sizes.get(size) ?? 0) + by;
    if (domains === 0) this.sizes.delete(size);
    else this.sizes.set(size, domains);
  }
}

/** The domains of some topology keys; `all`: a node counts only when it has all of them. */
interface Topology {
  keys: readonly string[];
  all: boolean;
  domains: readonly Domains[];
}

/** The pods of a namespace that a selector selects, those that are leaving left out: how many there are on each node and in each domain. */
export class Selection {
  /** By the node's name. */
  readonly onNode = new Map<string, number>();
  readonly namespace: string;
  private readonly selector: Selector;
  private readonly topologies = new Map<string, Topology>();

  constructor(namespace: string, selector: Selector) {
    this.namespace = namespace;
    this.selector = selector;
  }

  /** One Domains a key, of those nodes, kept current: not to be changed. */
  domains(keys: readonly string[], all: boolean, nodes: readonly NodeInfo[]): readonly Domains[] {
    const id = `${all} ${keys.join(" ")}`;
    let topology = this.topologies.get(id);
    if (!topology) {
      this.topologies.set(id, (topology = { keys, all, domains: keys.map(() => new Domains()) }));
      for (const node of nodes) this.enter(topology, node);
    }
    return topology.domains;
  }

  /** Whether that pod is one of them. */
  counts(pod: PodInfo): boolean {
    return pod.namespace === this.namespace && !pod.pod.metadata.deletionTimestamp && this.selector.matches(pod.labels);
  }

  count(pod: PodInfo, node: NodeInfo | undefined, by: number): void {
    if (!this.counts(pod)) return;
    const count = (this.onNode.get(pod.nodeName) ?? 0) + by;
    if (count === 0) this.onNode.delete(pod.nodeName);
    else this.onNode.set(pod.nodeName, count);
    if (node) for (const topology of this.topologies.values()) addTo(topology, node, by);
  }

  nodeAdded(node: NodeInfo): void {
    for (const topology of this.topologies.values()) this.enter(topology, node);
  }

  nodesChanged(): void {
    this.topologies.clear();
  }

  private enter(topology: Topology, node: NodeInfo): void {
    if (!hasKeys(topology, node)) return;
    topology.keys.forEach((key, i) => {
      const value = node.labels[key];
      if (value !== undefined) topology.domains[i]?.exists(value);
    });
    addTo(topology, node, this.onNode.get(node.name) ?? 0);
  }
}

function hasKeys({ keys, all }: Topology, { labels }: NodeInfo): boolean {
  return !all || keys.every((key) => labels[key] !== undefined);
}

function addTo(topology: Topology, node: NodeInfo, by: number): void {
  if (!hasKeys(topology, node)) return;
  topology.keys.forEach((key, i) => {
    const value = node.labels[key];
    if (value !== undefined) topology.domains[i]?.add(value, by);
  });
}

/** The selections that spreading asks about, kept current pod by pod: scheduling a pod costs the same however many there are already. */
export class SpreadCounts {
  private readonly selections = new Map<string, Selection>();
  private readonly byNamespace = new Map<string, Set<Selection>>();

  /** The pods of `placed()` (all of the namespace) that the selector selects; counted only when it is asked for the first time. */
  of(namespace: string, labelSelector: LabelSelector | undefined, placed: () => Iterable<PodInfo>): Selection {
    const id = `${namespace} ${JSON.stringify(labelSelector)}`;
    let selection = this.selections.get(id);
    if (selection) this.selections.delete(id);
    else {
      selection = new Selection(namespace, selectorOfLabelSelector(labelSelector));
      for (const pod of placed()) selection.count(pod, undefined, 1);
      const there = this.byNamespace.get(namespace) ?? new Set();
      this.byNamespace.set(namespace, there.add(selection));
    }
    this.selections.set(id, selection);
    if (this.selections.size > remembered) this.forgetOldest();
    return selection;
  }

  /** A pod came to (1) or left (-1) that node, if it is there. */
  count(pod: PodInfo, node: NodeInfo | undefined, by: 1 | -1): void {
    for (const selection of this.byNamespace.get(pod.namespace) ?? []) selection.count(pod, node, by);
  }

  nodeAdded(node: NodeInfo): void {
    for (const selection of this.selections.values()) selection.nodeAdded(node);
  }

  /** A node went, or its labels are others now. */
  nodesChanged(): void {
    for (const selection of this.selections.values()) selection.nodesChanged();
  }

  private forgetOldest(): void {
    for (const [id, selection] of this.selections) {
      this.selections.delete(id);
      const there = this.byNamespace.get(selection.namespace);
      if (there?.delete(selection) && there.size === 0) this.byNamespace.delete(selection.namespace);
      return;
    }
  }
}
