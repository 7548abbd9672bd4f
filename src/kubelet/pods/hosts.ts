import type { Pod } from "../../api/types/core.v1.ts";

/** The host name of a pod, and its full name where it has a subdomain. */
export function hostnameOf(pod: Pod, clusterDomain: string): { hostname: string; domain: string } {
  const { hostname, subdomain, setHostnameAsFQDN, hostnameOverride } = pod.spec;
  if (hostnameOverride) return { hostname: hostnameOverride, domain: "" };
  const short = (hostname || pod.metadata.name).slice(0, 63).replace(/[-.]+$/, "");
  const domain = subdomain ? `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : "";
  if (!setHostnameAsFQDN || !domain) return { hostname: short, domain };
  const full = `${short}.${domain}`;
  if (full.length > 64)
    throw new Error(
      `Failed to construct FQDN from Pod hostname and cluster domain, FQDN ${full} is too long (64 characters is the max, ${full.length} characters requested)`,
    );
  return { hostname: full, domain };
}

/** The pod's /etc/hosts. `host` is the node's own, used with hostNetwork. */
export function hostsFile(pod: Pod, podIP: string, names: { hostname: string; domain: string }, host: string): string {
  const aliases = (pod.spec.hostAliases ?? []).map((a) => `${a.ip}\t${(a.hostnames ?? []).join("\t")}\n`);
  const extra = aliases.length > 0 ? `\n# Entries added by HostAliases.\n${aliases.join("")}` : "";
  if (pod.spec.hostNetwork) return `# Kubernetes-managed hosts file (host network).\n${host}${extra}`;
  const { hostname, domain } = names;
  const own = domain && !hostname.endsWith(domain) ? `${podIP}\t${hostname}.${domain}\t${hostname}\n` : `${podIP}\t${hostname}\n`;
  const lines = [
    "# Kubernetes-managed hosts file.\n",
    "127.0.0.1\tlocalhost\n",
    "::1\tlocalhost ip6-localhost ip6-loopback\n",
    "fe00::\tip6-localnet\n",
    "fe00::\tip6-mcastprefix\n",
    "fe00::1\tip6-allnodes\n",
    "fe00::2\tip6-allrouters\n",
    own,
  ];
  return lines.join("") + extra;
}
