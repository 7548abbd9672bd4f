import type { Pod } from "../api/types/core.v1.ts";
import { isReady, podCondition } from "./pod-state.ts";

/** A pod and how many of its siblings (pods of the same set, or of sets with the same owner) run on its node. */
interface Ranked {
  pod: Pod;
  siblings: number;
}

type Rule = (a: Ranked, b: Ranked, now: number) => number;

const phases: Partial<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Which of two pods goes first when a set shrinks (negative: a). The first rule that tells them apart decides. */
const rules: readonly Rule[] = [
  // Pods without a node have not started anything.
  (a, b) => Number(Boolean(a.pod.spec.nodeName)) - Number(Boolean(b.pod.spec.nodeName)),
  (a, b) => (phases[a.pod.status.phase ?? "Pending"] ?? 2) - (phases[b.pod.status.phase ?? "Pending"] ?? 2),
  (a, b) => Number(isReady(a.pod)) - Number(isReady(b.pod)),
  // The user's own word: the annotation controller.kubernetes.io/pod-deletion-cost.
  (a, b) => deletionCost(a.pod) - deletionCost(b.pod),
  (a, b) => b.siblings - a.siblings,
  (a, b, now) => younger(readySince(a.pod), readySince(b.pod), a, b, now),
  (a, b) => restarts(b.pod) - restarts(a.pod),
  (a, b, now) => younger(createdAt(a.pod), createdAt(b.pod), a, b, now),
];

/** The `count` pods of a set to delete. `siblings` are the running pods of all sets of the same owner; `now` in milliseconds. */
export function podsToDelete(pods: readonly Pod[], siblings: readonly Pod[], count: number, now: number): Pod[] {
  if (count >= pods.length) return [...pods];
  const onNode = new Map<string, number>();
  for (const { spec } of siblings) if (spec.nodeName) onNode.set(spec.nodeName, (onNode.get(spec.nodeName) ?? 0) + 1);
  return pods
    .map((pod) => ({ pod, siblings: onNode.get(pod.spec.nodeName ?? "") ?? 0 }))
    .sort((a, b) => compare(a, b, now))
    .slice(0, count)
    .map(({ pod }) => pod);
}

function compare(a: Ranked, b: Ranked, now: number): number {
  for (const rule of rules) {
    const order = rule(a, b, now);
    if (order !== 0) return order;
  }
  return 0;
}

/**
 * The younger first, but ages of the same power of two count as equal and then the uid decides, so that a set that shrinks after a rollout
 * does not lose all pods of one node at once (KEP-2185).
 */
function younger(timeA: number | undefined, timeB: number | undefined, a: Ranked, b: Ranked, now: number): number {
  if (timeA === undefined || timeB === undefined || timeA === timeB) return 0;
  const rank = (time: number): number => (now - time < 1000 ? -1 : Math.floor(Math.log2((now - time) / 1000)));
  const order = rank(timeA) - rank(timeB);
  if (order !== 0) return order;
  return a.pod.metadata.uid < b.pod.metadata.uid ? -1 : 1;
}

function deletionCost({ metadata }: Pod): number {
  const cost = metadata.annotations?.["controller.kubernetes.io/pod-deletion-cost"];
  return cost !== undefined && /^(0|[-+]?[1-9]\d*)$/.test(cost) ? Number(cost) : 0;
}

function readySince(pod: Pod): number | undefined {
  const ready = podCondition(pod, "Ready");
  return ready?.status === "True" && ready.lastTransitionTime ? Date.parse(ready.lastTransitionTime) : undefined;
}

function createdAt({ metadata }: Pod): number {
  return Date.parse(metadata.creationTimestamp);
}

function restarts({ status }: Pod): number {
  return Math.max(0, ...(status.containerStatuses ?? []).map(({ restartCount }) => restartCount));
}
