import { semanticEqual } from "../../api/meta/equality.ts";
import type { Node, Pod, PodCondition } from "../../api/types/core.v1.ts";
import type { KubeletContext } from "../context.ts";
import type { ContainerState, LinuxResources, PodState } from "../runtime/runtime.ts";
import { missingResource } from "./admission.ts";
import { findStatus, type PodContainer, podContainers } from "./containers.ts";
import { currentContainer, type Kill } from "./plan.ts";
import { changedResources, linuxResources } from "./resources.ts";

/** The condition that tells of a resize: its type, reason and message (KEP-1287). */
export type ResizeCondition = Pick<PodCondition, "type" | "reason" | "message">;

/** How far a resize has come. */
export interface ResizeProgress {
  /** Containers whose resize policy wants a restart. */
  restarts: Kill[];
  /** Containers have changed in the runtime: what was known of them is old. */
  applied: boolean;
  /** Undefined when everything runs with what the spec asks for. */
  condition: ResizeCondition | undefined;
}

/** A running container that has not what its spec asks for. */
interface Change {
  container: PodContainer;
  current: ContainerState;
  wanted: LinuxResources;
  /** What differs in the kernel; nothing when only a request of memory does. */
  resources: ("cpu" | "memory")[];
}

/** Gives running containers the resources that the spec now asks for, in place, as far as the node has them. */
export async function applyResize(context: KubeletContext, pod: Pod, state: PodState): Promise<ResizeProgress> {
  const changes = changesOf(pod, state);
  const progress: ResizeProgress = { restarts: [], applied: false, condition: undefined };
  if (changes.length === 0) return progress;
  const node = context.node();
  const refusal = node && refuseResize(pod, node, context.neighbours(pod));
  if (refusal) return { ...progress, condition: { type: "PodResizePending", ...refusal } };
  const failures: string[] = [];
  for (const { container: c, current, wanted, resources } of changes) {
    const { name, resizePolicy } = c.container;
    if (resources.length === 0) continue;
    if (resources.some((r) => resizePolicy?.find((p) => p.resourceName === r)?.restartPolicy === "RestartContainer")) {
      progress.restarts.push({ container: current, message: `Container ${name} resize requires restart` });
      continue;
    }
    const failure = await update(context, name, current, wanted);
    if (failure) failures.push(failure);
    else progress.applied = true;
  }
  if (failures.length > 0) progress.condition = { type: "PodResizeInProgress", reason: "Error", message: failures.join("; ") };
  else if (progress.restarts.length > 0) progress.condition = { type: "PodResizeInProgress" };
  return progress;
}

/** Memory below what is in use would be refused by the kernel, or end the container: it stays as it is until there is room. */
async function update(context: KubeletContext, name: string, current: ContainerState, wanted: LinuxResources): Promise<string | undefined> {
  try {
    if (wanted.memory > 0 && (current.resources.memory === 0 || wanted.memory < current.resources.memory)) {
      const used = (await context.runtime.stats(current.id))?.memoryUsageBytes ?? 0;
      if (used >= wanted.memory)
        return `attempting to set container "${name}" memory limit (${wanted.memory}) below current usage (${used})`;
    }
    await context.runtime.updateResources(current.id, wanted);
    return undefined;
  } catch (error) {
    return `updating container "${name}" failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function changesOf(pod: Pod, state: PodState): Change[] {
  return podContainers(pod).flatMap((container) => {
    const { name, resources: asked } = container.container;
    const current = currentContainer(state, name, undefined);
    if (container.kind === "ephemeralContainers" || current?.state !== "running") return [];
    const wanted = linuxResources(asked);
    const resources = changedResources(current.resources, wanted);
    const { allocatedResources } = findStatus(pod, name) ?? {};
    const grown = allocatedResources !== undefined && !semanticEqual(allocatedResources, asked?.requests);
    return resources.length > 0 || grown ? [{ container, current, wanted, resources }] : [];
  });
}

/** Why a node cannot give a pod what its spec now asks for: never (Infeasible), or not yet (Deferred); undefined when it can. */
export function refuseResize(pod: Pod, node: Node, neighbours: readonly Pod[]): { reason: string; message: string } | undefined {
  const never = missingResource(pod, node, []);
  if (never) {
    const { resource, requested, capacity } = never;
    const message = `Node didn't have enough capacity: ${resource}, requested: ${requested}, capacity: ${capacity}`;
    return { reason: "Infeasible", message };
  }
  const now = missingResource(pod, node, neighbours);
  if (!now) return undefined;
  const { resource, requested, used, capacity } = now;
  const message = `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return { reason: "Deferred", message };
}
