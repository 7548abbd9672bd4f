import { hasCondition } from "../../api/meta/conditions.ts";
import { formatTime } from "../../api/meta/time.ts";
import type { Job, JobCondition, JobStatus } from "../../api/types/batch.v1.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { isActive, isReady, isTerminal, isTerminating } from "../pod-state.ts";
import { withoutZeros } from "../status.ts";
import { formatIndexes, parseIndexes } from "./indexes.ts";
import { failureCountOf, finishedAt, hasFailed, indexOf, isIndexed, isTracked } from "./job-pod.ts";
import { judgeFailure, judgeSuccess, type Verdict } from "./policies.ts";

/**
 * Pure: what has become of a Job's pods. Each pod that has ended is counted exactly once: first its uid is written to
 * status.uncountedTerminatedPods, then its finalizer is removed, then the uid becomes part of the count (KEP-2307).
 */

/** The pods of a Job, sorted out. */
export interface Tally {
  active: Pod[];
  /** Being deleted, but still running. */
  terminating: number;
  ready: number;
  /** Counts with everything that has ended, whether or not it is in status.succeeded and status.failed yet. */
  succeeded: number;
  failed: number;
  /** For Jobs with indexes. */
  succeededIndexes: Set<number>;
  failedIndexes: Set<number>;
  /** The status fields in which the counting is kept. */
  counted: Pick<JobStatus, "succeeded" | "failed" | "uncountedTerminatedPods">;
  /** Pods that the status accounts for once it is written: their finalizer may go. */
  release: Pod[];
  /** Pods that ended since the last look, to reckon the back-off. */
  newlyFailed: Pod[];
  newlySucceeded: Pod[];
  /** Why a pod's failure fails the whole Job, by podFailurePolicy. */
  failJob: string | undefined;
}

/** Sorts the pods out. */
export function tally(job: Job, pods: readonly Pod[]): Tally {
  const { uncountedTerminatedPods = {} } = job.status;
  const indexed = isIndexed(job);
  const completions = job.spec.completions ?? Number.MAX_SAFE_INTEGER;
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const waiting = { succeeded: keep(uncountedTerminatedPods.succeeded, tracked), failed: keep(uncountedTerminatedPods.failed, tracked) };
  const result: Tally = {
    active: pods.filter(isActive),
    terminating: pods.filter((pod) => isTerminating(pod) && !isTerminal(pod)).length,
    ready: pods.filter((pod) => isActive(pod) && isReady(pod)).length,
    succeeded: 0,
    failed: 0,
    succeededIndexes: indexed ? parseIndexes(job.status.completedIndexes, completions) : new Set(),
    failedIndexes: parseIndexes(job.status.failedIndexes, completions),
    counted: {},
    release: [],
    newlyFailed: [],
    newlySucceeded: [],
    failJob: undefined,
  };
  const counts = {
    succeeded: (job.status.succeeded ?? 0) + (uncountedTerminatedPods.succeeded ?? []).length - waiting.succeeded.length,
    failed: (job.status.failed ?? 0) + (uncountedTerminatedPods.failed ?? []).length - waiting.failed.length,
  };
  for (const pod of pods) count(job, pod, waiting, result);
  result.release = result.release.filter((pod) => !isDelayed(job, pod, result, pods));
  if (indexed) counts.succeeded = result.succeededIndexes.size;
  for (const index of result.succeededIndexes) result.failedIndexes.delete(index);
  result.succeeded = counts.succeeded + waiting.succeeded.length;
  result.failed = counts.failed + waiting.failed.length;
  const lists = {
    ...(waiting.succeeded.length ? { succeeded: waiting.succeeded } : {}),
    ...(waiting.failed.length ? { failed: waiting.failed } : {}),
  };
  result.counted = { ...counts, uncountedTerminatedPods: lists };
  return result;
}

function keep(uids: readonly string[] | undefined, tracked: ReadonlySet<string>): string[] {
  return (uids ?? []).filter((uid) => tracked.has(uid));
}

function count(job: Job, pod: Pod, waiting: { succeeded: string[]; failed: string[] }, result: Tally): void {
  const { uid } = pod.metadata;
  const index = isIndexed(job) ? indexOf(pod) : undefined;
  const valid = !isIndexed(job) || (index !== undefined && index < (job.spec.completions ?? 0));
  if (pod.status.phase === "Succeeded") {
    if (!isTracked(pod)) return;
    // An index is counted once by itself; other pods by their uid.
    const isNew = index === undefined ? valid && !waiting.succeeded.includes(uid) : valid && !result.succeededIndexes.has(index);
    if (isNew) {
      result.newlySucceeded.push(pod);
      if (index === undefined) waiting.succeeded.push(uid);
      else result.succeededIndexes.add(index);
    }
    result.release.push(pod);
  } else if (hasFailed(job, pod)) {
    const verdict: Verdict = valid ? judgeFailure(job, pod) : { action: "Ignore" };
    if (valid && failsIndex(job, pod, verdict) && index !== undefined) result.failedIndexes.add(index);
    if (!isTracked(pod)) return;
    if (verdict.action === "FailJob") result.failJob ??= verdict.message;
    // Pods that are only in the way of a success are not failures.
    const obsolete = pod.status.phase !== "Failed" && hasCondition(job.status.conditions, "SuccessCriteriaMet");
    if (verdict.action !== "Ignore" && !obsolete && !waiting.failed.includes(uid)) {
      waiting.failed.push(uid);
      result.newlyFailed.push(pod);
    }
    result.release.push(pod);
  }
}

/** Whether the failure is the last that the index may have. */
function failsIndex({ spec }: Job, pod: Pod, { action }: Verdict): boolean {
  if (spec.backoffLimitPerIndex === undefined) return false;
  return action === "FailIndex" || (action !== "Ignore" && failureCountOf(pod) >= spec.backoffLimitPerIndex);
}

/** The latest failed pod of an index keeps its finalizer until its replacement exists, which continues its count of failures. */
function isDelayed(job: Job, pod: Pod, { succeededIndexes, failedIndexes }: Tally, pods: readonly Pod[]): boolean {
  if (job.spec.backoffLimitPerIndex === undefined || pod.status.phase === "Succeeded") return false;
  const index = indexOf(pod);
  if (index === undefined || succeededIndexes.has(index) || failedIndexes.has(index)) return false;
  return !pods.some((other) => other !== pod && indexOf(other) === index && failureCountOf(other) > failureCountOf(pod));
}

/** How a Job ends: the condition that says so first (SuccessCriteriaMet or FailureTarget), or undefined while it goes on. `now` in milliseconds. */
export function verdict(job: Job, result: Tally, now: number): JobCondition | undefined {
  const { spec, status } = job;
  const decided = status.conditions?.find(
    ({ type, status }) => (type === "FailureTarget" || type === "SuccessCriteriaMet") && status === "True",
  );
  if (decided) return decided;
  const time = formatTime(now);
  const end = (type: string, reason: string, message: string): JobCondition => ({
    type,
    status: "True",
    lastProbeTime: time,
    lastTransitionTime: time,
    reason,
    message,
  });
  const fail = (reason: string, message: string): JobCondition => end("FailureTarget", reason, message);
  if (result.failJob) return fail("PodFailurePolicy", result.failJob);
  const limit = spec.backoffLimit ?? 6;
  if (result.failed > limit || restartsTooOften(job, result.active, limit))
    return fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
  if (deadlineIn(job, now) === 0) return fail("DeadlineExceeded", "Job was active longer than specified deadline");
  const { succeededIndexes, failedIndexes, succeeded, active } = result;
  if (spec.backoffLimitPerIndex !== undefined && failedIndexes.size > 0) {
    if (spec.maxFailedIndexes !== undefined && failedIndexes.size > spec.maxFailedIndexes)
      return fail("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
    if (failedIndexes.size + succeededIndexes.size >= (spec.completions ?? 0)) return fail("FailedIndexes", "Job has failed indexes");
  }
  const success = judgeSuccess(job, succeededIndexes);
  if (success) return end("SuccessCriteriaMet", "SuccessPolicy", success);
  const complete =
    spec.completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= spec.completions && active.length === 0;
  return complete ? end("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods") : undefined;
}

/** In how many milliseconds the Job's deadline ends; 0 when it is over, undefined when it has none or does not run. */
export function deadlineIn({ spec, status }: Job, now: number): number | undefined {
  if (spec.activeDeadlineSeconds === undefined || spec.suspend || !status.startTime) return undefined;
  return Math.max(0, Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - now);
}

/** With restartPolicy OnFailure, restarts of containers count against the limit. */
function restartsTooOften({ spec }: Job, active: readonly Pod[], limit: number): boolean {
  if (spec.template.spec?.restartPolicy !== "OnFailure") return false;
  let restarts = 0;
  for (const { status } of active)
    if (status.phase === "Running" || status.phase === "Pending")
      for (const { restartCount } of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
        restarts += restartCount;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** The numbers of the status. */
export function jobCounts(job: Job, result: Tally): JobStatus {
  const { startTime, completionTime, conditions } = job.status;
  return withoutZeros<JobStatus>(
    {
      ...(conditions?.length ? { conditions } : {}),
      ...(startTime ? { startTime } : {}),
      ...(completionTime ? { completionTime } : {}),
      ...result.counted,
      active: result.active.length,
      ready: result.ready,
      terminating: result.terminating,
      ...(result.succeededIndexes.size ? { completedIndexes: formatIndexes(result.succeededIndexes) } : {}),
      ...(job.spec.backoffLimitPerIndex !== undefined ? { failedIndexes: formatIndexes(result.failedIndexes) } : {}),
    },
    "ready",
    "terminating",
  );
}

/** How long a Job waits after failures: 10 seconds, doubled with each failure since the last success, at most 10 minutes. */
export interface Backoff {
  failures: number;
  last: number;
}

/** The back-off after what has newly ended, in the order in which it ended. */
export function nextBackoff(before: Backoff | undefined, { newlyFailed, newlySucceeded }: Tally, now: number): Backoff {
  const ends = [
    ...newlyFailed.map((pod) => ({ at: finishedAt(pod, now), failed: true })),
    ...newlySucceeded.map((pod) => ({ at: finishedAt(pod, now), failed: false })),
  ].sort((a, b) => a.at - b.at);
  let { failures, last } = before ?? { failures: 0, last: 0 };
  for (const { at, failed } of ends) {
    failures = failed ? failures + 1 : 0;
    if (failed) last = Math.max(last, at);
  }
  return { failures, last };
}

/** Milliseconds left to wait. */
export function backoffLeft({ failures, last }: Backoff, now: number): number {
  if (failures === 0) return 0;
  return Math.max(0, last + Math.min(10_000 * 2 ** (failures - 1), 600_000) - now);
}
