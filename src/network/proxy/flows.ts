import type { ServicePortRules } from "./services.ts";

/**
 * Pure: the arguments of `conntrack` that forget UDP flows which the kernel would go on sending where they no longer belong. It decides
 * once for each flow, and a client that keeps its port has the same flow for ever: one to a backend that is gone, or one that began when the
 * Service had no backend. TCP connections end by themselves.
 */
export function staleFlows(before: readonly ServicePortRules[], after: readonly ServicePortRules[]): string[][] {
  const calls: string[][] = [];
  for (const old of before) {
    if (old.protocol !== "udp") continue;
    const now = after.find((p) => p.name === old.name && p.protocol === "udp");
    const isLeft = (ip: string): boolean => now?.internal.some((b) => b.ip === ip) || now?.external.some((b) => b.ip === ip) || false;
    const gone = [...new Set([...old.internal, ...old.external].map((b) => b.ip))].filter((ip) => !isLeft(ip));
    for (const to of gone) calls.push(...targets(old).map((target) => [...target, "--dst-nat", to]));
    if (now && old.internal.length === 0 && now.internal.length > 0) calls.push(...targets(now));
  }
  return calls.map((args) => ["-D", "-p", "udp", ...args]);
}

function targets({ clusterIPs, externalIPs, loadBalancerIPs, nodePort }: ServicePortRules): string[][] {
  const addresses = [...clusterIPs, ...externalIPs, ...loadBalancerIPs];
  return [...addresses.map((ip) => ["--orig-dst", ip]), ...(nodePort ? [["--orig-port-dst", String(nodePort)]] : [])];
}
