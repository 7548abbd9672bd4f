/** What every node of a cluster has to know of it. The server publishes it in the ConfigMap kube-public/cluster-info. */
export interface ClusterSettings {
  clusterCIDR: string;
  serviceCIDR: string;
  clusterDNS: string;
  clusterDomain: string;
}

/** The key of the ConfigMap cluster-info under which the settings are found, as JSON. */
export const settingsKey = "hue-settings";

/** The key under which the authority of client certificates is found, PEM. */
export const clientAuthorityKey = "client-ca.crt";

/** Reads what a server has published. Throws when it is not complete. */
export function parseClusterSettings(text: string): ClusterSettings {
  const settings: Partial<ClusterSettings> = JSON.parse(text);
  const { clusterCIDR, serviceCIDR, clusterDNS, clusterDomain } = settings;
  if (!clusterCIDR || !serviceCIDR || !clusterDNS || !clusterDomain) throw new Error("the server's cluster-info is not complete");
  return { clusterCIDR, serviceCIDR, clusterDNS, clusterDomain };
}
