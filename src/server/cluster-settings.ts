import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterSettings, parseClusterSettings } from "../agent/cluster-settings.ts";
import { writeAtomically } from "../pki/files.ts";

const file = "cluster.json";

/** What the server on this folder was last told of its ranges; undefined when none ever ran. */
export function readSettings(dataDir: string): ClusterSettings | undefined {
  try {
    return parseClusterSettings(readFileSync(join(dataDir, file), "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * Keeps the ranges for the next start and for clean-up. Rejects when they are not those that the cluster has been using: Services and
 * nodes hold addresses of them.
 */
export async function keepSettings(
  dataDir: string,
  { clusterCIDR, serviceCIDR, clusterDNS, clusterDomain }: ClusterSettings,
): Promise<void> {
  const before = readSettings(dataDir);
  if (before && (before.clusterCIDR !== clusterCIDR || before.serviceCIDR !== serviceCIDR))
    throw new Error(
      `this cluster uses --cluster-cidr ${before.clusterCIDR} and --service-cidr ${before.serviceCIDR}, which cannot be changed; give them again, or choose another --data-dir`,
    );
  await writeAtomically(join(dataDir, file), JSON.stringify({ clusterCIDR, serviceCIDR, clusterDNS, clusterDomain }), 0o644);
}
