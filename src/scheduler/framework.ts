import type { Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service } from "../api/types/core.v1.ts";
import type { LabelSelector } from "../api/types/meta.v1.ts";
import type { StorageClass } from "../api/types/storage.v1.ts";
import type { NodeInfo } from "./node-info.ts";
import type { PodInfo } from "./pod-info.ts";
import type { World } from "./world.ts";

/** Why a node (or all nodes) cannot take a pod. Shared constants where possible: filters run for thousands of nodes. */
export interface Rejection {
  reasons: readonly string[];
  /** False: removing pods from the node cannot help, so preemption does not look at it. */
  resolvable: boolean;
}

/** A rejection that the removal of other pods may lift. */
export function unschedulable(...reasons: string[]): Rejection {
  return { reasons, resolvable: true };
}

/** A rejection that stays whatever pods are removed. */
export function unresolvable(...reasons: string[]): Rejection {
  return { reasons, resolvable: false };
}

/** What a plugin's filter says about one pod; made anew for each attempt. */
export interface NodeFilter {
  check(node: NodeInfo): Rejection | undefined;
  /** The only nodes that can fit, by name; undefined: any. */
  readonly only?: ReadonlySet<string>;
  /** From here on as if that pod were on that node, too. Only where the filter has counted pods; preemption and nominated pods need it. */
  add?(pod: PodInfo, node: NodeInfo): void;
  /** From here on as if that pod had left that node: the exact opposite of add. */
  remove?(pod: PodInfo, node: NodeInfo): void;
}

/** What a plugin's scoring says about one pod; made anew for each attempt. */
export interface NodeScore {
  score(node: NodeInfo): number;
  /** Brings the raw scores, in place, to 0..100; left out where they are that already. */
  normalize?(scores: number[], nodes: readonly NodeInfo[]): void;
}

/** What happened in the cluster, as far as it may make a waiting pod schedulable. */
export type ClusterEvent =
  | { type: "node"; node: Node; old: Node | undefined }
  /** An assigned pod that came, changed, or (pod undefined) went. */
  | { type: "pod"; pod: Pod | undefined; old: Pod | undefined }
  | { type: "claim"; claim: PersistentVolumeClaim }
  | { type: "volume"; volume: PersistentVolume }
  | { type: "storageclass"; storageClass: StorageClass }
  | { type: "namespace"; namespace: Namespace };

/**
 * One concern of scheduling. One file a plugin, all in plugins/list.ts. A plugin looks at the pod once per attempt and returns what is then asked
 * for each node; undefined means it has nothing to say about this pod. KEP-624 describes the model.
 */
export interface Plugin {
  readonly name: string;
  /** How much its score counts; default 1. */
  readonly weight?: number;
  /** A Rejection refuses every node at once. */
  filter?(pod: PodInfo, world: World): NodeFilter | Rejection | undefined;
  /** `feasible` are the nodes that passed all filters. */
  score?(pod: PodInfo, world: World, feasible: readonly NodeInfo[]): NodeScore | undefined;
  /**
   * Work that must be done before the pod is bound to the node, such as binding volumes; undefined: none. Called in the same turn in which the node was
   * chosen, so what it remembers is seen by the next pod. When it fails, the pod is scheduled anew.
   */
  beforeBind?(pod: PodInfo, node: NodeInfo, world: World): Promise<void> | undefined;
  /** Whether that event may help a pod which this plugin has rejected. */
  wakes(pod: PodInfo, event: ClusterEvent): boolean;
}

/** The rest of the cluster as the plugins need it. In the server these are the shared caches; in tests plain data. */
export interface Lookups {
  namespace(name: string): Namespace | undefined;
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumes(): readonly PersistentVolume[];
  storageClass(name: string): StorageClass | undefined;
  services(namespace: string): readonly Service[];
  /** The pod selector of the pod's controlling ReplicaSet, ReplicationController or StatefulSet. */
  controllerSelector(pod: Pod): LabelSelector | undefined;
}

/** Tells a rejection of all nodes from a filter. */
export function isRejection(result: NodeFilter | Rejection): result is Rejection {
  return "reasons" in result;
}
