import { matchesLabelSelector } from "../meta/labels.ts";
import { compareQuantities, zeroQuantity } from "../meta/quantity.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../types/core.v1.ts";
import { compileNodeSelector, type SelectableNode } from "./node-selector.ts";

/** What a claim is matched by, beside the claim itself. */
export interface VolumeMatching {
  /** Only volumes that this node can reach; undefined: all. */
  node?: SelectableNode;
  /** Volumes that are spoken for although their claimRef does not say so yet. */
  taken?: (volume: PersistentVolume) => boolean;
}

/** Whether the volume's claimRef names that claim (a claimRef without uid is a reservation by hand). */
export function isReservedFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const ref = volume.spec.claimRef;
  if (!ref || ref.namespace !== claim.metadata.namespace || ref.name !== claim.metadata.name) return false;
  return !ref.uid || ref.uid === claim.metadata.uid;
}

/** Whether the node can reach the volume. */
export function volumeReachable(volume: PersistentVolume, node: SelectableNode): boolean {
  const required = volume.spec.nodeAffinity?.required;
  return !required || compileNodeSelector(required)(node);
}

/** The class name of a claim or volume, "" for none; the old annotation counts before the field. */
export function storageClassOf(object: PersistentVolume | PersistentVolumeClaim): string {
  return object.metadata.annotations?.["volume.beta.kubernetes.io/storage-class"] ?? object.spec.storageClassName ?? "";
}

/**
 * The smallest volume that satisfies the claim: same class, mode and attributes class, all access modes, large enough, labels selected, free or
 * reserved for the claim. One reserved for it comes before all others.
 */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  matching: VolumeMatching = {},
): PersistentVolume | undefined {
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (!satisfies(volume, claim, matching)) continue;
    if (volume.spec.claimRef) return volume;
    if (!best || compareQuantities(capacity(volume), capacity(best)) < 0) best = volume;
  }
  return best;
}

function satisfies(volume: PersistentVolume, claim: PersistentVolumeClaim, { node, taken }: VolumeMatching): boolean {
  const { spec } = claim;
  if (volume.metadata.deletionTimestamp || taken?.(volume)) return false;
  if (volume.spec.claimRef ? !isReservedFor(volume, claim) : volume.status?.phase === "Released" || volume.status?.phase === "Failed")
    return false;
  if (storageClassOf(volume) !== storageClassOf(claim)) return false;
  if ((volume.spec.volumeMode ?? "Filesystem") !== (spec.volumeMode ?? "Filesystem")) return false;
  if ((volume.spec.volumeAttributesClassName ?? "") !== (spec.volumeAttributesClassName ?? "")) return false;
  if (!(spec.accessModes ?? []).every((mode) => volume.spec.accessModes?.includes(mode))) return false;
  if (compareQuantities(capacity(volume), spec.resources?.requests?.["storage"] ?? zeroQuantity) < 0) return false;
  if (!volume.spec.claimRef && spec.selector && !matchesLabelSelector(spec.selector, volume.metadata.labels)) return false;
  return !node || volumeReachable(volume, node);
}

function capacity(volume: PersistentVolume): string {
  return volume.spec.capacity?.["storage"] ?? "0";
}
