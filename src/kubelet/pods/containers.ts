import type { Container, ContainerStatus, Pod } from "../../api/types/core.v1.ts";

/** The three lists of containers that a pod has. */
export type ContainerKind = "initContainers" | "containers" | "ephemeralContainers";

/** A container of a pod and the list that it is in. */
export interface PodContainer {
  kind: ContainerKind;
  container: Container;
  /** Of ephemeral containers: whose processes it sees. */
  target?: string;
}

/** Pods of one template share their list of containers: it is looked at a dozen times for each pod that starts. */
const ofList = new WeakMap<readonly Container[], readonly PodContainer[]>();

/** All containers of a pod, in the order of the three lists. */
export function podContainers(pod: Pod): readonly PodContainer[] {
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
  let own = ofList.get(containers);
  if (!own) ofList.set(containers, (own = containers.map((container) => ({ kind: "containers" as const, container }))));
  if (initContainers.length + ephemeralContainers.length === 0) return own;
  return [
    ...initContainers.map((container) => ({ kind: "initContainers" as const, container })),
    ...own,
    ...ephemeralContainers.map((e) => ({ kind: "ephemeralContainers" as const, container: e, target: e.targetContainerName })),
  ];
}

/** The container of that name, if the pod has one. */
export function findContainer(pod: Pod, name: string): PodContainer | undefined {
  return podContainers(pod).find((c) => c.container.name === name);
}

/** The status that the pod's object carries for a container. */
export function findStatus(pod: Pod, name: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find((s) => s.name === name);
}

/** Whether an init container goes on running beside the pod's containers (KEP-753). */
export function isSidecar(c: PodContainer): boolean {
  return c.kind === "initContainers" && c.container.restartPolicy === "Always";
}

/** The part of the pod that an event about a container is about. */
export function fieldPath({ kind, container }: PodContainer): string {
  return `spec.${kind}{${container.name}}`;
}

/** Whether a container is started again after that exit: its own rules first (KEP-5307), then its own policy, then the pod's. */
export function shouldRestart(pod: Pod, { kind, container }: PodContainer, exitCode: number): boolean {
  if (kind === "ephemeralContainers") return false;
  for (const rule of container.restartPolicyRules ?? []) {
    const has = rule.exitCodes?.values?.includes(exitCode) ?? false;
    if (rule.exitCodes && has === (rule.exitCodes.operator === "In")) return rule.action === "Restart";
  }
  const policy = container.restartPolicy ?? pod.spec.restartPolicy ?? "Always";
  // An init container that has succeeded is done, also where the pod's containers are always started again.
  if (policy === "Always" && (kind === "containers" || container.restartPolicy === "Always")) return true;
  return policy !== "Never" && exitCode !== 0;
}
