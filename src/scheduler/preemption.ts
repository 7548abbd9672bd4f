import { selectorOfLabelSelector } from "../api/meta/labels.ts";
import { parseTime } from "../api/meta/time.ts";
import type { PodDisruptionBudget } from "../api/types/policy.v1.ts";
import { unavailable } from "./messages.ts";
import { copyNode, type NodeInfo, removePod } from "./node-info.ts";
import { extremes } from "./normalize.ts";
import type { PodInfo } from "./pod-info.ts";
import { type ActiveFilter, type Failure, place, rejectionFor, rejectionOf } from "./schedule.ts";
import type { World } from "./world.ts";

/** Which pods have to leave which node. */
export interface Candidate {
  node: NodeInfo;
  /** From the highest priority down. */
  victims: PodInfo[];
  /** How many victims a PodDisruptionBudget would like to keep. */
  violations: number;
}

/** What came of looking for pods to remove. */
export type Preemption = { candidate: Candidate; message?: undefined } | { candidate?: undefined; message: string };

const noVictims = { reasons: ["No preemption victims found for incoming pod"], resolvable: true };
const notHelpful = { reasons: ["Preemption is not helpful for scheduling"], resolvable: false };

/** Finds the node where the pod fits after removing pods of lower priority, with the least harm. Changes nothing. */
export function preempt(
  pod: PodInfo,
  failure: Failure,
  world: World,
  budgets: readonly PodDisruptionBudget[],
  random: () => number,
): Preemption {
  const ineligible = whyIneligible(pod, failure, world);
  if (ineligible) return { message: ineligible };
  const candidates: Candidate[] = [];
  const rejections = [];
  const enough = Math.max(100, Math.floor(world.nodes.length / 10));
  const start = Math.floor(random() * world.nodes.length);
  for (let i = 0; i < world.nodes.length && candidates.length < enough; i++) {
    const node = world.nodes[(start + i) % world.nodes.length] as NodeInfo;
    const { resolvable } = rejectionFor(failure, node);
    const candidate = resolvable ? findVictims(pod, node, failure.filters, world, budgets) : undefined;
    if (candidate) candidates.push(candidate);
    else rejections.push(resolvable ? noVictims : notHelpful);
  }
  const best = leastHarm(candidates);
  return best ? { candidate: best } : { message: unavailable(world.nodes.length, rejections) };
}

/** A pod may not preempt by its policy, or while the victims of its last preemption are still leaving. */
function whyIneligible(pod: PodInfo, failure: Failure, world: World): string | undefined {
  if (pod.pod.spec.preemptionPolicy === "Never") return "not eligible due to preemptionPolicy=Never.";
  const nominated = world.node(world.nominatedNodeOf(pod.uid) ?? "");
  if (!nominated || !rejectionFor(failure, nominated).resolvable) return undefined;
  for (const other of nominated.pods.values())
    if (other.priority < pod.priority && other.pod.metadata.deletionTimestamp && isVictim(other))
      return "not eligible due to a terminating pod on the nominated node.";
  return undefined;
}

function isVictim(pod: PodInfo): boolean {
  return pod.pod.status?.conditions?.some((c) => c.type === "DisruptionTarget" && c.reason === "PreemptionByScheduler") ?? false;
}

/** Removes all pods of lower priority, then lets as many stay as possible: first those that budgets protect, then the most important. */
function findVictims(
  pod: PodInfo,
  node: NodeInfo,
  filters: readonly ActiveFilter[],
  world: World,
  budgets: readonly PodDisruptionBudget[],
): Candidate | undefined {
  const lower = [...node.pods.values()].filter((other) => other.priority < pod.priority).sort(moreImportant);
  if (lower.length === 0) return undefined;
  const trial = copyNode(node);
  const removed = new Set<PodInfo>();
  const leave = (other: PodInfo): void => {
    removePod(trial, other.uid);
    removed.add(other);
    for (const { filter } of filters) filter.remove?.(other, trial);
  };
  const stay = (other: PodInfo): void => {
    removed.delete(other);
    place(other, trial, filters);
  };
  lower.forEach(leave);
  const fits = (): boolean => !rejectionOf(pod, trial, filters, world);
  const possible = fits();
  let violations = 0;
  if (possible) {
    const { violating, free } = splitByBudgets(lower, budgets);
    for (const other of [...violating, ...free]) {
      stay(other);
      if (fits()) continue;
      leave(other);
      if (violating.includes(other)) violations++;
    }
  }
  const victims = lower.filter((other) => removed.has(other));
  for (const other of victims) stay(other);
  return possible && victims.length > 0 ? { node, victims, violations } : undefined;
}

/** The pods whose removal a budget does not allow any more, counting those before them. */
export function splitByBudgets(
  pods: readonly PodInfo[],
  budgets: readonly PodDisruptionBudget[],
): { violating: PodInfo[]; free: PodInfo[] } {
  const allowed = budgets.map((budget) => budget.status?.disruptionsAllowed ?? 0);
  const violating: PodInfo[] = [];
  const free: PodInfo[] = [];
  for (const pod of pods) {
    let violates = false;
    budgets.forEach((budget, i) => {
      if (budget.metadata.namespace !== pod.namespace || Object.keys(pod.labels).length === 0) return;
      const { selector } = budget.spec;
      if (!selector || !selectorOfLabelSelector(selector).matches(pod.labels)) return;
      if (budget.status?.disruptedPods?.[pod.pod.metadata.name] !== undefined) return;
      allowed[i] = (allowed[i] ?? 0) - 1;
      if ((allowed[i] ?? 0) < 0) violates = true;
    });
    (violates ? violating : free).push(pod);
  }
  return { violating, free };
}

/** Negative when a is to be kept rather than b: higher priority, else running for longer. */
function moreImportant(a: PodInfo, b: PodInfo): number {
  return b.priority - a.priority || startTime(a) - startTime(b);
}

function startTime(pod: PodInfo): number {
  return parseTime(pod.pod.status?.startTime) ?? Number.MAX_SAFE_INTEGER;
}

/** In this order, the lowest wins: what harm a candidate does. */
const harms: readonly ((candidate: Candidate) => number)[] = [
  (c) => c.violations,
  (c) => extremes(c.victims.map((v) => v.priority))[1],
  // Negative priorities must not make fewer victims look worse.
  (c) => c.victims.reduce((sum, v) => sum + v.priority + 2 ** 31, 0),
  (c) => c.victims.length,
  (c) => {
    const highest = extremes(c.victims.map((v) => v.priority))[1];
    return -Math.min(...c.victims.filter((v) => v.priority === highest).map(startTime));
  },
];

function leastHarm(candidates: readonly Candidate[]): Candidate | undefined {
  let best = candidates;
  for (const harm of harms) {
    if (best.length <= 1) break;
    const [least] = extremes(best.map(harm));
    best = best.filter((c) => harm(c) === least);
  }
  return best[0];
}
