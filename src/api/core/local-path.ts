import type { PersistentVolume } from "../types/core.v1.ts";

/** The driver of class local-path: folders on the node that the first pod runs on. The name is that of the driver which k3s users know. */
export const localPathProvisioner = "rancher.io/local-path";

/**
 * Keeps a local-path volume that is being deleted until its node has removed the folder. The node's part: watch volumes, and for each one of
 * which folderToRemove names a folder, remove it with everything in it (it may be gone already), then take this finalizer off.
 */
export const localPathFinalizer = "rancher.io/local-path";

const hostname = "kubernetes.io/hostname";

/** The node affinity of a volume on the node with that kubernetes.io/hostname label. */
export function onNode(hostnameLabel: string): PersistentVolume["spec"]["nodeAffinity"] {
  return { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: hostname, operator: "In", values: [hostnameLabel] }] }] } };
}

/** The kubernetes.io/hostname label of the node that has the volume's folder. */
export function nodeOfVolume(volume: PersistentVolume): string | undefined {
  const [term] = volume.spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  return term?.matchExpressions?.find((e) => e.key === hostname && e.operator === "In")?.values?.[0];
}

/** The folder that the node with that hostname label has to remove now; undefined when there is nothing to do for it. */
export function folderToRemove(volume: PersistentVolume, hostnameLabel: string): string | undefined {
  const { deletionTimestamp, finalizers } = volume.metadata;
  if (!deletionTimestamp || !finalizers?.includes(localPathFinalizer) || nodeOfVolume(volume) !== hostnameLabel) return undefined;
  // The folder goes last: somebody may still be using a volume that another finalizer holds.
  return finalizers.length === 1 ? volume.spec.hostPath?.path : undefined;
}
