import { findVolume, storageClassOf, volumeReachable } from "../../api/core/volume-matching.ts";
import { key, keyOf } from "../../api/meta/object.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../../api/types/core.v1.ts";
import type { StorageClass } from "../../api/types/storage.v1.ts";
import { type Plugin, type Rejection, unresolvable } from "../framework.ts";
import type { NodeInfo } from "../node-info.ts";
import type { PodInfo } from "../pod-info.ts";
import type { World } from "../world.ts";

const affinityConflict = unresolvable("node(s) didn't match PersistentVolume's node affinity");
const noVolume = unresolvable("node(s) didn't find available persistent volumes to bind");
const volumeMissing = unresolvable("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
const unbound = unresolvable("pod has unbound immediate PersistentVolumeClaims");
/** The annotation by which the scheduler tells the provisioner where the volume is needed. */
export const selectedNode = "volume.kubernetes.io/selected-node";

/** The writes of volume binding. */
export interface VolumeWriter {
  /** Reserves the volume for the claim; the volume controller completes the binding. */
  reserve(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void>;
  /** Asks the provisioner for a volume that this node can reach. */
  provision(claim: PersistentVolumeClaim, nodeName: string): Promise<void>;
  /** Resolves when the claims are bound; fails when that takes too long or a claim's selected node is taken back. */
  untilBound(claims: readonly PersistentVolumeClaim[]): Promise<void>;
}

/** Whether claim and volume have found each other for good. */
export function isBound(claim: PersistentVolumeClaim): boolean {
  return Boolean(claim.spec.volumeName) && claim.metadata.annotations?.["pv.kubernetes.io/bind-completed"] !== undefined;
}

/** The pod's claims: those that are bound, and those that wait for the pod to get a node. */
function sortClaims(pod: PodInfo, world: World): { bound: PersistentVolumeClaim[]; waiting: PersistentVolumeClaim[] } | Rejection {
  const bound: PersistentVolumeClaim[] = [];
  const waiting: PersistentVolumeClaim[] = [];
  for (const name of pod.claims) {
    const claim = world.lookups.claim(pod.namespace, name);
    if (!claim) return missingClaim(pod, name);
    if (claim.metadata.deletionTimestamp) return unresolvable(`persistentvolumeclaim "${name}" is being deleted`);
    if (claim.status?.phase === "Lost")
      return unresolvable(`persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName}"`);
    if (isBound(claim)) bound.push(claim);
    else if (!claim.spec.volumeName && world.lookups.storageClass(storageClassOf(claim))?.volumeBindingMode === "WaitForFirstConsumer")
      waiting.push(claim);
    else return unbound;
  }
  return { bound, waiting };
}

function missingClaim(pod: PodInfo, name: string): Rejection {
  const ephemeral = pod.pod.spec.volumes?.some((v) => v.ephemeral && `${pod.pod.metadata.name}-${v.name}` === name);
  if (ephemeral) return unresolvable(`waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`);
  return unresolvable(`persistentvolumeclaim "${name}" not found`);
}

function canProvision(storageClass: StorageClass | undefined, node: NodeInfo): boolean {
  if (!storageClass || storageClass.provisioner === "kubernetes.io/no-provisioner") return false;
  const topologies = storageClass.allowedTopologies ?? [];
  if (topologies.length === 0) return true;
  return topologies.some((term) => (term.matchLabelExpressions ?? []).every((e) => e.values.includes(node.labels[e.key] ?? "\0")));
}

/** VolumeBinding: pods go where their volumes can be reached; claims of class mode WaitForFirstConsumer get their volume when the pod gets its node. */
export function volumeBinding(writer: VolumeWriter): Plugin {
  /** Volumes promised to a claim by key, until the caches show it. */
  const promised = new Map<string, string>();

  function choose(
    waiting: readonly PersistentVolumeClaim[],
    node: NodeInfo,
    world: World,
  ): Map<PersistentVolumeClaim, PersistentVolume | undefined> | undefined {
    const chosen = new Map<PersistentVolumeClaim, PersistentVolume | undefined>();
    const taken = new Set<string>();
    for (const claim of waiting) {
      const selected = claim.metadata.annotations?.[selectedNode];
      if (selected !== undefined && selected !== node.name) return undefined;
      const volume =
        selected === undefined
          ? findVolume(claim, world.lookups.volumes(), {
              node,
              taken: (v) => taken.has(v.metadata.name) || (promised.get(v.metadata.name) ?? keyOf(claim)) !== keyOf(claim),
            })
          : undefined;
      if (!volume && !canProvision(world.lookups.storageClass(storageClassOf(claim)), node)) return undefined;
      if (volume) taken.add(volume.metadata.name);
      chosen.set(claim, volume);
    }
    return chosen;
  }

  function check(
    node: NodeInfo,
    world: World,
    { bound, waiting }: { bound: PersistentVolumeClaim[]; waiting: PersistentVolumeClaim[] },
  ): Rejection | undefined {
    for (const claim of bound) {
      const volume = world.lookups.volume(claim.spec.volumeName ?? "");
      if (!volume) return volumeMissing;
      if (!volumeReachable(volume, node)) return affinityConflict;
    }
    return waiting.length === 0 || choose(waiting, node, world) ? undefined : noVolume;
  }

  async function bind(chosen: Map<PersistentVolumeClaim, PersistentVolume | undefined>, nodeName: string): Promise<void> {
    try {
      for (const [claim, volume] of chosen) {
        if (volume) await writer.reserve(volume, claim);
        else if (claim.metadata.annotations?.[selectedNode] !== nodeName) await writer.provision(claim, nodeName);
      }
      await writer.untilBound([...chosen.keys()]);
    } finally {
      for (const volume of chosen.values()) if (volume) promised.delete(volume.metadata.name);
    }
  }

  return {
    name: "VolumeBinding",
    filter(pod, world) {
      if (pod.claims.length === 0) return undefined;
      const claims = sortClaims(pod, world);
      return "reasons" in claims ? claims : { check: (node) => check(node, world, claims) };
    },
    beforeBind(pod, node, world) {
      if (pod.claims.length === 0) return undefined;
      const claims = sortClaims(pod, world);
      if ("reasons" in claims) return Promise.reject(new Error(claims.reasons.join(", ")));
      const chosen = choose(claims.waiting, node, world);
      if (!chosen) return Promise.reject(new Error("the volumes that were free a moment ago are taken"));
      if (chosen.size === 0) return undefined;
      for (const [claim, volume] of chosen) if (volume) promised.set(volume.metadata.name, keyOf(claim));
      return bind(chosen, node.name);
    },
    wakes: (pod, event) =>
      event.type === "node" ||
      event.type === "volume" ||
      event.type === "storageclass" ||
      (event.type === "claim" && pod.claims.some((name) => keyOf(event.claim) === key(pod.namespace, name))),
  };
}
