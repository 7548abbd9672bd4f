import { findCondition } from "../../api/meta/conditions.ts";
import { formatTime } from "../../api/meta/time.ts";
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from "../../api/types/apps.v1.ts";
import { withoutZeros } from "../status.ts";
import { allowances, available, wanted } from "./scaling.ts";

/** Pure: a Deployment's status and conditions. `now` is in milliseconds. */

type Conditions = readonly DeploymentCondition[];

/** Progressing reasons that decide what comes next. */
const completed = "NewReplicaSetAvailable";
const timedOut = "ProgressDeadlineExceeded";

/** Whether the Deployment wants to be told when its rollout stalls. */
export function hasDeadline({ spec }: Deployment): boolean {
  return spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== 2 ** 31 - 1;
}

/** The conditions with that one in place of the old one of its type; an old one with the same status and reason stays as it is. */
export function withCondition(
  conditions: Conditions,
  { type, status, reason, message }: { type: string; status: string; reason: string; message: string },
  now: number,
): Conditions {
  const old = conditions.find((condition) => condition.type === type);
  if (old?.status === status && old.reason === reason) return conditions;
  const time = formatTime(now);
  const lastTransitionTime = old?.status === status ? old.lastTransitionTime : time;
  return [
    ...conditions.filter((condition) => condition.type !== type),
    { type, status, lastUpdateTime: time, ...(lastTransitionTime ? { lastTransitionTime } : {}), reason, message },
  ];
}

/** Whether all pods of the Deployment are new, there and available. */
export function isComplete({ spec, metadata }: Deployment, status: DeploymentStatus): boolean {
  const replicas = spec.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= (metadata.generation ?? 0)
  );
}

/** The status without a verdict on progress: the numbers and the Available condition. */
export function countReplicas(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const { spec, status, metadata } = deployment;
  const sum = (field: "replicas" | "readyReplicas" | "terminatingReplicas"): number =>
    sets.reduce((total, set) => total + (set.status?.[field] ?? 0), 0);
  const availableReplicas = available(sets);
  const enough = availableReplicas >= (spec.replicas ?? 1) - allowances(deployment).unavailable;
  const verdict = enough
    ? { status: "True", reason: "MinimumReplicasAvailable", message: "Deployment has minimum availability." }
    : { status: "False", reason: "MinimumReplicasUnavailable", message: "Deployment does not have minimum availability." };
  const conditions = withCondition(status?.conditions ?? [], { type: "Available", ...verdict }, now);
  return {
    ...withoutZeros<DeploymentStatus>(
      {
        observedGeneration: Math.max(metadata.generation ?? 0, status?.observedGeneration ?? 0),
        replicas: sum("replicas"),
        updatedReplicas: newSet?.status?.replicas ?? 0,
        readyReplicas: sum("readyReplicas"),
        availableReplicas,
        unavailableReplicas: Math.max(0, wanted(sets) - availableReplicas),
        ...(sets.every((set) => set.status?.terminatingReplicas !== undefined) ? { terminatingReplicas: sum("terminatingReplicas") } : {}),
        ...(status?.collisionCount !== undefined ? { collisionCount: status.collisionCount } : {}),
      },
      "terminatingReplicas",
      "collisionCount",
    ),
    conditions: [...conditions],
  };
}

/** The whole status after a step of a rollout: numbers, Available, Progressing and ReplicaFailure. */
export function rolloutStatus(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const status = countReplicas(deployment, sets, newSet, now);
  let conditions: Conditions = status.conditions ?? [];
  const current = findCondition(deployment.status?.conditions, "Progressing");
  if (!hasDeadline(deployment)) conditions = conditions.filter(({ type }) => type !== "Progressing");
  else if (!((status.replicas ?? 0) === (status.updatedReplicas ?? 0) && current?.reason === completed))
    conditions = progress(deployment, { status, conditions, newSet, now });
  const failure = replicaFailure(sets, newSet);
  if (failure) {
    const { type, status: state, reason = "", message = "" } = failure;
    conditions = withCondition(conditions, { type, status: state, reason, message }, now);
  } else conditions = conditions.filter(({ type }) => type !== "ReplicaFailure");
  return { ...status, conditions: [...conditions] };
}

/** In how many milliseconds the progress deadline has to be looked at; undefined when it does not matter now. */
export function deadlineCheck(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const current = findCondition(status.conditions, "Progressing");
  if (!hasDeadline(deployment) || !current || isComplete(deployment, status) || current.reason === timedOut) return undefined;
  const end = Date.parse(current.lastUpdateTime ?? "") + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000;
  return Math.max(0, end - now) + 1000;
}

/** The conditions that tell that a Deployment was paused or resumed: its deadline does not run meanwhile. The same when nothing changes. */
export function pausedConditions(deployment: Deployment, now: number): Conditions {
  const conditions = deployment.status?.conditions ?? [];
  if (!hasDeadline(deployment)) return conditions;
  const reason = findCondition(deployment.status?.conditions, "Progressing")?.reason;
  if (reason === timedOut) return conditions;
  const known = reason === "DeploymentPaused";
  const common = { type: "Progressing", status: "Unknown" };
  if (deployment.spec.paused && !known)
    return withCondition(conditions, { ...common, reason: "DeploymentPaused", message: "Deployment is paused" }, now);
  if (!deployment.spec.paused && known)
    return withCondition(conditions, { ...common, reason: "DeploymentResumed", message: "Deployment is resumed" }, now);
  return conditions;
}

interface Step {
  status: DeploymentStatus;
  conditions: Conditions;
  newSet: ReplicaSet | undefined;
  now: number;
}

function progress(deployment: Deployment, { status, conditions, newSet, now }: Step): Conditions {
  const subject = newSet ? `ReplicaSet "${newSet.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  const verdict = (state: string, reason: string, message: string) => ({ type: "Progressing", status: state, reason, message });
  const current = findCondition(deployment.status?.conditions, "Progressing");
  if (isComplete(deployment, status))
    return withCondition(conditions, verdict("True", completed, `${subject} has successfully progressed.`), now);
  if (hasProgressed(deployment.status, status)) {
    // Replaced even when the reason is the same: its lastUpdateTime is when the deadline begins anew.
    const next = withCondition(
      conditions.filter(({ type }) => type !== "Progressing"),
      verdict("True", "ReplicaSetUpdated", `${subject} is progressing.`),
      now,
    );
    const kept = current?.status === "True" ? current.lastTransitionTime : undefined;
    return kept
      ? next.map((condition) => (condition.type === "Progressing" ? { ...condition, lastTransitionTime: kept } : condition))
      : next;
  }
  if (hasTimedOut(deployment, current, now))
    return withCondition(conditions, verdict("False", timedOut, `${subject} has timed out progressing.`), now);
  return conditions;
}

function hasProgressed(before: DeploymentStatus | undefined, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus | undefined): number => (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  const more = (field: "updatedReplicas" | "readyReplicas" | "availableReplicas"): boolean => (after[field] ?? 0) > (before?.[field] ?? 0);
  return more("updatedReplicas") || old(after) < old(before) || more("readyReplicas") || more("availableReplicas");
}

function hasTimedOut({ spec }: Deployment, current: DeploymentCondition | undefined, now: number): boolean {
  if (!current || current.reason === completed) return false;
  if (current.reason === timedOut) return true;
  return Date.parse(current.lastUpdateTime ?? "") + (spec.progressDeadlineSeconds ?? 0) * 1000 < now;
}

function replicaFailure(sets: readonly ReplicaSet[], newSet: ReplicaSet | undefined): DeploymentCondition | undefined {
  for (const set of newSet ? [newSet, ...sets] : sets) {
    const failure = set.status?.conditions?.find(({ type, status }) => type === "ReplicaFailure" && status === "True");
    if (failure) return failure;
  }
  return undefined;
}
