import { localPathFinalizer, localPathProvisioner, nodeOfVolume, onNode } from "../../api/core/local-path.ts";
import { storageClassOf } from "../../api/core/volume-matching.ts";
import { isReason } from "../../api/errors.ts";
import { keyOf } from "../../api/meta/object.ts";
import type { Creatable } from "../../api/meta/object.ts";
import type { Node, PersistentVolume, PersistentVolumeClaim } from "../../api/types/core.v1.ts";
import type { StorageClass } from "../../api/types/storage.v1.ts";
import { Nodes, PersistentVolumeClaims, PersistentVolumes, StorageClasses } from "../../api/types/resources.ts";
import { type ControllerFactory, watch } from "../../client/controller.ts";
import { ignoreMissing } from "../ownership.ts";
import { claimReference, isBindCompleted, provisionedBy, selectedNode } from "./binding.ts";

/** The volume for a claim on that node: a folder that the kubelet makes when the first pod mounts it. */
export function localVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node,
  storagePath: string,
): Creatable<PersistentVolume> {
  const { namespace, name, uid } = claim.metadata;
  const volumeName = `pvc-${uid}`;
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: {
      name: volumeName,
      annotations: { [provisionedBy]: localPathProvisioner },
      finalizers: ["kubernetes.io/pv-protection", localPathFinalizer],
    },
    spec: {
      capacity: { storage: claim.spec.resources?.requests?.["storage"] ?? "0" },
      accessModes: claim.spec.accessModes,
      volumeMode: "Filesystem",
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? "Delete",
      storageClassName: storageClass.metadata.name,
      mountOptions: storageClass.mountOptions,
      claimRef: claimReference(claim),
      hostPath: { path: `${storagePath}/${volumeName}_${namespace}_${name}`, type: "DirectoryOrCreate" },
      nodeAffinity: onNode(node.metadata.labels?.["kubernetes.io/hostname"] ?? node.metadata.name),
    },
  };
}

/** Makes and removes the volumes of class local-path. Keys are claims ("namespace/name") and volumes ("name"). */
export function localPath({ storagePath }: { storagePath: string }): ControllerFactory {
  return ({ client, caches, events }) => {
    const claims = caches.of(PersistentVolumeClaims);
    const volumes = caches.of(PersistentVolumes);
    const classes = caches.of(StorageClasses);
    const nodes = caches.of(Nodes);

    async function provision(claim: PersistentVolumeClaim): Promise<void> {
      const storageClass = classes.byKey(storageClassOf(claim));
      if (storageClass?.provisioner !== localPathProvisioner || claim.metadata.deletionTimestamp) return;
      if (claim.spec.volumeName || isBindCompleted(claim)) return;
      const node = nodes.byKey(claim.metadata.annotations?.[selectedNode] ?? "");
      if (claim.spec.volumeMode === "Block") {
        events.event(
          claim,
          "Warning",
          "ProvisioningFailed",
          `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${localPathProvisioner} makes folders, not block devices`,
        );
        return;
      }
      if (!node) return;
      if (volumes.byKey(`pvc-${claim.metadata.uid}`)) return;
      events.event(claim, "Normal", "Provisioning", `External provisioner is provisioning volume for claim "${keyOf(claim)}"`);
      const volume = localVolume(claim, storageClass, node, storagePath);
      await client.create(PersistentVolumes, volume).catch((error: unknown) => {
        if (!isReason(error, "AlreadyExists")) throw error;
      });
      events.event(claim, "Normal", "ProvisioningSucceeded", `Successfully provisioned volume ${volume.metadata.name}`);
    }

    async function reclaim(volume: PersistentVolume): Promise<void> {
      if (volume.metadata.annotations?.[provisionedBy] !== localPathProvisioner) return;
      const { name, uid, deletionTimestamp, finalizers = [], resourceVersion } = volume.metadata;
      if (!deletionTimestamp) {
        if (volume.status?.phase === "Released" && volume.spec.persistentVolumeReclaimPolicy === "Delete")
          await client.delete(PersistentVolumes, { name }, { preconditions: { uid } }).catch(ignoreMissing);
        return;
      }
      // A node that is gone removes nothing, and its folders are gone with it.
      const there = nodes
        .list()
        .some((node) => (node.metadata.labels?.["kubernetes.io/hostname"] ?? node.metadata.name) === nodeOfVolume(volume));
      if (there || !finalizers.includes(localPathFinalizer)) return;
      const body = { metadata: { resourceVersion, finalizers: finalizers.filter((f) => f !== localPathFinalizer) } };
      await client.patch(PersistentVolumes, { name }, { type: "merge", body }).catch(ignoreMissing);
    }

    return {
      name: "local-path",
      watches: [
        watch(claims, (claim) => [keyOf(claim)]),
        watch(volumes, (volume) => [volume.metadata.name]),
        watch(classes, () =>
          claims
            .list()
            .filter((claim) => !claim.spec.volumeName)
            .map(keyOf),
        ),
        watch(nodes, ({ metadata }) => (nodes.byKey(metadata.name) ? [] : volumes.list().map((volume) => volume.metadata.name))),
      ],
      async reconcile(key) {
        const claim = claims.byKey(key);
        if (claim) return provision(claim);
        const volume = key.includes("/") ? undefined : volumes.byKey(key);
        if (volume) await reclaim(volume);
      },
    };
  };
}
