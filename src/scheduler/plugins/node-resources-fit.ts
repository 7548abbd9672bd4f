import type { Plugin, Rejection } from "../framework.ts";
import { type NodeInfo, nodeInfo } from "../node-info.ts";
import type { PodInfo } from "../pod-info.ts";

const reasonOf = new Map<string, string>();

/** What the node has too little of for the pod; undefined when it fits. */
function insufficient(pod: PodInfo, node: NodeInfo): Rejection | undefined {
  let reasons: string[] | undefined;
  let resolvable = true;
  const check = (name: string, wanted: number, used: number, has: number): void => {
    if (wanted === 0 || wanted <= has - used) return;
    (reasons ??= []).push(insufficientReason(name));
    if (wanted > has) resolvable = false;
  };
  if (node.pods.size + 1 > node.maxPods) (reasons ??= []).push("Too many pods");
  const { requests } = pod;
  check("cpu", requests.cpu, node.requested.cpu, node.allocatable.cpu);
  check("memory", requests.memory, node.requested.memory, node.allocatable.memory);
  check("ephemeral-storage", requests.ephemeralStorage, node.requested.ephemeralStorage, node.allocatable.ephemeralStorage);
  if (requests.scalars)
    for (const [name, wanted] of Object.entries(requests.scalars))
      check(name, wanted, node.requested.scalars?.[name] ?? 0, node.allocatable.scalars?.[name] ?? 0);
  return reasons && { reasons, resolvable };
}

function insufficientReason(name: string): string {
  let reason = reasonOf.get(name);
  if (!reason) reasonOf.set(name, (reason = `Insufficient ${name}`));
  return reason;
}

/** The share of CPU and memory that would stay free, 0 to 100. */
function leastAllocated(pod: PodInfo, node: NodeInfo): number {
  const free = (has: number, used: number): number => (has === 0 || used > has ? 0 : Math.floor(((has - used) * 100) / has));
  const cpu = free(node.allocatable.cpu, node.scoreRequested.cpu + pod.scoreRequests.cpu);
  const memory = free(node.allocatable.memory, node.scoreRequested.memory + pod.scoreRequests.memory);
  return Math.floor((cpu + memory) / 2);
}

/** NodeResourcesFit: requests must fit into what the node has left; emptier nodes are preferred (LeastAllocated). */
export const nodeResourcesFit: Plugin = {
  name: "NodeResourcesFit",
  filter: (pod) => ({ check: (node) => insufficient(pod, node) }),
  score: (pod) => ({ score: (node) => leastAllocated(pod, node) }),
  wakes(pod, event) {
    if (event.type === "pod") return event.old !== undefined;
    if (event.type !== "node") return false;
    return !insufficient(pod, nodeInfo(event.node));
  },
};
