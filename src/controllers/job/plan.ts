import { formatTime } from "../../api/meta/time.ts";
import type { Job, JobCondition, JobStatus } from "../../api/types/batch.v1.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { podsToDelete } from "../pod-deletion-order.ts";
import { type Backoff, backoffLeft, type Tally } from "./tally.ts";
import { failureCountOf, finishedAt, hasFailed, indexOf, isIndexed, replacesOnlyFailed } from "./job-pod.ts";
import { judgeFailure } from "./policies.ts";

/** Pure: which pods a Job makes and deletes, and how its conditions change. Times in milliseconds. */

/** How many pods are made or deleted in one reconcile at most. */
const burst = 500;

/** A pod to make. */
export interface NewPod {
  index?: number;
  /** How often the index has failed, where that is counted. */
  failures?: number;
}

/** What to do with the pods. */
export interface PodPlan {
  create: NewPod[];
  remove: Pod[];
  /** When to look again. */
  again?: number | undefined;
}

/** Keeps as many pods active as parallelism and the missing completions allow; none when the Job is suspended or decided. */
export function planPods(
  job: Job,
  result: Tally,
  pods: readonly Pod[],
  { decided, backoff, now }: { decided: boolean; backoff: Backoff; now: number },
): PodPlan {
  const { active } = result;
  if (decided || job.spec.suspend) return { create: [], remove: active.slice(0, burst) };
  const wanted = wantedActive(job, result);
  const remove = surplus(job, result, Math.max(0, active.length - wanted), now);
  if (remove.length > 0) return { create: [], remove: remove.slice(0, burst) };
  const missing = Math.min(burst, wanted - active.length - (replacesOnlyFailed(job) ? result.terminating : 0));
  if (missing <= 0) return { create: [], remove: [] };
  if (job.spec.backoffLimitPerIndex !== undefined) return planIndexes(job, result, pods, { missing, now });
  const wait = backoffLeft(backoff, now);
  if (wait > 0) return { create: [], remove: [], again: wait };
  if (!isIndexed(job)) return { create: Array.from({ length: missing }, () => ({})), remove: [] };
  return {
    create: pendingIndexes(job, result, pods)
      .slice(0, missing)
      .map((index) => ({ index })),
    remove: [],
  };
}

function wantedActive({ spec }: Job, { succeeded, active }: Tally): number {
  const parallelism = spec.parallelism ?? 1;
  // A work queue without a number of completions: after the first success no new pods are made.
  if (spec.completions === undefined) return succeeded > 0 ? Math.min(active.length, parallelism) : parallelism;
  return Math.max(0, Math.min(spec.completions - succeeded, parallelism));
}

/** Pods whose index is done, double or out of range, then any others, the least useful first. */
function surplus(job: Job, { active, succeededIndexes, failedIndexes }: Tally, count: number, now: number): Pod[] {
  if (!isIndexed(job)) return count > 0 ? podsToDelete(active, [], count, now) : [];
  const seen = new Set<number>();
  const useless: Pod[] = [];
  const useful: Pod[] = [];
  const best = podsToDelete(active, [], active.length - 1, now);
  for (const pod of [...active.filter((pod) => !best.includes(pod)), ...best.reverse()]) {
    const index = indexOf(pod);
    const done = index === undefined || succeededIndexes.has(index) || failedIndexes.has(index) || index >= (job.spec.completions ?? 0);
    if (done || seen.has(index)) useless.push(pod);
    else {
      seen.add(index);
      useful.push(pod);
    }
  }
  return [...useless, ...podsToDelete(useful, [], Math.max(0, count - useless.length), now)];
}

/** Indexes that still need a pod, the lowest first. */
function pendingIndexes(job: Job, { active, succeededIndexes, failedIndexes }: Tally, pods: readonly Pod[]): number[] {
  const taken = new Set(active.map(indexOf));
  if (replacesOnlyFailed(job)) for (const pod of pods) if (pod.metadata.deletionTimestamp && !hasFailed(job, pod)) taken.add(indexOf(pod));
  const indexes: number[] = [];
  for (let i = 0; i < (job.spec.completions ?? 0); i++)
    if (!taken.has(i) && !succeededIndexes.has(i) && !failedIndexes.has(i)) indexes.push(i);
  return indexes;
}

/** With a limit for each index, each index waits by itself. */
function planIndexes(job: Job, result: Tally, pods: readonly Pod[], { missing, now }: { missing: number; now: number }): PodPlan {
  const plan: PodPlan = { create: [], remove: [] };
  const lastFailed = new Map<number, Pod>();
  for (const pod of pods) {
    const index = indexOf(pod);
    if (index === undefined || !hasFailed(job, pod)) continue;
    const known = lastFailed.get(index);
    if (!known || failureCountOf(pod) >= failureCountOf(known)) lastFailed.set(index, pod);
  }
  for (const index of pendingIndexes(job, result, pods)) {
    if (plan.create.length >= missing) break;
    const last = lastFailed.get(index);
    const failures = last ? failureCountOf(last) + (judgeFailure(job, last).action === "Ignore" ? 0 : 1) : 0;
    const wait = last ? backoffLeft({ failures, last: finishedAt(last, now) }, now) : 0;
    if (wait > 0) plan.again = Math.min(plan.again ?? wait, wait);
    else plan.create.push({ index, failures });
  }
  return plan;
}

/** What happened to the Job as a whole, for its events. */
export type JobEvent = { type: "Normal" | "Warning"; reason: string; message: string };

/**
 * The status with the Job's conditions: suspended or resumed, decided, and ended when no pod runs any more and all are counted.
 * Returns the events that go with the changes.
 */
export function withConditions(
  job: Job,
  counts: JobStatus,
  end: JobCondition | undefined,
  now: number,
): { status: JobStatus; events: JobEvent[] } {
  const time = formatTime(now);
  const status = { ...counts };
  const conditions = [...(counts.conditions ?? [])];
  const events: JobEvent[] = [];
  const suspended = conditions.find(({ type }) => type === "Suspended");
  const suspend = job.spec.suspend ?? false;
  if (!end && suspend !== (suspended?.status === "True") && (suspend || suspended)) {
    const [reason, message] = suspend ? ["JobSuspended", "Job suspended"] : ["JobResumed", "Job resumed"];
    const next = { type: "Suspended", status: suspend ? "True" : "False", lastProbeTime: time, lastTransitionTime: time, reason, message };
    conditions.splice(suspended ? conditions.indexOf(suspended) : conditions.length, suspended ? 1 : 0, next);
    events.push({ type: "Normal", reason: suspend ? "Suspended" : "Resumed", message });
  }
  if (suspend && !end) delete status.startTime;
  else status.startTime ??= time;
  if (end) {
    if (!conditions.includes(end)) conditions.push(end);
    const { succeeded, failed } = counts.uncountedTerminatedPods ?? {};
    const quiet = !counts.active && !counts.ready && !counts.terminating && !succeeded?.length && !failed?.length;
    if (quiet) {
      const success = end.type === "SuccessCriteriaMet";
      conditions.push({ ...end, type: success ? "Complete" : "Failed", lastProbeTime: time, lastTransitionTime: time });
      if (success) status.completionTime = time;
      const { reason = "", message = "" } = end;
      events.push(success ? { type: "Normal", reason: "Completed", message: "Job completed" } : { type: "Warning", reason, message });
    }
  }
  if (conditions.length) status.conditions = conditions;
  return { status, events };
}
