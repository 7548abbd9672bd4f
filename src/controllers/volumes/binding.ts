import { isReservedFor } from "../../api/core/volume-matching.ts";
import type { ObjectReference, PersistentVolume, PersistentVolumeClaim } from "../../api/types/core.v1.ts";

/** Set on a claim when its binding is complete, and on what the controller (not a person) has chosen. */
export const bindCompleted = "pv.kubernetes.io/bind-completed";
/** See bindCompleted. */
export const boundByController = "pv.kubernetes.io/bound-by-controller";
/** The driver that made a volume. */
export const provisionedBy = "pv.kubernetes.io/provisioned-by";
/** The node that the scheduler has chosen for a claim's first pod. */
export const selectedNode = "volume.kubernetes.io/selected-node";

/** A reference to the claim, as volumes carry it. */
export function claimReference(claim: PersistentVolumeClaim): ObjectReference {
  const { namespace, name, uid, resourceVersion } = claim.metadata;
  return { kind: "PersistentVolumeClaim", apiVersion: "v1", namespace, name, uid, resourceVersion };
}

/** Whether the controller has finished binding the claim. */
export function isBindCompleted(claim: PersistentVolumeClaim): boolean {
  return claim.metadata.annotations?.[bindCompleted] !== undefined;
}

/** Whether the volume is bound to exactly this claim. */
export function isBoundTo(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return volume.spec.claimRef?.uid === claim.metadata.uid && isReservedFor(volume, claim);
}

/** The volume with its claimRef set to the claim; the same object when it is so already. */
export function boundVolume(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  if (isBoundTo(volume, claim)) return volume;
  // A person who has reserved the volume by name keeps the reservation when the claim goes.
  const annotations = volume.spec.claimRef ? volume.metadata.annotations : { ...volume.metadata.annotations, [boundByController]: "yes" };
  return { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef: claimReference(claim) } };
}

/** The claim with its volumeName set and marked as complete; the same object when it is so already. */
export function boundClaim(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaim {
  const volumeName = volume.metadata.name;
  if (claim.spec.volumeName === volumeName && isBindCompleted(claim)) return claim;
  const annotations = {
    ...claim.metadata.annotations,
    [bindCompleted]: "yes",
    ...(claim.spec.volumeName ? {} : { [boundByController]: "yes" }),
  };
  return { ...claim, metadata: { ...claim.metadata, annotations }, spec: { ...claim.spec, volumeName } };
}

/** The status of a claim that is bound to the volume. */
export function boundClaimStatus(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaim["status"] {
  // A larger capacity that a resize has reported is not taken back.
  const capacity = claim.status?.phase === "Bound" && claim.status.capacity ? claim.status.capacity : volume.spec.capacity;
  return { ...claim.status, phase: "Bound", accessModes: volume.spec.accessModes, capacity };
}

/** What becomes of a volume, seen from the volume alone. */
export type VolumeVerdict =
  | { phase: "Available" | "Bound" }
  /** Its claim waits to be bound to it. */
  | { phase: undefined; bind: true }
  /** The claim is gone. */
  | { phase: "Released"; reclaim: "Delete" | "Retain" | "Recycle" }
  /** The claim has another volume: the controller takes back its choice. */
  | { phase: undefined; unbind: true };

/** Decides by the claim that the volume's claimRef names, as the API has it now. */
export function volumeVerdict(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumeVerdict {
  const ref = volume.spec.claimRef;
  if (!ref) return { phase: "Available" };
  if (!ref.uid) return claim && !claim.spec.volumeName ? { phase: undefined, bind: true } : { phase: "Available" };
  if (!claim || claim.metadata.uid !== ref.uid)
    return { phase: "Released", reclaim: volume.spec.persistentVolumeReclaimPolicy ?? "Retain" };
  if (!claim.spec.volumeName) return { phase: undefined, bind: true };
  if (claim.spec.volumeName === volume.metadata.name) return { phase: "Bound" };
  if (volume.metadata.annotations?.[provisionedBy] && volume.spec.persistentVolumeReclaimPolicy === "Delete")
    return { phase: "Released", reclaim: "Delete" };
  return volume.metadata.annotations?.[boundByController] ? { phase: undefined, unbind: true } : { phase: "Released", reclaim: "Retain" };
}
