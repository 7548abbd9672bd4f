import { scaledValue } from "../../api/apps/pod-owner.ts";
import type { DaemonSet, DaemonSetStatus } from "../../api/types/apps.v1.ts";
import type { Node, Pod } from "../../api/types/core.v1.ts";
import { revisionLabel } from "../history.ts";
import { isAvailable, isReady, isTerminating } from "../pod-state.ts";
import { withoutZeros } from "../status.ts";
import { belongsOn, targetNode } from "./daemon-pod.ts";

/** Pure decisions: which daemon pods to make and to delete, and the status. Times in milliseconds. */

/** What a DaemonSet looks at. */
export interface Situation {
  set: DaemonSet;
  nodes: readonly Node[];
  /** All its pods by the node they are meant for, those being deleted among them. */
  pods: ReadonlyMap<string, readonly Pod[]>;
  /** The hash of the present template. */
  hash: string;
  now: number;
}

/** What to do next. */
export interface Plan {
  /** Names of nodes that get a pod. */
  create: string[];
  remove: Pod[];
  /** Pods that have ended by themselves: deleted as well, with an event, failed ones with back-off. */
  ended: Pod[];
}

/** The pods by the node they are meant for. */
export function byNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const map = new Map<string, Pod[]>();
  for (const pod of pods) {
    const node = targetNode(pod) ?? "";
    const there = map.get(node);
    if (there) there.push(pod);
    else map.set(node, [pod]);
  }
  return map;
}

/** One pod on each node where one belongs, none elsewhere. */
export function planNodes(situation: Situation): Plan {
  const { set, nodes, pods } = situation;
  const plan: Plan = { create: [], remove: [], ended: [] };
  const known = new Set<string>();
  for (const node of nodes) {
    const { name } = node.metadata;
    known.add(name);
    const here = pods.get(name) ?? [];
    const { shouldRun, mayStay } = belongsOn(set, node);
    if (shouldRun && here.length === 0) plan.create.push(name);
    else if (!mayStay) plan.remove.push(...here.filter((pod) => !isTerminating(pod)));
    else {
      const alive = here.filter((pod) => !isTerminating(pod));
      const ended = alive.filter(({ status }) => status.phase === "Failed" || status.phase === "Succeeded");
      plan.ended.push(...ended);
      plan.remove.push(...excess(situation, oldestFirst(alive.filter((pod) => !ended.includes(pod)))));
    }
  }
  // Pods that wait for a node that is gone; those that ran there are the pod garbage collector's.
  for (const [name, here] of pods)
    if (!known.has(name)) plan.remove.push(...here.filter((pod) => !pod.spec.nodeName && !isTerminating(pod)));
  return plan;
}

/** Pods too many on one node: with surge, an old and a new one may be there until the new one is available. */
function excess({ set, hash, now }: Situation, running: readonly Pod[]): Pod[] {
  if (running.length <= 1) return [];
  if (allowances(set, 1).surge === 0) return running.slice(1);
  const oldestNew = running.find((pod) => isUpdated(pod, hash));
  const oldestOld = running.find((pod) => !isUpdated(pod, hash));
  const others = running.filter((pod) => pod !== oldestNew && pod !== oldestOld);
  if (!oldestNew || !oldestOld) return others;
  const replaced = !isReady(oldestOld) || isAvailable(oldestNew, set.spec.minReadySeconds ?? 0, now);
  return replaced ? [...others, oldestOld] : others;
}

/** How many nodes may be without an available pod, and how many may have one too many, during a rolling update. */
export function allowances({ spec }: DaemonSet, desired: number): { unavailable: number; surge: number } {
  if (spec.updateStrategy?.type === "OnDelete") return { unavailable: 0, surge: 0 };
  const { maxUnavailable = 1, maxSurge = 0 } = spec.updateStrategy?.rollingUpdate ?? {};
  const unavailable = scaledValue(maxUnavailable, desired, true);
  const surge = scaledValue(maxSurge, desired, true);
  return unavailable === 0 && surge === 0 ? { unavailable: 1, surge: 0 } : { unavailable, surge };
}

/** The next step of a rolling update, after planNodes has nothing to do. */
export function planRollingUpdate(situation: Situation): Pick<Plan, "create" | "remove"> {
  const { set, nodes } = situation;
  const desired = nodes.filter((node) => belongsOn(set, node).shouldRun).length;
  const { unavailable, surge } = allowances(set, desired);
  return surge > 0 ? surgeUpdate(situation, surge) : replaceUpdate(situation, unavailable);
}

/** Deletes old pods: those that are not available at once, others as long as enough nodes have an available pod. */
function replaceUpdate(situation: Situation, maxUnavailable: number): Pick<Plan, "create" | "remove"> {
  const broken: Pod[] = [];
  const candidates: Pod[] = [];
  let unavailable = 0;
  for (const { newPod, oldPod } of pairs(situation)) {
    if (oldPod && !newPod) {
      if (available(situation, oldPod)) candidates.push(oldPod);
      else {
        unavailable++;
        broken.push(oldPod);
      }
    } else if (!newPod || oldPod || !available(situation, newPod)) unavailable++;
  }
  return { create: [], remove: [...broken, ...candidates.slice(0, Math.max(0, maxUnavailable - unavailable))] };
}

/** Makes new pods beside the old ones, and deletes an old one when the new one is available. */
function surgeUpdate(situation: Situation, maxSurge: number): Pick<Plan, "create" | "remove"> {
  const broken: string[] = [];
  const candidates: string[] = [];
  const remove: Pod[] = [];
  let surging = 0;
  for (const { node, newPod, oldPod, unclear } of pairs(situation)) {
    if (unclear) surging++;
    else if (oldPod && !newPod) (available(situation, oldPod) ? candidates : broken).push(node);
    else if (oldPod && newPod) {
      surging++;
      if (available(situation, newPod)) remove.push(oldPod);
    }
  }
  return { create: [...broken, ...candidates.slice(0, Math.max(0, maxSurge - surging))], remove };
}

interface Pair {
  node: string;
  newPod: Pod | undefined;
  oldPod: Pod | undefined;
  /** More than one of a kind: planNodes has to clean up first. */
  unclear: boolean;
}

function pairs({ pods, hash }: Situation): Pair[] {
  return [...pods].map(([node, here]) => {
    const alive = here.filter((pod) => !isTerminating(pod));
    const fresh = alive.filter((pod) => isUpdated(pod, hash));
    const old = alive.filter((pod) => !isUpdated(pod, hash));
    const unclear = fresh.length > 1 || old.length > 1;
    return { node, newPod: unclear ? undefined : fresh[0], oldPod: unclear ? undefined : old[0], unclear };
  });
}

function available({ set, now }: Situation, pod: Pod): boolean {
  return isAvailable(pod, set.spec.minReadySeconds ?? 0, now);
}

function isUpdated({ metadata }: Pod, hash: string): boolean {
  return metadata.labels?.[revisionLabel] === hash;
}

/** The status. */
export function daemonStatus(situation: Situation): DaemonSetStatus {
  const { set, nodes, pods, hash } = situation;
  const count = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 };
  for (const node of nodes) {
    const [pod] = oldestFirst(pods.get(node.metadata.name) ?? []);
    if (!belongsOn(set, node).shouldRun) {
      if (pod) count.misscheduled++;
      continue;
    }
    count.desired++;
    if (!pod) continue;
    count.current++;
    if (isReady(pod)) count.ready++;
    if (available(situation, pod)) count.available++;
    if (isUpdated(pod, hash)) count.updated++;
  }
  const { conditions, collisionCount } = set.status ?? {};
  return withoutZeros<DaemonSetStatus>(
    {
      currentNumberScheduled: count.current,
      numberMisscheduled: count.misscheduled,
      desiredNumberScheduled: count.desired,
      numberReady: count.ready,
      observedGeneration: set.metadata.generation ?? 0,
      updatedNumberScheduled: count.updated,
      numberAvailable: count.available,
      numberUnavailable: count.desired - count.available,
      ...(collisionCount !== undefined ? { collisionCount } : {}),
      ...(conditions?.length ? { conditions } : {}),
    },
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "collisionCount",
  );
}

/** Pods with a node before others, then the older first. */
function oldestFirst(pods: readonly Pod[]): Pod[] {
  const rank = ({ spec, metadata }: Pod): string => `${spec.nodeName ? 0 : 1} ${metadata.creationTimestamp} ${metadata.name}`;
  return [...pods].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}
