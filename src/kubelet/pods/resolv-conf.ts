import type { Pod } from "../../api/types/core.v1.ts";

/** What a resolv.conf says. */
export interface ResolvConf {
  nameservers: string[];
  searches: string[];
  options: string[];
}

/** Reads a resolv.conf; the last search line counts, as for the resolver. */
export function parseResolvConf(text: string): ResolvConf {
  const result: ResolvConf = { nameservers: [], searches: [], options: [] };
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "nameserver" && rest[0]) result.nameservers.push(rest[0]);
    if (word === "search") result.searches = rest;
    if (word === "options") result.options = rest;
  }
  return result;
}

/** The pod's resolv.conf by its dnsPolicy and dnsConfig; `host` is the node's own. */
export function podResolvConf(pod: Pod, host: ResolvConf, cluster: { dns: readonly string[]; domain: string }): ResolvConf {
  const { dnsPolicy = "ClusterFirst", dnsConfig, hostNetwork } = pod.spec;
  const useCluster = cluster.dns.length > 0 && (dnsPolicy === "ClusterFirstWithHostNet" || (dnsPolicy === "ClusterFirst" && !hostNetwork));
  let base: ResolvConf = { nameservers: [], searches: [], options: [] };
  if (useCluster) {
    const { domain } = cluster;
    const searches = [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain, ...host.searches];
    base = { nameservers: [...cluster.dns], searches, options: ["ndots:5"] };
  } else if (dnsPolicy !== "None") base = host;
  const options = new Map(base.options.map((o) => [o.split(":")[0] ?? o, o]));
  for (const { name = "", value } of dnsConfig?.options ?? []) options.set(name, value ? `${name}:${value}` : name);
  return {
    nameservers: unique([...base.nameservers, ...(dnsConfig?.nameservers ?? [])]),
    searches: unique([...base.searches, ...(dnsConfig?.searches ?? [])]),
    options: [...options.values()],
  };
}

/** As the file's text. */
export function formatResolvConf({ nameservers, searches, options }: ResolvConf): string {
  const lines = [
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...nameservers.map((ip) => `nameserver ${ip}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function unique(list: string[]): string[] {
  return [...new Set(list)];
}
