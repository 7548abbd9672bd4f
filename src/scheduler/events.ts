import { deepEqual } from "../api/meta/equality.ts";
import type { Node, Pod } from "../api/types/core.v1.ts";
import { Namespaces, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, StorageClasses } from "../api/types/resources.ts";
import type { Caches, Change } from "../client/cache.ts";
import { isTerminal, podInfo } from "./pod-info.ts";
import type { SchedulingQueue } from "./queue.ts";
import type { World } from "./world.ts";

/** Whether the scheduler is the one that the pod asks for. */
export const schedulerName = "default-scheduler";

/** Keeps world and queue true to the caches, which must be synced. Returns how to end it. */
export function follow(caches: Caches, world: World, queue: SchedulingQueue): () => void {
  const ends = [
    // Nodes first: a pod's node is to be known before the pod.
    caches.of(Nodes).onChange((change) => onNode(change, world, queue)),
    caches.of(Pods).onChange((change) => onPod(change, world, queue)),
    caches.of(PersistentVolumeClaims).onChange(({ object }) => object && queue.happened({ type: "claim", claim: object })),
    caches.of(PersistentVolumes).onChange(({ object }) => object && queue.happened({ type: "volume", volume: object })),
    caches.of(StorageClasses).onChange(({ object }) => object && queue.happened({ type: "storageclass", storageClass: object })),
    caches.of(Namespaces).onChange(({ object, old }) => {
      if (object && !deepEqual(object.metadata.labels, old?.metadata.labels)) queue.happened({ type: "namespace", namespace: object });
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function onNode({ object, old }: Change<Node>, world: World, queue: SchedulingQueue): void {
  if (!object) {
    world.removeNode(old?.metadata.name ?? "");
    return;
  }
  if (old && !nodeChanged(old, object)) return;
  world.setNode(object);
  queue.happened({ type: "node", node: object, old });
}

/** Heartbeats change nothing that a pod could wait for. */
function nodeChanged(old: Node, node: Node): boolean {
  return (
    old.spec?.unschedulable !== node.spec?.unschedulable ||
    !deepEqual(old.metadata.labels, node.metadata.labels) ||
    !deepEqual(old.spec?.taints, node.spec?.taints) ||
    !deepEqual(old.status?.allocatable, node.status?.allocatable) ||
    !deepEqual(old.status?.images, node.status?.images)
  );
}

function onPod({ object, old }: Change<Pod>, world: World, queue: SchedulingQueue): void {
  if (!object || isTerminal(object)) gone(object ?? old, old, world, queue);
  else if (object.spec.nodeName) {
    const { uid } = object.metadata;
    queue.remove(uid);
    world.unnominate(uid);
    const before = old?.spec.nodeName ? old : undefined;
    if (world.setPod(object) || !before) queue.happened({ type: "pod", pod: object, old: before });
  } else waits(object, old, world, queue);
}

function gone(pod: Pod | undefined, old: Pod | undefined, world: World, queue: SchedulingQueue): void {
  if (!pod) return;
  const { uid } = pod.metadata;
  const tookRoom = world.hasPod(uid) || world.nominatedNodeOf(uid) !== undefined;
  queue.remove(uid);
  world.unnominate(uid);
  world.removePod(uid);
  if (tookRoom) queue.happened({ type: "pod", pod: undefined, old: old ?? pod });
}

function waits(pod: Pod, old: Pod | undefined, world: World, queue: SchedulingQueue): void {
  if ((pod.spec.schedulerName ?? schedulerName) !== schedulerName) return;
  const { uid, deletionTimestamp } = pod.metadata;
  if (deletionTimestamp) gone(pod, old, world, queue);
  if (deletionTimestamp || world.hasPod(uid)) return;
  const info = podInfo(pod);
  const nominated = pod.status?.nominatedNodeName;
  if (nominated) world.nominate(info, nominated);
  const changed = !deepEqual(old?.spec, pod.spec) || !deepEqual(old?.metadata.labels, pod.metadata.labels);
  queue.set(info, changed);
}
