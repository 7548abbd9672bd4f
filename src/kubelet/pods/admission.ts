import { compileNodeSelector } from "../../api/core/node-selector.ts";
import { milliValue } from "../../api/meta/quantity.ts";
import type { Node, Pod } from "../../api/types/core.v1.ts";
import { isSidecar, podContainers } from "./containers.ts";
import { allContainers } from "../../api/core/pod-defaults.ts";
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
  if (portsTaken(pod, others))
    return {
      reason: "NodePorts",
      message: "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    };
  const missing = missingResource(pod, node, others);
  if (!missing) return undefined;
  const { resource, requested, used, capacity } = missing;
  const message = `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return { reason: `OutOf${resource}`, message };
}

/** Why a node without AppArmor does not take a pod that asks for one of its profiles; undefined when it does. */
export function refuseAppArmor({ spec }: Pod): Rejection | undefined {
  const asks = [spec, ...allContainers(spec)].some(({ securityContext }) => {
    const type = securityContext?.appArmorProfile?.type;
    return type !== undefined && type !== "Unconfined";
  });
  if (!asks) return undefined;
  return { reason: "AppArmor", message: "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host" };
}

/** A resource that a node has not enough of: CPU in thousandths, all others in their own unit. */
export interface Missing {
  resource: string;
  requested: number;
  used: number;
  capacity: number;
}

/** The first resource that a node cannot give to a pod beside others; undefined when it has room. */
export function missingResource(pod: Pod, node: Node, others: readonly Pod[]): Missing | undefined {
  const allocatable = node.status.allocatable ?? {};
  const running = others.filter(isActive);
  const podLimit = milliValue(allocatable["pods"] ?? "110") / 1000;
  if (running.length + 1 > podLimit) return { resource: "pods", requested: 1, used: running.length, capacity: podLimit };
  const names = new Set(["cpu", "memory", "ephemeral-storage", ...extendedResources(pod)]);
  for (const resource of names) {
    const wanted = podRequestMilli(pod, resource);
    if (wanted === 0) continue;
    const used = running.reduce((sum, p) => sum + podRequestMilli(p, resource), 0);
    const capacity = milliValue(allocatable[resource] ?? "0");
    if (used + wanted <= capacity) continue;
    const scale = resource === "cpu" ? 1 : 1000;
    return { resource, requested: wanted / scale, used: used / scale, capacity: capacity / scale };
  }
  return undefined;
}

function isActive(pod: Pod): boolean {
  return pod.status.phase !== "Succeeded" && pod.status.phase !== "Failed";
}

function portsTaken(pod: Pod, others: readonly Pod[]): boolean {
  const wanted = hostPorts(pod);
  if (wanted.length === 0) return false;
  const taken = others.filter(isActive).flatMap(hostPorts);
  return wanted.some((w) =>
    taken.some((t) => t.port === w.port && t.protocol === w.protocol && (t.ip === w.ip || t.ip === "0.0.0.0" || w.ip === "0.0.0.0")),
  );
}

/** Containers one after the other have no ports at the same time as the others: init containers count only as sidecars. */
function hostPorts(pod: Pod): { port: number; protocol: string; ip: string }[] {
  const containers = podContainers(pod).filter((c) => c.kind === "containers" || isSidecar(c));
  return containers.flatMap(({ container }) =>
    (container.ports ?? []).flatMap(({ hostPort, protocol = "TCP", hostIP }) =>
      hostPort ? [{ port: hostPort, protocol, ip: hostIP || "0.0.0.0" }] : [],
    ),
  );
}

function extendedResources(pod: Pod): string[] {
  return pod.spec.containers.flatMap((c) => Object.keys(c.resources?.requests ?? {})).filter((name) => name.includes("/"));
}
