import { key } from "../../api/meta/object.ts";
import type { PersistentVolume, Pod, Volume } from "../../api/types/core.v1.ts";
import type { ResourceSlice } from "../../api/types/resource.v1.ts";
import type { VolumeAttachment } from "../../api/types/storage.v1.ts";
import { PersistentVolumeClaims, PersistentVolumes, Pods, type ResourceSlices, type VolumeAttachments } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";

/** What a pod makes its node read. */
export type ReferencedResource = "secrets" | "configmaps" | "persistentvolumeclaims" | "serviceaccounts" | "resourceclaims" | "pods";

/**
 * Which objects the pods of each node refer to: what a kubelet may read. Kept current by pods' changes; volumes behind claims are
 * looked up when asked for.
 */
export class NodeGraph {
  /** By node, how many of its pods refer to an object. */
  private readonly references = new Map<string, Map<string, number>>();
  private readonly objects: Objects;
  private readonly stop: () => void;

  constructor(objects: Objects) {
    this.objects = objects;
    this.stop = objects.onChange<Pod>(Pods, (pod, old) => {
      // Most changes are of the status only, and change nothing here.
      if (pod && old && pod.spec === old.spec) return;
      if (pod) this.count(pod, 1);
      if (old) this.count(old, -1);
    });
  }

  close(): void {
    this.stop();
  }

  /** Whether a pod of the node refers to the object. */
  refersTo(node: string, resource: ReferencedResource, namespace: string, name: string): boolean {
    const references = this.references.get(node);
    if (!references) return false;
    if (references.has(`${resource}/${key(namespace, name)}`)) return true;
    return (
      resource === "secrets" &&
      this.volumesOf(references).some((pv) => secretsOf(pv).some((s) => s.namespace === namespace && s.name === name))
    );
  }

  /** Whether a VolumeAttachment or ResourceSlice is about the node. */
  isAbout(node: string, resource: typeof VolumeAttachments | typeof ResourceSlices, name: string): boolean {
    return this.objects.get<VolumeAttachment | ResourceSlice>(resource, undefined, name)?.spec.nodeName === node;
  }

  /** Whether a claim of one of the node's pods is bound to the volume. */
  usesVolume(node: string, name: string): boolean {
    const claim = this.objects.get(PersistentVolumes, undefined, name)?.spec.claimRef;
    if (!claim?.namespace || !claim.name || !this.refersTo(node, "persistentvolumeclaims", claim.namespace, claim.name)) return false;
    return this.objects.get(PersistentVolumeClaims, claim.namespace, claim.name)?.spec.volumeName === name;
  }

  private volumesOf(references: ReadonlyMap<string, number>): PersistentVolume[] {
    const prefix = "persistentvolumeclaims/";
    return [...references.keys()].flatMap((reference) => {
      const [namespace, name = ""] = reference.startsWith(prefix) ? reference.slice(prefix.length).split("/") : [];
      const volume = namespace && this.objects.get(PersistentVolumeClaims, namespace, name)?.spec.volumeName;
      return (volume && this.objects.get(PersistentVolumes, undefined, volume)) || [];
    });
  }

  private count(pod: Pod, by: 1 | -1): void {
    const node = pod.spec.nodeName;
    if (!node) return;
    let references = this.references.get(node);
    if (!references) this.references.set(node, (references = new Map()));
    for (const reference of referencesOf(pod)) {
      const count = (references.get(reference) ?? 0) + by;
      if (count > 0) references.set(reference, count);
      else references.delete(reference);
    }
    if (references.size === 0) this.references.delete(node);
  }
}

/** What a pod lets its node read, itself among it. */
function referencesOf(pod: Pod): Set<string> {
  const { namespace, name, annotations } = pod.metadata;
  const self = `pods/${key(namespace, name)}`;
  // A mirror pod is written by the kubelet itself: it must not give the kubelet access to anything.
  if (annotations?.["kubernetes.io/config.mirror"] !== undefined) return new Set([self]);
  return objectsReferredTo(pod).add(self);
}

/** The objects that a pod refers to, as "resource/namespace/name". */
export function objectsReferredTo(pod: Pod): Set<string> {
  const { namespace, name } = pod.metadata;
  const references = new Set<string>();
  const add = (resource: ReferencedResource, named: string | undefined, owner = namespace): void => {
    if (named) references.add(`${resource}/${key(owner, named)}`);
  };
  add("serviceaccounts", pod.spec.serviceAccountName);
  for (const secret of pod.spec.imagePullSecrets ?? []) add("secrets", secret.name);
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? []), ...(pod.spec.ephemeralContainers ?? [])]) {
    for (const { secretRef, configMapRef } of container.envFrom ?? []) {
      add("secrets", secretRef?.name);
      add("configmaps", configMapRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      add("secrets", valueFrom?.secretKeyRef?.name);
      add("configmaps", valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const volume of pod.spec.volumes ?? []) addVolume(volume, name, add);
  for (const claim of pod.status?.resourceClaimStatuses ?? []) add("resourceclaims", claim.resourceClaimName);
  for (const claim of pod.spec.resourceClaims ?? []) add("resourceclaims", claim.resourceClaimName);
  return references;
}

function addVolume(
  volume: Volume,
  pod: string,
  add: (resource: ReferencedResource, name: string | undefined, owner?: string) => void,
): void {
  add("secrets", volume.secret?.secretName);
  add("configmaps", volume.configMap?.name);
  add("persistentvolumeclaims", volume.persistentVolumeClaim?.claimName);
  if (volume.ephemeral) add("persistentvolumeclaims", `${pod}-${volume.name}`);
  for (const { secret, configMap } of volume.projected?.sources ?? []) {
    add("secrets", secret?.name);
    add("configmaps", configMap?.name);
  }
  for (const ref of [volume.csi?.nodePublishSecretRef, volume.cephfs?.secretRef, volume.rbd?.secretRef, volume.iscsi?.secretRef])
    add("secrets", ref?.name);
  for (const ref of [volume.flexVolume?.secretRef, volume.scaleIO?.secretRef, volume.storageos?.secretRef]) add("secrets", ref?.name);
  add("secrets", volume.azureFile?.secretName);
}

function secretsOf({ spec }: PersistentVolume): { namespace?: string; name?: string }[] {
  const { csi, cephfs, rbd, iscsi, flexVolume } = spec;
  const refs = [csi?.nodePublishSecretRef, csi?.nodeStageSecretRef, csi?.nodeExpandSecretRef, cephfs?.secretRef, rbd?.secretRef];
  return [...refs, iscsi?.secretRef, flexVolume?.secretRef].filter((ref) => ref !== undefined);
}
