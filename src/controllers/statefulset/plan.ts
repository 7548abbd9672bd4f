import { scaledValue } from "../../api/apps/pod-owner.ts";
import type { StatefulSet, StatefulSetStatus } from "../../api/types/apps.v1.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { revisionLabel } from "../history.ts";
import { isAvailable, isReady, isTerminating } from "../pod-state.ts";
import { withoutZeros } from "../status.ts";
import { ordinalOf, startOrdinal } from "./identity.ts";

/** Pure decisions: which pods of a StatefulSet to make and delete next, and its status. Times in milliseconds. */

/** What a StatefulSet looks at. */
export interface Situation {
  set: StatefulSet;
  pods: readonly Pod[];
  /** The names of the revisions that pods are to leave and to reach. */
  currentRevision: string;
  updateRevision: string;
  now: number;
}

/** One step. */
export type Action =
  | { do: "create"; ordinal: number; revision: string }
  /** `ended` pods come again under the same name; the event says why. */
  | { do: "delete"; pod: Pod; ended?: boolean; condemned?: boolean }
  /** A pod that waits or runs: its labels and claims have to be as they should. */
  | { do: "keep"; pod: Pod };

/**
 * The next steps. In order (OrderedReady): each pod is made when the one before it is available; pods too many go from the last, one at a time;
 * then old pods are replaced from the last down to the partition. Parallel does the first two all at once.
 */
export function plan(situation: Situation): Action[] {
  const { set } = situation;
  const ordered = set.spec.podManagementPolicy !== "Parallel";
  const { replicas, condemned } = arrange(situation);
  const actions: Action[] = [];
  for (const { ordinal, pod } of replicas) {
    const step = nextForReplica(situation, ordinal, pod);
    if (step) actions.push(step);
    const settled = pod && step?.do === "keep" && !isTerminating(pod) && available(situation, pod);
    if (ordered && !settled) return actions;
  }
  const firstUnhealthy = [...replicas.map(({ pod }) => pod), ...condemned].find((pod) => pod && isUnhealthy(pod));
  for (const pod of [...condemned].reverse()) {
    if (isTerminating(pod)) {
      if (ordered) return actions;
      continue;
    }
    if (ordered && pod !== firstUnhealthy && !available(situation, pod)) return actions;
    actions.push({ do: "delete", pod, condemned: true });
    if (ordered) return actions;
  }
  return [...actions, ...replaceOld(situation, replicas)];
}

interface Slot {
  ordinal: number;
  pod: Pod | undefined;
}

/** The slots of the set with their pods, and the pods outside, both by ordinal. */
function arrange({ set, pods }: Situation): { replicas: Slot[]; condemned: Pod[] } {
  const start = startOrdinal(set);
  const replicas: Slot[] = Array.from({ length: set.spec.replicas ?? 1 }, (_, i) => ({ ordinal: start + i, pod: undefined }));
  const outside: { ordinal: number; pod: Pod }[] = [];
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod) ?? -1;
    const slot = replicas[ordinal - start];
    if (slot) slot.pod = pod;
    else outside.push({ ordinal, pod });
  }
  return { replicas, condemned: outside.sort((a, b) => a.ordinal - b.ordinal).map(({ pod }) => pod) };
}

function nextForReplica(situation: Situation, ordinal: number, pod: Pod | undefined): Action | undefined {
  if (!pod) return { do: "create", ordinal, revision: revisionFor(situation, ordinal) };
  if (pod.status.phase === "Failed" || pod.status.phase === "Succeeded")
    return isTerminating(pod) ? undefined : { do: "delete", pod, ended: true };
  return { do: "keep", pod };
}

/** A pod below the partition that has to be made again stays at the current revision. */
function revisionFor({ set, currentRevision, updateRevision }: Situation, ordinal: number): string {
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  return type !== "OnDelete" && ordinal < startOrdinal(set) + (rollingUpdate?.partition ?? 0) ? currentRevision : updateRevision;
}

/** From the last pod: an old one is deleted, whatever its state; one that is updated has to be healthy before the next goes. */
function replaceOld({ set, updateRevision }: Situation, replicas: readonly Slot[]): Action[] {
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type === "OnDelete") return [];
  let budget = Math.max(1, scaledValue(rollingUpdate?.maxUnavailable ?? 1, replicas.length, true));
  const actions: Action[] = [];
  for (const { pod } of replicas.slice(rollingUpdate?.partition ?? 0).reverse()) {
    if (budget <= 0) break;
    if (pod && !isTerminating(pod) && pod.metadata.labels?.[revisionLabel] !== updateRevision) {
      actions.push({ do: "delete", pod });
      budget--;
    } else if (!pod || isUnhealthy(pod)) budget--;
  }
  return actions;
}

function isUnhealthy(pod: Pod): boolean {
  return isTerminating(pod) || pod.status.phase !== "Running" || !isReady(pod);
}

function available({ set, now }: Situation, pod: Pod): boolean {
  return pod.status.phase === "Running" && isAvailable(pod, set.spec.minReadySeconds ?? 0, now);
}

/** The status. When all pods are ready at the update revision, it becomes the current one. */
export function statefulStatus(situation: Situation): StatefulSetStatus {
  const { set, pods, currentRevision, updateRevision } = situation;
  const count = { ready: 0, available: 0, current: 0, updated: 0 };
  for (const pod of pods) {
    if (pod.status.phase === "Running" && isReady(pod)) count.ready++;
    if (available(situation, pod)) count.available++;
    if (isTerminating(pod)) continue;
    const revision = pod.metadata.labels?.[revisionLabel];
    if (revision === currentRevision) count.current++;
    if (revision === updateRevision) count.updated++;
  }
  const complete = set.spec.updateStrategy?.type !== "OnDelete" && count.updated === pods.length && count.ready === pods.length;
  const { collisionCount, conditions } = set.status ?? {};
  return withoutZeros<StatefulSetStatus>(
    {
      observedGeneration: set.metadata.generation ?? 0,
      replicas: pods.length,
      readyReplicas: count.ready,
      currentReplicas: complete ? count.updated : count.current,
      updatedReplicas: count.updated,
      currentRevision: complete ? updateRevision : currentRevision,
      updateRevision,
      collisionCount: collisionCount ?? 0,
      availableReplicas: count.available,
      ...(conditions?.length ? { conditions } : {}),
    },
    "replicas",
    "availableReplicas",
    "collisionCount",
  );
}
