import { chmod, mkdir, stat } from "node:fs/promises";
import { isReason } from "../../api/errors.ts";
import type { PersistentVolume, Pod } from "../../api/types/core.v1.ts";
import { PersistentVolumeClaims, PersistentVolumes } from "../../api/types/resources.ts";
import type { Client } from "../../client/client.ts";
import { checkHostPath } from "./host-path.ts";
import { VolumeError } from "./payload.ts";

/** The folder behind a claim, made when it is one of the data directory's own and not there yet. Throws VolumeError. */
export async function claimFolder(client: Client, pod: Pod, claim: string, dataDir: string): Promise<{ path: string; readOnly: boolean }> {
  const { namespace } = pod.metadata;
  const pvc = await client.get(PersistentVolumeClaims, { namespace, name: claim }).catch((error: unknown) => {
    throw isReason(error, "NotFound") ? new VolumeError(`persistentvolumeclaim "${claim}" not found`) : error;
  });
  if (pvc.status?.phase !== "Bound" || !pvc.spec.volumeName)
    throw new VolumeError(`PersistentVolumeClaim "${namespace}/${claim}" is not bound`);
  const volume = await client.get(PersistentVolumes, { name: pvc.spec.volumeName });
  const readOnly = (volume.spec.accessModes ?? []).every((mode) => mode === "ReadOnlyMany") && (volume.spec.accessModes ?? []).length > 0;
  if (volume.spec.volumeMode === "Block")
    throw new VolumeError(`volume ${volume.metadata.name} has volumeMode Block, which this node does not support`);
  return { path: await volumeFolder(volume, dataDir), readOnly };
}

async function volumeFolder(volume: PersistentVolume, dataDir: string): Promise<string> {
  const { hostPath, local } = volume.spec;
  const path = hostPath?.path ?? local?.path;
  if (path === undefined) throw new VolumeError(`volume ${volume.metadata.name} is of a kind that this node does not support`);
  if (path.startsWith(`${dataDir}/`)) {
    if (!(await stat(path).catch(() => undefined))) {
      await mkdir(path, { recursive: true });
      await chmod(path, 0o777);
    }
    return path;
  }
  if (hostPath) return checkHostPath(hostPath);
  if (!(await stat(path).catch(() => undefined))) throw new VolumeError(`local volume path "${path}" does not exist`);
  return path;
}
