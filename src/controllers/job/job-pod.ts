import type { Creatable } from "../../api/meta/object.ts";
import type { Job } from "../../api/types/batch.v1.ts";
import type { Container, Pod } from "../../api/types/core.v1.ts";
import { podCondition } from "../pod-state.ts";
import { podFromTemplate } from "../pod-control.ts";

/** Pure: a Job's pods. */

/** Keeps a pod that has ended until it has been counted. */
export const trackingFinalizer = "batch.kubernetes.io/job-tracking";
const indexKey = "batch.kubernetes.io/job-completion-index";
const failureCountKey = "batch.kubernetes.io/job-index-failure-count";

/** Whether pods of the Job have completion indexes. */
export function isIndexed({ spec }: Job): boolean {
  return spec.completionMode === "Indexed";
}

/** Whether the pod still waits for being counted. */
export function isTracked({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(trackingFinalizer) ?? false;
}

/** The completion index of a pod. */
export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[indexKey];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** How often the index had failed before this pod. */
export function failureCountOf({ metadata }: Pod): number {
  return Number(metadata.annotations?.[failureCountKey] ?? 0) || 0;
}

/** Whether only a pod that has really ended counts as failed and is replaced; otherwise one that is being deleted does already. */
export function replacesOnlyFailed({ spec }: Job): boolean {
  return spec.podReplacementPolicy === "Failed" || (spec.podReplacementPolicy === undefined && spec.podFailurePolicy !== undefined);
}

/** Whether the pod counts as failed. */
export function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status.phase === "Failed") return true;
  if (replacesOnlyFailed(job)) return false;
  return pod.metadata.deletionTimestamp !== undefined && pod.status.phase !== "Succeeded";
}

/** When the pod ended, in milliseconds: by its containers, by when it was no longer ready, by its deletion, else by its creation. */
export function finishedAt(pod: Pod, now: number): number {
  const times = (pod.status.containerStatuses ?? []).map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ""));
  if (times.length > 0 && times.every((time) => !Number.isNaN(time))) return Math.max(...times);
  const ready = podCondition(pod, "Ready");
  const unready = ready?.status === "False" ? ready.lastTransitionTime : undefined;
  const { deletionTimestamp, creationTimestamp } = pod.metadata;
  return Math.min(now, Date.parse(unready ?? deletionTimestamp ?? creationTimestamp));
}

/** A new pod of the Job; `failures` is given where failures are counted for each index. */
export function jobPod(job: Job, index?: number, failures?: number): Creatable<Pod> {
  const pod = podFromTemplate(job.spec.template, job);
  const finalizers = [...(pod.metadata.finalizers ?? []), trackingFinalizer];
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } };
  const text = String(index);
  const name = `${job.metadata.name}-${text}`;
  const count: Record<string, string> = failures === undefined ? {} : { [failureCountKey]: String(failures) };
  const { initContainers, containers } = pod.spec;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      generateName: `${name}-`,
      labels: { ...pod.metadata.labels, [indexKey]: text },
      annotations: { ...pod.metadata.annotations, [indexKey]: text, ...count },
      finalizers,
    },
    spec: {
      ...pod.spec,
      hostname: name,
      containers: containers.map(withIndex),
      ...(initContainers ? { initContainers: initContainers.map(withIndex) } : {}),
    },
  };
}

function withIndex(container: Container): Container {
  const name = "JOB_COMPLETION_INDEX";
  const env = container.env ?? [];
  if (env.some((variable) => variable.name === name)) return container;
  return {
    ...container,
    env: [...env, { name, valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: `metadata.labels['${indexKey}']` } } }],
  };
}
