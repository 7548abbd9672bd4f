import type { Plugin } from "../framework.ts";
import type { NodeInfo } from "../node-info.ts";
import type { PodInfo } from "../pod-info.ts";

function balance(pod: PodInfo, node: NodeInfo): number {
  const { allocatable, requested } = node;
  if (allocatable.cpu === 0 || allocatable.memory === 0) return 100;
  const cpu = Math.min(1, (requested.cpu + pod.requests.cpu) / allocatable.cpu);
  const memory = Math.min(1, (requested.memory + pod.requests.memory) / allocatable.memory);
  return Math.floor((1 - Math.abs(cpu - memory) / 2) * 100);
}

/** NodeResourcesBalancedAllocation: prefers nodes whose CPU and memory would be used to a similar share. Pods without requests do not care. */
export const balancedAllocation: Plugin = {
  name: "NodeResourcesBalancedAllocation",
  score(pod) {
    if (pod.requests.cpu === 0 && pod.requests.memory === 0) return undefined;
    return { score: (node) => balance(pod, node) };
  },
  wakes: () => false,
};
