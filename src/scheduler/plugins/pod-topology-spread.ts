import { matchesLabelSelector } from "../../api/meta/labels.ts";
import type { TopologySpreadConstraint } from "../../api/types/core.v1.ts";
import type { LabelSelector } from "../../api/types/meta.v1.ts";
import { type NodeFilter, type Plugin, unresolvable, unschedulable } from "../framework.ts";
import type { NodeInfo } from "../node-info.ts";
import type { SelectableNode } from "../../api/core/node-selector.ts";
import { extremes } from "../normalize.ts";
import type { PodInfo } from "../pod-info.ts";
import { Domains, type Selection } from "../spread-counts.ts";
import type { World } from "../world.ts";
import { requiredNodeMatcher } from "./node-affinity.ts";
import { untolerated } from "../../api/core/tolerations.ts";

const skewRejected = unschedulable("node(s) didn't match pod topology spread constraints");
const labelRejected = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");
const hostname = "kubernetes.io/hostname";
const zone = "topology.kubernetes.io/zone";

/** One constraint, compiled for one pod. */
interface Spread {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  labelSelector: LabelSelector | undefined;
  /** 1 when the pod itself is among those counted. */
  self: 0 | 1;
  /** Whether the node's pods count and its domain exists, by the constraint's nodeAffinityPolicy and nodeTaintsPolicy; undefined: always. */
  includes: ((node: NodeInfo) => boolean) | undefined;
}

function compile(constraint: TopologySpreadConstraint, pod: PodInfo): Spread {
  const labelSelector = withLabelKeys(constraint, pod.labels);
  const affinity: ((node: SelectableNode) => boolean) | undefined =
    constraint.nodeAffinityPolicy === "Ignore" ? undefined : requiredNodeMatcher(pod.pod);
  const tolerations = pod.pod.spec.tolerations ?? [];
  const honorsTaints = constraint.nodeTaintsPolicy === "Honor";
  return {
    topologyKey: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    minDomains: constraint.minDomains ?? 1,
    labelSelector,
    self: matchesLabelSelector(labelSelector, pod.labels) ? 1 : 0,
    includes:
      affinity || honorsTaints
        ? (node) => (!affinity || affinity(node)) && !(honorsTaints && untolerated(node.taints, tolerations, ["NoSchedule", "NoExecute"]))
        : undefined,
  };
}

function withLabelKeys(constraint: TopologySpreadConstraint, labels: Readonly<Record<string, string>>): LabelSelector | undefined {
  const keys = (constraint.matchLabelKeys ?? []).filter((key) => labels[key] !== undefined);
  if (!constraint.labelSelector || keys.length === 0) return constraint.labelSelector;
  const added = keys.map((key) => ({ key, operator: "In", values: [labels[key] ?? ""] }));
  return { ...constraint.labelSelector, matchExpressions: [...(constraint.labelSelector.matchExpressions ?? []), ...added] };
}

/** One constraint, and the pods that it counts. */
interface Counted {
  spread: Spread;
  selection: Selection;
  /** Those of every node that is included: shared, not to be changed. */
  domains: Domains;
}

/** The domains of each constraint, with the pods counted; `all`: nodes without one of the labels do not count. */
function countDomains(pod: PodInfo, world: World, spreads: readonly Spread[], all: boolean): Counted[] {
  const keys = spreads.map((s) => s.topologyKey);
  return spreads.map((spread, i) => {
    const { topologyKey, includes } = spread;
    const selection = world.selection(pod.namespace, spread.labelSelector);
    if (!includes) return { spread, selection, domains: selection.domains(keys, all, world.nodes)[i] ?? new Domains() };
    const domains = new Domains();
    for (const node of world.nodes) {
      const value = node.labels[topologyKey];
      if (value === undefined || (all && keys.some((key) => node.labels[key] === undefined)) || !includes(node)) continue;
      domains.exists(value);
      domains.add(value, selection.onNode.get(node.name) ?? 0);
    }
    return { spread, selection, domains };
  });
}

function hardFilter(pod: PodInfo, world: World, spreads: readonly Spread[]): NodeFilter {
  const all = countDomains(pod, world, spreads, true);
  let own = false;
  const change = (by: number) => (other: PodInfo, node: NodeInfo) => {
    if (!spreads.every((s) => node.labels[s.topologyKey] !== undefined)) return;
    if (!own) for (const counted of all) counted.domains = counted.domains.copy();
    own = true;
    for (const { domains, spread, selection } of all)
      if ((!spread.includes || spread.includes(node)) && selection.counts(other)) domains.add(node.labels[spread.topologyKey] ?? "", by);
  };
  return {
    check(node) {
      for (const { domains, spread } of all) {
        const value = node.labels[spread.topologyKey];
        if (value === undefined) return labelRejected;
        const skew = domains.get(value) + spread.self - domains.min(spread.minDomains);
        if (skew > spread.maxSkew) return skewRejected;
      }
      return undefined;
    },
    add: change(1),
    remove: change(-1),
  };
}

/** What the cluster wants for pods that say nothing: spread those of one service or controller over hosts and zones, softly. */
function defaultConstraints(pod: PodInfo, world: World): TopologySpreadConstraint[] {
  const matchLabels: Record<string, string> = {};
  for (const service of world.lookups.services(pod.namespace)) {
    const selector = Object.entries(service.spec.selector ?? {});
    if (selector.length > 0 && selector.every(([key, value]) => pod.labels[key] === value))
      Object.assign(matchLabels, service.spec.selector);
  }
  const controller = world.lookups.controllerSelector(pod.pod);
  Object.assign(matchLabels, controller?.matchLabels);
  const matchExpressions = controller?.matchExpressions ?? [];
  if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return [];
  const common = { labelSelector: { matchLabels, matchExpressions }, whenUnsatisfiable: "ScheduleAnyway" } as const;
  return [
    { ...common, topologyKey: hostname, maxSkew: 3 },
    { ...common, topologyKey: zone, maxSkew: 5 },
  ];
}

/** PodTopologySpread: keeps groups of pods evenly spread over domains, strictly or as a preference. KEP-895, 3022, 3094, 3243. */
export const podTopologySpread: Plugin = {
  name: "PodTopologySpread",
  weight: 2,
  filter(pod, world) {
    const hard = (pod.pod.spec.topologySpreadConstraints ?? []).filter((c) => c.whenUnsatisfiable === "DoNotSchedule");
    return hard.length === 0
      ? undefined
      : hardFilter(
          pod,
          world,
          hard.map((c) => compile(c, pod)),
        );
  },
  score(pod, world, feasible) {
    const own = pod.pod.spec.topologySpreadConstraints ?? [];
    const soft = own.length > 0 ? own.filter((c) => c.whenUnsatisfiable === "ScheduleAnyway") : defaultConstraints(pod, world);
    if (soft.length === 0) return undefined;
    const spreads = soft.map((c) => compile(c, pod));
    const ignored = (node: NodeInfo): boolean => own.length > 0 && spreads.some((s) => node.labels[s.topologyKey] === undefined);
    const weighed = countDomains(pod, world, spreads, own.length > 0).map(({ domains, spread }) => {
      const values = new Set<string>();
      for (const node of feasible) {
        const value = node.labels[spread.topologyKey];
        if (value !== undefined && !ignored(node)) values.add(value);
      }
      return { domains, spread, weight: Math.log(values.size + 2) };
    });
    return {
      score: (node) => {
        if (ignored(node)) return Number.NaN;
        let sum = 0;
        for (const { domains, spread, weight } of weighed) {
          const value = node.labels[spread.topologyKey];
          if (value !== undefined) sum += domains.get(value) * weight + spread.maxSkew - 1;
        }
        return Math.round(sum);
      },
      normalize: normalizeSpread,
    };
  },
  wakes: (pod, event) => event.type === "node" || (event.type === "pod" && (event.pod ?? event.old)?.metadata.namespace === pod.namespace),
};

/** The fuller, the lower; ignored nodes (NaN) get 0. */
function normalizeSpread(scores: number[]): void {
  const [min, max] = extremes(scores.filter((s) => !Number.isNaN(s)));
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] ?? 0;
    scores[i] = Number.isNaN(score) ? 0 : max === 0 ? 100 : Math.floor((100 * (max + min - score)) / max);
  }
}
