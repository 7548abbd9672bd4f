import { compileNodeSelector } from "../../api/core/node-selector.ts";
import { milliValue } from "../../api/meta/quantity.ts";
import type { Node, Pod } from "../../api/types/core.v1.ts";
import { podRequestMilli } from "./resources.ts";

/** Why the node does not take a pod that was assigned to it: the status of the pod that then fails. */
export interface Rejection {
  reason: string;
  message: string;
}

/** Whether a node takes a pod beside those that it has; undefined when it does. */
export function admitPod(pod: Pod, node: Node, others: readonly Pod[]): Rejection | undefined {
  const { nodeSelector = {}, affinity, os } = pod.spec;
  const labels = node.metadata.labels ?? {};
  if (os?.name && os.name !== (labels["kubernetes.io/os"] ?? "linux"))
    return { reason: "PodOSNotSupported", message: "Failed to admit pod as the OS field doesn't match node OS" };
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const matches =
    Object.entries(nodeSelector).every(([k, v]) => labels[k] === v) &&
    (!required || compileNodeSelector(required)({ name: node.metadata.name, labels }));
  if (!matches)
    return {
      reason: "NodeAffinity",
      message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    };
  const allocatable = node.status.allocatable ?? {};
  const running = others.filter((p) => p.status.phase !== "Succeeded" && p.status.phase !== "Failed");
  const podLimit = milliValue(allocatable["pods"] ?? "110") / 1000;
  if (running.length + 1 > podLimit) return out("pods", 1, running.length, podLimit);
  const names = new Set(["cpu", "memory", "ephemeral-storage", ...extendedResources(pod)]);
  for (const name of names) {
    const wanted = podRequestMilli(pod, name);
    if (wanted === 0) continue;
    const used = running.reduce((sum, p) => sum + podRequestMilli(p, name), 0);
    const capacity = milliValue(allocatable[name] ?? "0");
    if (used + wanted <= capacity) continue;
    const scale = name === "cpu" ? 1 : 1000;
    return out(name, wanted / scale, used / scale, capacity / scale);
  }
  return undefined;
}

function out(resource: string, requested: number, used: number, capacity: number): Rejection {
  const message = `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return { reason: `OutOf${resource}`, message };
}

function extendedResources(pod: Pod): string[] {
  return pod.spec.containers.flatMap((c) => Object.keys(c.resources?.requests ?? {})).filter((name) => name.includes("/"));
}
