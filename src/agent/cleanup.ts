import { join } from "node:path";
import { readIfThere } from "../pki/files.ts";
import { cleanup, type Removed } from "../kubelet/cleanup.ts";
import { linuxHost } from "../network/host/host.ts";
import { isOwned } from "../network/host/ownership.ts";
import { cleanupNetwork, clusterTag } from "../network/network.ts";
import type { ClusterSettings } from "./cluster-settings.ts";
import { bridgeFile, kubeletFolder } from "./node.ts";

/** What is to be cleaned up. */
export interface CleanupOptions {
  dataDir: string;
  dockerHost: string;
  settings: ClusterSettings;
  serverAuthority: string;
}

/** Removes the containers, networks and mounts of the folder's node, and the cluster's rules and routes on this machine. */
export async function cleanupNode({ dataDir, dockerHost, settings, serverAuthority }: CleanupOptions): Promise<Removed> {
  const socketPath = dockerHost.replace(/^unix:\/\//, "");
  const folder = kubeletFolder(dataDir);
  const bridge = await readIfThere(join(folder, bridgeFile));
  const removed = await cleanup(folder, socketPath || undefined);
  if (bridge) await linuxHost.ip("link", "del", bridge).catch(() => {});
  const tag = clusterTag(serverAuthority);
  // Another node of the cluster on this machine goes on using the rules.
  if (!(await isOwned(tag))) await cleanupNetwork(linuxHost, { ...settings, tag });
  return removed;
}
