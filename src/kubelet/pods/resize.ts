import type { Pod } from "../../api/types/core.v1.ts";
import type { KubeletContext } from "../context.ts";
import type { ContainerState, LinuxResources, PodState } from "../runtime/runtime.ts";
import { podContainers } from "./containers.ts";
import { currentContainer, type Kill } from "./plan.ts";
import { linuxResources } from "./resources.ts";

/**
 * Gives running containers the resources that the spec now asks for (KEP-1287), in place. Returns those whose resize policy wants a restart.
 * Memory below what is in use would be refused by the kernel: it stays as it is until there is room.
 */
export async function applyResize(context: KubeletContext, pod: Pod, state: PodState): Promise<Kill[]> {
  const restarts: Kill[] = [];
  for (const { kind, container } of podContainers(pod)) {
    if (kind === "ephemeralContainers") continue;
    const current = currentContainer(state, container.name, undefined);
    if (current?.state !== "running") continue;
    const wanted = linuxResources(container.resources);
    const changed = changedResources(current.resources, wanted);
    if (changed.length === 0) continue;
    if (changed.some((name) => container.resizePolicy?.find((p) => p.resourceName === name)?.restartPolicy === "RestartContainer")) {
      restarts.push({ container: current, message: `Container ${container.name} resize requires restart` });
      continue;
    }
    if (await fits(context, current, wanted)) await context.runtime.updateResources(current.id, wanted);
  }
  return restarts;
}

/** The resources whose limits in the kernel differ. */
export function changedResources(now: LinuxResources, wanted: LinuxResources): ("cpu" | "memory")[] {
  const cpu = now.cpuShares !== wanted.cpuShares || now.cpuQuota !== wanted.cpuQuota;
  const memory = now.memory !== wanted.memory;
  return [...(cpu ? (["cpu"] as const) : []), ...(memory ? (["memory"] as const) : [])];
}

async function fits(context: KubeletContext, current: ContainerState, wanted: LinuxResources): Promise<boolean> {
  if (wanted.memory === 0 || wanted.memory >= current.resources.memory) return true;
  const stats = await context.runtime.stats(current.id);
  return (stats?.memoryUsageBytes ?? 0) < wanted.memory;
}
