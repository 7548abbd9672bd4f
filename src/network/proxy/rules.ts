import { createHash } from "node:crypto";
import type { Chains, Hook } from "../host/rule-set.ts";
import type { Backend, ServicePortRules } from "./services.ts";

/** The rules of Services. */
interface ServiceRules {
  nat: Chains;
  filter: Chains;
}

/** What the rules of a machine depend on beside its Services. */
export interface ProxyConfig {
  /** Tells the rules of clusters on one machine apart: 4 letters or digits. */
  tag: string;
  clusterCIDR: string;
  serviceCIDR: string;
  /** Answered by this process itself, not by rules. */
  clusterDNS: string;
}

/** Packets with this mark get the machine's own source address on their way out. */
export const masqueradeMark = "0x4000/0x4000";

/** The chains that the built-in ones jump to, by table and built-in chain. */
export function hooks(tag: string): Hook[] {
  return [
    { table: "nat", from: "PREROUTING", to: `HUE-${tag}-SERVICES` },
    { table: "nat", from: "OUTPUT", to: `HUE-${tag}-SERVICES` },
    { table: "nat", from: "POSTROUTING", to: `HUE-${tag}-POSTROUTING` },
    { table: "filter", from: "FORWARD", to: `HUE-${tag}-FORWARD` },
    { table: "filter", from: "INPUT", to: `HUE-${tag}-INPUT` },
    { table: "filter", from: "OUTPUT", to: `HUE-${tag}-OUTPUT` },
  ];
}

/** The whole rule set for these Services; a pure function, so that what changes can be compared chain by chain. */
export function buildRules(config: ProxyConfig, ports: readonly ServicePortRules[]): ServiceRules {
  const rules = baseRules(config);
  // The cluster's DNS is answered at its address by this process, not by endpoints.
  for (const port of ports) if (!port.clusterIPs.includes(config.clusterDNS)) addServicePort(rules, config, port);
  const chain = name(config.tag);
  // Node ports come last: only for packets to the machine itself.
  add(rules.nat, chain("SERVICES"), `-m addrtype --dst-type LOCAL -j ${chain("NODEPORTS")}`);
  add(rules.filter, chain("FORWARD"), `-d ${config.serviceCIDR} -j REJECT`);
  add(rules.filter, chain("FORWARD"), `-m mark --mark ${masqueradeMark} -j ACCEPT`);
  add(rules.filter, chain("FORWARD"), `-s ${config.clusterCIDR} -j ACCEPT`);
  add(rules.filter, chain("FORWARD"), `-d ${config.clusterCIDR} -j ACCEPT`);
  add(rules.filter, chain("OUTPUT"), `! -o lo -d ${config.serviceCIDR} -j REJECT`);
  return rules;
}

function baseRules(config: ProxyConfig): ServiceRules {
  const chain = name(config.tag);
  const nat: Chains = new Map();
  const filter: Chains = new Map();
  nat.set(chain("SERVICES"), [`-d ${config.clusterDNS}/32 -j RETURN`]);
  nat.set(chain("NODEPORTS"), []);
  nat.set(chain("MARK"), [`-j MARK --or-mark 0x4000`]);
  nat.set(chain("POSTROUTING"), [
    // A pod that leaves the cluster takes the machine's address; inside the cluster it keeps its own.
    `-s ${config.clusterCIDR} ! -d ${config.clusterCIDR} -m addrtype ! --dst-type LOCAL -j MASQUERADE --random-fully`,
    `-m mark ! --mark ${masqueradeMark} -j RETURN`,
    `-j MARK --xor-mark 0x4000`,
    `-j MASQUERADE --random-fully`,
  ]);
  for (const from of ["FORWARD", "INPUT", "OUTPUT"]) filter.set(chain(from), []);
  return { nat, filter };
}

function addServicePort({ nat, filter }: ServiceRules, config: ProxyConfig, port: ServicePortRules): void {
  const chain = name(config.tag);
  const match = `-p ${port.protocol} -m ${port.protocol} --dport ${port.port}`;
  const internal = port.internal.length > 0 ? backendChain(nat, config, port, port.internal, "SVC") : undefined;
  for (const ip of port.clusterIPs) {
    if (!internal) {
      for (const from of ["FORWARD", "OUTPUT"]) add(filter, chain(from), `-d ${ip}/32 ${match} -j REJECT`);
      continue;
    }
    add(nat, chain("SERVICES"), `! -s ${config.clusterCIDR} -d ${ip}/32 ${match} -j ${chain("MARK")}`);
    add(nat, chain("SERVICES"), `-d ${ip}/32 ${match} -j ${internal}`);
  }
  const outside = externalChain(nat, config, port, internal);
  const addresses = [
    ...port.externalIPs.map((ip) => ({ ip, ranges: [] as readonly string[] })),
    ...port.loadBalancerIPs.map((ip) => ({ ip, ranges: port.sourceRanges })),
  ];
  for (const { ip, ranges } of addresses) {
    if (!outside) {
      for (const from of ["FORWARD", "INPUT", "OUTPUT"]) add(filter, chain(from), `-d ${ip}/32 ${match} -j REJECT`);
      continue;
    }
    for (const range of ranges.length > 0 ? ranges : ["0.0.0.0/0"])
      add(nat, chain("SERVICES"), `-s ${range} -d ${ip}/32 ${match} -j ${outside}`);
    if (ranges.length > 0) for (const from of ["FORWARD", "INPUT"]) add(filter, chain(from), `-d ${ip}/32 ${match} -j DROP`);
  }
  if (port.nodePort === 0) return;
  const nodeMatch = `-p ${port.protocol} -m ${port.protocol} --dport ${port.nodePort}`;
  if (outside) add(nat, chain("NODEPORTS"), `${nodeMatch} -j ${outside}`);
  else
    add(
      filter,
      chain("INPUT"),
      `-m addrtype --dst-type LOCAL ${nodeMatch} -j ${port.externalLocal && port.internal.length > 0 ? "DROP" : "REJECT"}`,
    );
}

/** The chain for traffic from outside: node ports, external and load balancer addresses. */
function externalChain(nat: Chains, config: ProxyConfig, port: ServicePortRules, internal: string | undefined): string | undefined {
  if (port.nodePort === 0 && port.externalIPs.length === 0 && port.loadBalancerIPs.length === 0) return undefined;
  const mark = name(config.tag)("MARK");
  const chain = portChain(config.tag, "EXT", port.name);
  if (!port.externalLocal) {
    if (port.external.length === 0) return undefined;
    const target =
      sameBackends(port.internal, port.external) && internal ? internal : backendChain(nat, config, port, port.external, "SVX");
    nat.set(chain, [`-j ${mark}`, `-j ${target}`]);
    return chain;
  }
  if (port.external.length === 0 && !internal) return undefined;
  // Local policy: clients inside the cluster go as to the cluster IP, those outside only to this machine's backends, with their own address.
  const rules: string[] = [];
  if (internal) {
    rules.push(
      `-s ${config.clusterCIDR} -j ${internal}`,
      `-m addrtype --src-type LOCAL -j ${mark}`,
      `-m addrtype --src-type LOCAL -j ${internal}`,
    );
  }
  if (port.external.length > 0) rules.push(`-j ${backendChain(nat, config, port, port.external, "SVL")}`);
  nat.set(chain, rules);
  return chain;
}

function sameBackends(a: readonly Backend[], b: readonly Backend[]): boolean {
  return a.length === b.length && a.every((x, i) => x.ip === b[i]?.ip && x.port === b[i]?.port);
}

/** A chain that spreads over backends evenly, a sticky client to the one it had before. */
function backendChain(nat: Chains, config: ProxyConfig, port: ServicePortRules, backends: readonly Backend[], kind: string): string {
  const chain = portChain(config.tag, kind, port.name);
  const targets = backends.map((backend) => ({
    backend,
    chain: portChain(config.tag, "SEP", `${port.name}/${backend.ip}:${backend.port}`),
  }));
  const rules: string[] = [];
  if (port.affinitySeconds > 0)
    for (const target of targets)
      rules.push(`-m recent --name ${target.chain} --rcheck --seconds ${port.affinitySeconds} --reap --rsource -j ${target.chain}`);
  for (const [i, target] of targets.entries()) {
    const left = targets.length - i;
    rules.push(left === 1 ? `-j ${target.chain}` : `-m statistic --mode random --probability ${(1 / left).toFixed(10)} -j ${target.chain}`);
    nat.set(target.chain, endpointRules(config, port, target));
  }
  nat.set(chain, rules);
  return chain;
}

function endpointRules(config: ProxyConfig, port: ServicePortRules, { backend, chain }: { backend: Backend; chain: string }): string[] {
  const remember = port.affinitySeconds > 0 ? `-m recent --name ${chain} --set --rsource ` : "";
  return [
    // A pod that reaches itself through its Service would otherwise get its own answer from the wrong address.
    `-s ${backend.ip}/32 -j ${name(config.tag)("MARK")}`,
    `-p ${port.protocol} -m ${port.protocol} ${remember}-j DNAT --to-destination ${backend.ip}:${backend.port}`,
  ];
}

function add(chains: Chains, chain: string, rule: string): void {
  const rules = chains.get(chain);
  if (rules) rules.push(rule);
  else chains.set(chain, [rule]);
}

function name(tag: string): (part: string) => string {
  return (part) => `HUE-${tag}-${part}`;
}

/** A chain's name for one port or endpoint; iptables allows 28 characters. */
function portChain(tag: string, kind: string, of: string): string {
  return `HUE-${tag}-${kind}-${createHash("sha256").update(of).digest("hex").slice(0, 14).toUpperCase()}`;
}
