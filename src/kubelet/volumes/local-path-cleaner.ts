import { rm } from "node:fs/promises";
import { basename, isAbsolute, normalize } from "node:path";
import { folderToRemove, localPathFinalizer, localPathProvisioner } from "../../api/core/local-path.ts";
import { isReason } from "../../api/errors.ts";
import type { PersistentVolume } from "../../api/types/core.v1.ts";
import { PersistentVolumes } from "../../api/types/resources.ts";
import { type ControllerFactory, watch } from "../../client/controller.ts";

/** Whether the folder is one that the provisioner has named after the volume: nothing else is ever removed. */
export function isProvisionedFolder(volume: PersistentVolume, path: string): boolean {
  const { name, annotations } = volume.metadata;
  if (annotations?.["pv.kubernetes.io/provisioned-by"] !== localPathProvisioner) return false;
  return isAbsolute(path) && normalize(path) === path && name.startsWith("pvc-") && basename(path).startsWith(`${name}_`);
}

/**
 * The node's part in the deletion of local-path volumes: removes their folders, then lets them go. `hostname` is the node's
 * kubernetes.io/hostname label. It needs the right to patch PersistentVolumes.
 */
export function localPathCleaner({
  hostname,
  remove = removeFolder,
}: {
  hostname: string;
  remove?: (path: string) => Promise<void>;
}): ControllerFactory {
  return ({ client, caches }) => {
    const volumes = caches.of(PersistentVolumes);
    return {
      name: "local-path-cleaner",
      watches: [watch(volumes, (volume) => (folderToRemove(volume, hostname) === undefined ? [] : [volume.metadata.name]))],
      async reconcile(name) {
        const volume = volumes.byKey(name);
        const path = volume && folderToRemove(volume, hostname);
        if (!volume || path === undefined) return;
        if (!isProvisionedFolder(volume, path)) throw new Error(`${path} is not a folder of volume ${name}: it is left alone`);
        await remove(path);
        const { resourceVersion, finalizers = [] } = volume.metadata;
        const body = { metadata: { resourceVersion, finalizers: finalizers.filter((f) => f !== localPathFinalizer) } };
        await client.patch(PersistentVolumes, { name }, { type: "merge", body }).catch((error: unknown) => {
          if (!isReason(error, "NotFound")) throw error;
        });
      },
    };
  };
}

function removeFolder(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}
