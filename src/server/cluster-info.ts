import { type ClusterSettings, clientAuthorityKey, settingsKey } from "../agent/cluster-settings.ts";
import { ConfigMaps } from "../api/types/resources.ts";
import type { Client } from "../client/client.ts";
import type { Pki } from "../pki/pki.ts";

/** Adds what joining nodes need to know to kube-public/cluster-info; writes only when it differs. */
export async function publishClusterInfo(client: Client, pki: Pki, settings: ClusterSettings): Promise<void> {
  const { clusterCIDR, serviceCIDR, clusterDNS, clusterDomain } = settings;
  const ref = { namespace: "kube-public", name: "cluster-info" };
  const data = {
    [settingsKey]: JSON.stringify({ clusterCIDR, serviceCIDR, clusterDNS, clusterDomain }),
    [clientAuthorityKey]: pki.authority("client"),
  };
  const current = await client.get(ConfigMaps, ref);
  if (Object.entries(data).every(([key, value]) => current.data?.[key] === value)) return;
  await client.patch(ConfigMaps, ref, { type: "merge", body: { data } });
}
