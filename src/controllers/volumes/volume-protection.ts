import { keyOf } from "../../api/meta/object.ts";
import type { PersistentVolumeClaim, Pod } from "../../api/types/core.v1.ts";
import { PersistentVolumeClaims, PersistentVolumes, Pods, VolumeAttributesClasses } from "../../api/types/resources.ts";
import { type ControllerFactory, watch } from "../../client/controller.ts";
import { ignoreMissing } from "../ownership.ts";
import { isTerminal } from "../pod-state.ts";

const claimProtection = "kubernetes.io/pvc-protection";
const volumeProtection = "kubernetes.io/pv-protection";
const attributesClassProtection = "kubernetes.io/vac-protection";

/** The keys of the claims that the pod mounts. */
export function claimsOfPod({ metadata, spec }: Pod): string[] {
  return (spec.volumes ?? []).flatMap((v) =>
    v.persistentVolumeClaim
      ? [`${metadata.namespace}/${v.persistentVolumeClaim.claimName}`]
      : v.ephemeral
        ? [`${metadata.namespace}/${metadata.name}-${v.name}`]
        : [],
  );
}

/** Whether the pod keeps its claims from being deleted: it has a node, and its containers may be running. */
function protects(pod: Pod): boolean {
  return Boolean(pod.spec.nodeName) && !isTerminal(pod);
}

/** A claim that is being deleted stays until no pod uses it. */
export const createPVCProtection: ControllerFactory = ({ client, caches }) => {
  const claims = caches.of(PersistentVolumeClaims);
  const pods = caches.of(Pods);
  pods.addIndex("claims", claimsOfPod);
  return {
    name: "persistentvolumeclaim-protection",
    watches: [
      watch(claims, (claim) => [keyOf(claim)]),
      watch(pods, (pod) => claimsOfPod(pod).filter((key) => claims.byKey(key)?.metadata.deletionTimestamp)),
    ],
    async reconcile(key) {
      const claim = claims.byKey(key);
      if (!claim) return;
      const { namespace, deletionTimestamp, finalizers = [], resourceVersion } = claim.metadata;
      const has = finalizers.includes(claimProtection);
      // The API server sets the finalizer at creation; claims made before that get it here.
      if (deletionTimestamp ? !has || pods.byIndex("claims", key).some(protects) : has) return;
      if (deletionTimestamp) {
        const live = await client.list(Pods, { namespace });
        if (live.items.some((pod) => protects(pod) && claimsOfPod(pod).includes(key))) return;
      }
      const next = deletionTimestamp ? finalizers.filter((f) => f !== claimProtection) : [...finalizers, claimProtection];
      const patch = { type: "merge", body: { metadata: { resourceVersion, finalizers: next } } } as const;
      await client.patch(PersistentVolumeClaims, claim.metadata, patch).catch(ignoreMissing);
    },
  };
};

/** A volume that is being deleted stays until its claim has let it go. */
export const createPVProtection: ControllerFactory = ({ client, caches }) => {
  const volumes = caches.of(PersistentVolumes);
  return {
    name: "persistentvolume-protection",
    watches: [watch(volumes, (volume) => [volume.metadata.name])],
    async reconcile(name) {
      const volume = volumes.byKey(name);
      if (!volume) return;
      const { deletionTimestamp, finalizers = [], resourceVersion } = volume.metadata;
      const has = finalizers.includes(volumeProtection);
      if (deletionTimestamp ? !has || volume.status?.phase === "Bound" : has) return;
      const next = deletionTimestamp ? finalizers.filter((f) => f !== volumeProtection) : [...finalizers, volumeProtection];
      await client
        .patch(PersistentVolumes, { name }, { type: "merge", body: { metadata: { resourceVersion, finalizers: next } } })
        .catch(ignoreMissing);
    },
  };
};

/** The classes that a claim asks for, has, or is on its way to. */
function attributesClassesOf({ spec, status }: PersistentVolumeClaim): string[] {
  const { currentVolumeAttributesClassName, modifyVolumeStatus } = status ?? {};
  const names = [spec.volumeAttributesClassName, currentVolumeAttributesClassName, modifyVolumeStatus?.targetVolumeAttributesClassName];
  return [...new Set(names.flatMap((name) => name || []))];
}

/** A class of volume attributes that is being deleted stays until no claim and no volume uses it. */
export const createVACProtection: ControllerFactory = ({ client, caches }) => {
  const classes = caches.of(VolumeAttributesClasses);
  const claims = caches.of(PersistentVolumeClaims);
  const volumes = caches.of(PersistentVolumes);
  claims.addIndex("attributesClasses", attributesClassesOf);
  volumes.addIndex("attributesClass", ({ spec }) => [spec.volumeAttributesClassName ?? []].flat());
  const isLeaving = (name: string): boolean => classes.byKey(name)?.metadata.deletionTimestamp !== undefined;
  return {
    name: "volumeattributesclass-protection",
    watches: [
      watch(classes, (c) => [c.metadata.name]),
      watch(claims, (claim) => attributesClassesOf(claim).filter(isLeaving)),
      watch(volumes, ({ spec }) => [spec.volumeAttributesClassName ?? []].flat().filter(isLeaving)),
    ],
    async reconcile(name) {
      const found = classes.byKey(name);
      if (!found) return;
      const { deletionTimestamp, finalizers = [], resourceVersion } = found.metadata;
      const isUsed = claims.byIndex("attributesClasses", name).length > 0 || volumes.byIndex("attributesClass", name).length > 0;
      const has = finalizers.includes(attributesClassProtection);
      if (deletionTimestamp ? !has || isUsed : has) return;
      const next = deletionTimestamp
        ? finalizers.filter((f) => f !== attributesClassProtection)
        : [...finalizers, attributesClassProtection];
      const body = { metadata: { resourceVersion, finalizers: next } };
      await client.patch(VolumeAttributesClasses, { name }, { type: "merge", body }).catch(ignoreMissing);
    },
  };
};
