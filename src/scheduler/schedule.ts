import { isRejection, type NodeFilter, type NodeScore, type Plugin, type Rejection } from "./framework.ts";
import { addPod, copyNode, type NodeInfo } from "./node-info.ts";
import type { PodInfo } from "./pod-info.ts";
import type { World } from "./world.ts";

/** The filters of one pod, in order, each with its plugin's name. */
export interface ActiveFilter {
  plugin: string;
  filter: NodeFilter;
}

/** No node takes the pod. */
export interface Failure {
  /** Which plugins have rejected a node: their events wake the pod. */
  plugins: ReadonlySet<string>;
  /** Why each node was rejected. */
  rejections: ReadonlyMap<NodeInfo, Rejection>;
  /** Set when a plugin refused all nodes at once; no preemption helps then. */
  refusal: Rejection | undefined;
  filters: readonly ActiveFilter[];
}

/** Where a pod goes, or why it cannot go anywhere. */
export type Outcome = { node: NodeInfo; failure?: undefined } | { node?: undefined; failure: Failure };

/** What scheduling needs beside the pod. */
export interface Framework {
  plugins: readonly Plugin[];
  world: World;
  /** 0 <= n < 1: chooses among the best nodes. */
  random: () => number;
  /** Where the search for feasible nodes begins, so that with many nodes all get their turn; moved on by each search. */
  offset: number;
}

/** With many nodes it is enough to look at some: the more nodes there are, the smaller the share that has to be feasible. */
export function enoughNodes(total: number): number {
  if (total < 100) return total;
  const percentage = Math.max(5, 50 - Math.floor(total / 125));
  return Math.max(100, Math.floor((total * percentage) / 100));
}

/** Chooses the best node for a pod: feasible, rank, select. Changes nothing but the framework's offset. */
export function schedule(pod: PodInfo, framework: Framework): Outcome {
  const { world } = framework;
  const prepared = prepareFilters(pod, framework);
  if ("refusal" in prepared) return { failure: prepared };
  const rejections = new Map<NodeInfo, Rejection>();
  const plugins = new Set<string>();
  const test = (node: NodeInfo): boolean => {
    const rejected = rejectionOf(pod, node, prepared, world);
    if (!rejected) return true;
    rejections.set(node, rejected.rejection);
    plugins.add(rejected.plugin);
    return false;
  };
  const feasible = findFeasible(pod, prepared, framework, test);
  if (feasible.length === 0) return { failure: { plugins, rejections, refusal: undefined, filters: prepared } };
  return { node: select(feasible, rank(pod, feasible, framework), framework.random) };
}

function prepareFilters(pod: PodInfo, { plugins, world }: Framework): ActiveFilter[] | Failure {
  const filters: ActiveFilter[] = [];
  for (const plugin of plugins) {
    const filter = plugin.filter?.(pod, world);
    if (!filter) continue;
    if (isRejection(filter)) return { plugins: new Set([plugin.name]), rejections: new Map(), refusal: filter, filters };
    filters.push({ plugin: plugin.name, filter });
  }
  return filters;
}

const unnamed: Rejection = { reasons: ["node(s) didn't satisfy plugin(s) [NodeAffinity]"], resolvable: false };

function findFeasible(pod: PodInfo, filters: readonly ActiveFilter[], framework: Framework, test: (node: NodeInfo) => boolean): NodeInfo[] {
  const { world } = framework;
  const nominated = world.node(world.nominatedNodeOf(pod.uid) ?? "");
  if (nominated && test(nominated)) return [nominated];
  const only = filters.find((f) => f.filter.only)?.filter.only;
  if (only) return [...only].flatMap((name) => world.node(name) ?? []).filter(test);
  const { nodes } = world;
  const enough = enoughNodes(nodes.length);
  const feasible: NodeInfo[] = [];
  let looked = 0;
  for (; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[(framework.offset + looked) % nodes.length];
    if (node && test(node)) feasible.push(node);
  }
  if (nodes.length > 0) framework.offset = (framework.offset + looked) % nodes.length;
  return feasible;
}

/** Why the node does not take the pod, counting the pods of the same or higher priority for which room is kept there. */
export function rejectionOf(
  pod: PodInfo,
  node: NodeInfo,
  filters: readonly ActiveFilter[],
  world: World,
): { plugin: string; rejection: Rejection } | undefined {
  let guests: PodInfo[] | undefined;
  for (const other of world.nominatedPods(node.name))
    if (other.uid !== pod.uid && other.priority >= pod.priority) (guests ??= []).push(other);
  if (guests) {
    const crowded = copyNode(node);
    for (const guest of guests) place(guest, crowded, filters);
    const rejected = firstRejection(crowded, filters);
    for (const guest of guests) for (const { filter } of filters) filter.remove?.(guest, crowded);
    if (rejected) return rejected;
  }
  return firstRejection(node, filters);
}

/** The first filter that says no to the node, as it is. */
export function firstRejection(node: NodeInfo, filters: readonly ActiveFilter[]): { plugin: string; rejection: Rejection } | undefined {
  for (const { plugin, filter } of filters) {
    const rejection = filter.check(node);
    if (rejection) return { plugin, rejection };
  }
  return undefined;
}

/** Puts a pod, on trial, onto a copied node and tells the filters. */
export function place(pod: PodInfo, node: NodeInfo, filters: readonly ActiveFilter[]): void {
  addPod(node, pod);
  for (const { filter } of filters) filter.add?.(pod, node);
}

/** The sum of the plugins' weighted scores of each node. */
function rank(pod: PodInfo, feasible: readonly NodeInfo[], { plugins, world }: Framework): number[] {
  const totals = new Array<number>(feasible.length).fill(0);
  if (feasible.length < 2) return totals;
  for (const plugin of plugins) {
    const scoring: NodeScore | undefined = plugin.score?.(pod, world, feasible);
    if (!scoring) continue;
    const scores = feasible.map((node) => scoring.score(node));
    scoring.normalize?.(scores, feasible);
    const weight = plugin.weight ?? 1;
    for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] ?? 0) + weight * (scores[i] ?? 0);
  }
  return totals;
}

/** One of the nodes with the highest score. */
function select(feasible: readonly NodeInfo[], scores: readonly number[], random: () => number): NodeInfo {
  let best = Number.NEGATIVE_INFINITY;
  let among: NodeInfo[] = [];
  feasible.forEach((node, i) => {
    const score = scores[i] ?? 0;
    if (score > best) {
      best = score;
      among = [node];
    } else if (score === best) among.push(node);
  });
  const chosen = among[Math.floor(random() * among.length)] ?? feasible[0];
  if (!chosen) throw new RangeError("no feasible node to choose from");
  return chosen;
}

/** The rejection of each node, also of those that were not looked at because the pod asks for others by name. */
export function rejectionFor(failure: Failure, node: NodeInfo): Rejection {
  return failure.rejections.get(node) ?? failure.refusal ?? unnamed;
}
