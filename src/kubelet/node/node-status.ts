import { findCondition } from "../../api/meta/conditions.ts";
import { formatTime } from "../../api/meta/time.ts";
import type { ContainerImage, Node, NodeCondition, NodeStatus, Taint } from "../../api/types/core.v1.ts";
import type { ImageInfo } from "../runtime/runtime.ts";
import { goArchitecture, type Machine } from "./machine.ts";

/** What a node's object is made from. */
export interface NodeFacts {
  name: string;
  ip: string;
  labels: Readonly<Record<string, string>>;
  taints: readonly Taint[];
  machine: Machine;
  /** The port of the kubelet's server; 0: it has none. */
  port: number;
  images: readonly ImageInfo[];
  /** Why the node cannot run pods; undefined when it can. */
  notReady: string | undefined;
}

/** The object that registers the node. */
export function newNode(
  facts: NodeFacts,
): Omit<Node, "metadata" | "status"> & { metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> } } {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: facts.name,
      labels: nodeLabels(facts),
      annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
    },
    spec: facts.taints.length > 0 ? { taints: [...facts.taints] } : {},
  };
}

/** The labels that a kubelet gives its node, and those that it was told to. */
export function nodeLabels({ name, labels }: Pick<NodeFacts, "name" | "labels">): Record<string, string> {
  const architecture = goArchitecture();
  return {
    "beta.kubernetes.io/arch": architecture,
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": architecture,
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "node.kubernetes.io/instance-type": "hue",
    ...labels,
  };
}

/** At most this many images are told, the largest first. */
const imageLimit = 50;

/** What this kubelet can do and others may not (KEP-5328), sorted: resources of init containers change as those of the others do. */
const declaredFeatures = ["InPlacePodVerticalScalingInitContainers"];

/** The node's status now; `old` is what the object carries. Resources that others have added are not in it: a merge keeps them. */
export function nodeStatus(facts: NodeFacts, old: NodeStatus | undefined, now: number): NodeStatus {
  const { machine, ip, name, port } = facts;
  return {
    addresses: [
      { type: "InternalIP", address: ip },
      { type: "Hostname", address: name },
    ],
    capacity: machine.capacity,
    allocatable: machine.capacity,
    conditions: nodeConditions(facts.notReady, old?.conditions, now),
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    images: imageList(facts.images),
    nodeInfo: machine.info,
    runtimeHandlers: [{ name: "", features: { recursiveReadOnlyMounts: false, userNamespaces: false } }],
    features: { supplementalGroupsPolicy: false },
    declaredFeatures,
  };
}

function nodeConditions(notReady: string | undefined, old: readonly NodeCondition[] | undefined, now: number): NodeCondition[] {
  const wanted: Pick<NodeCondition, "type" | "status" | "reason" | "message">[] = [
    { type: "MemoryPressure", status: "False", reason: "KubeletHasSufficientMemory", message: "kubelet has sufficient memory available" },
    { type: "DiskPressure", status: "False", reason: "KubeletHasNoDiskPressure", message: "kubelet has no disk pressure" },
    { type: "PIDPressure", status: "False", reason: "KubeletHasSufficientPID", message: "kubelet has sufficient PID available" },
    notReady === undefined
      ? { type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" }
      : { type: "Ready", status: "False", reason: "KubeletNotReady", message: notReady },
  ];
  const at = formatTime(now);
  return wanted.map((c) => {
    const before = findCondition(old, c.type);
    const lastTransitionTime = before?.status === c.status && before.lastTransitionTime ? before.lastTransitionTime : at;
    return { ...c, lastHeartbeatTime: at, lastTransitionTime };
  });
}

function imageList(images: readonly ImageInfo[]): ContainerImage[] {
  return [...images]
    .filter((i) => i.names.length > 0)
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .slice(0, imageLimit)
    .map(({ names, sizeBytes }) => ({ names, sizeBytes }));
}

/** Whether two statuses differ in more than the time of their heartbeat. */
export function withoutHeartbeats(status: Partial<NodeStatus>): Partial<NodeStatus> {
  return { ...status, conditions: (status.conditions ?? []).map(({ lastHeartbeatTime: _, ...c }) => c) };
}
