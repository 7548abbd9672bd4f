import { milliValue, value } from "../../api/meta/quantity.ts";
import type { Container, Pod, ResourceRequirements } from "../../api/types/core.v1.ts";
import type { LinuxResources } from "../runtime/runtime.ts";
import { podContainers } from "./containers.ts";

/** Less than this no container starts (and Docker Engine refuses it): bytes. */
const leastMemory = 6 * 2 ** 20;

/** Limits as the kernel wants them. Requests of CPU become shares, limits a quota of each 100 ms; never less than the kernel's least. */
export function linuxResources(resources: ResourceRequirements | undefined): LinuxResources {
  const { requests = {}, limits = {} } = resources ?? {};
  const cpuLimit = limits["cpu"] === undefined ? 0 : milliValue(limits["cpu"]);
  const cpuRequest = requests["cpu"] === undefined ? cpuLimit : milliValue(requests["cpu"]);
  return {
    cpuShares: Math.min(Math.max(Math.floor((cpuRequest * 1024) / 1000), 2), 262_144),
    cpuQuota: cpuLimit === 0 ? 0 : Math.max(cpuLimit * 100, 1000),
    cpuPeriod: 100_000,
    memory: limits["memory"] === undefined ? 0 : Math.max(value(limits["memory"]), leastMemory),
  };
}

/** The resources whose limits in the kernel differ. */
export function changedResources(now: LinuxResources, wanted: LinuxResources): ("cpu" | "memory")[] {
  const cpu = now.cpuShares !== wanted.cpuShares || now.cpuQuota !== wanted.cpuQuota;
  const memory = now.memory !== wanted.memory;
  return [...(cpu ? (["cpu"] as const) : []), ...(memory ? (["memory"] as const) : [])];
}

/** Guaranteed when every container limits CPU and memory to what it requests, BestEffort when none says anything, else Burstable. */
export function qosClass(pod: Pod): "Guaranteed" | "Burstable" | "BestEffort" {
  if (pod.status?.qosClass) return pod.status.qosClass;
  const resources = podContainers(pod)
    .filter((c) => c.kind !== "ephemeralContainers")
    .map((c) => c.container.resources ?? {});
  if (pod.spec.resources) resources.splice(0, resources.length, pod.spec.resources);
  const says = (r: ResourceRequirements): boolean =>
    ["cpu", "memory"].some((name) => r.requests?.[name] !== undefined || r.limits?.[name] !== undefined);
  if (!resources.some(says)) return "BestEffort";
  const guaranteed = resources.every((r) =>
    ["cpu", "memory"].every((name) => {
      const limit = r.limits?.[name];
      return limit !== undefined && milliValue(r.requests?.[name] ?? limit) === milliValue(limit);
    }),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}

/** The priority of node-critical pods: killed last when memory runs out. */
const systemCritical = 2_000_000_000;

/** Whom the kernel kills first when memory runs out: who uses most of what was not requested. `capacity` in bytes. */
export function oomScoreAdjust(pod: Pod, container: Container, capacity: number): number {
  if ((pod.spec.priority ?? 0) >= systemCritical) return -997;
  const qos = qosClass(pod);
  if (qos === "Guaranteed") return -997;
  if (qos === "BestEffort") return 1000;
  const request = value(container.resources?.requests?.["memory"] ?? "0");
  return Math.min(Math.max(1000 - Math.floor((1000 * request) / capacity), 3), 999);
}

/** What a pod asks of a node for one resource, in thousandths: the sum of its containers, or its init phase where that needs more. */
export function podRequestMilli(pod: Pod, resource: string): number {
  const milli = (quantity: string | undefined): number => (quantity === undefined ? 0 : milliValue(quantity));
  const fromPod = pod.spec.resources?.requests?.[resource];
  const overhead = milli(pod.spec.overhead?.[resource]);
  if (fromPod !== undefined) return milliValue(fromPod) + overhead;
  let [sidecars, highest] = [0, 0];
  for (const { resources, restartPolicy } of pod.spec.initContainers ?? []) {
    const request = milli(resources?.requests?.[resource]);
    if (restartPolicy === "Always") sidecars += request;
    highest = Math.max(highest, restartPolicy === "Always" ? sidecars : sidecars + request);
  }
  let running = sidecars;
  for (const { resources } of pod.spec.containers) running += milli(resources?.requests?.[resource]);
  return Math.max(running, highest) + overhead;
}
