import { deepEqual } from "../api/meta/equality.ts";
import type { Change } from "../client/cache.ts";
import type { Pod, PodCondition } from "../api/types/core.v1.ts";

/** The pod's condition of that type. */
export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status.conditions?.find((condition) => condition.type === type);
}

/** Whether the pod's Ready condition is true. */
export function isReady(pod: Pod): boolean {
  return podCondition(pod, "Ready")?.status === "True";
}

/** Whether all containers of the pod have ended for good. */
export function isTerminal(pod: Pod): boolean {
  return pod.status.phase === "Succeeded" || pod.status.phase === "Failed";
}

/** Whether the pod is being deleted. */
export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

/** Whether the pod counts as a running replica: neither ended nor being deleted. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && !isTerminating(pod);
}

/** Whether a change of a pod is more to the owner of a number of equal pods than a step on the pod's way: being bound, say, or getting an address. */
export function replicaMatters({ object, old }: Change<Pod>): boolean {
  if (!object || !old || isTerminal(object) !== isTerminal(old) || isTerminating(object) !== isTerminating(old)) return true;
  const [is, was] = [podCondition(object, "Ready"), podCondition(old, "Ready")];
  if (is?.status !== was?.status || is?.lastTransitionTime !== was?.lastTransitionTime) return true;
  const { labels, ownerReferences } = object.metadata;
  return !deepEqual(labels, old.metadata.labels) || !deepEqual(ownerReferences, old.metadata.ownerReferences);
}

/**
 * In how many milliseconds a ready pod will have been ready for minReadySeconds: 0 when it is available now, undefined when it is not ready.
 */
export function availableIn(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = podCondition(pod, "Ready");
  if (ready?.status !== "True") return undefined;
  if (minReadySeconds === 0) return 0;
  if (!ready.lastTransitionTime) return undefined;
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - now);
}

/** Whether the pod has been ready for at least minReadySeconds. */
export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  return availableIn(pod, minReadySeconds, now) === 0;
}

/** The shortest wait in milliseconds until another ready pod becomes available; undefined when there is none to wait for. */
export function nextAvailable(pods: readonly Pod[], minReadySeconds: number, now: number): number | undefined {
  let next: number | undefined;
  if (minReadySeconds === 0) return next;
  for (const pod of pods) {
    const wait = availableIn(pod, minReadySeconds, now);
    if (wait && (next === undefined || wait < next)) next = wait;
  }
  return next;
}
