import type { ObjectMeta, OwnerReference } from "../types/meta.v1.ts";
import { deepEqual } from "./equality.ts";
import type { KubeObject } from "./object.ts";

/** The reference to the object's managing controller, if it has one. */
export function controllerOf(object: { metadata: ObjectMeta }): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller);
}

/** Whether that owner is the object's managing controller. */
export function isControlledBy(object: { metadata: ObjectMeta }, owner: { metadata: ObjectMeta }): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}

/** A reference that makes the owner the managing controller of the object that carries it; it blocks the owner's foreground deletion. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return { ...ownerReference(owner), controller: true, blockOwnerDeletion: true };
}

/** A plain reference to an owner. */
export function ownerReference(owner: KubeObject): OwnerReference {
  return { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.metadata.name ?? "", uid: owner.metadata.uid ?? "" };
}

/** Drops references that are there twice, with upstream's warning; `when` they were found is part of that. */
export function dropRepeatedOwners(metadata: ObjectMeta, warn: (message: string) => void, when = ""): void {
  const owners = metadata.ownerReferences ?? [];
  const isFirst = (owner: OwnerReference, i: number): boolean => owners.findIndex((other) => deepEqual(other, owner)) === i;
  const repeated = owners.length > 1 ? owners.filter((owner, i) => !isFirst(owner, i)) : [];
  if (repeated.length === 0) return;
  metadata.ownerReferences = owners.filter(isFirst);
  warn(
    `.metadata.ownerReferences contains duplicate entries${when}; API server dedups owner references in 1.20+, and may reject such ` +
      `requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeated.map(({ uid }) => uid).join(", ")}`,
  );
}
