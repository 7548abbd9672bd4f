import { createHash } from "node:crypto";
import type { LabelSelector } from "../../api/types/meta.v1.ts";
import type { ContainerPort, Namespace, Pod } from "../../api/types/core.v1.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../api/types/networking.v1.ts";
import { matchesLabelSelector } from "../../api/meta/labels.ts";
import type { Chains, Hook } from "../host/rule-set.ts";
import { withoutRanges } from "./blocks.ts";

/** What the rules of a machine depend on beside the cluster's objects. */
export interface PolicyConfig {
  /** Tells the rules of clusters on one machine apart: 4 letters or digits. */
  tag: string;
  /** Answered by this process itself, under the labels that a cluster's DNS has everywhere. */
  clusterDNS: string;
}

/** What policies are worked out from. */
export interface PolicyObjects {
  policies: readonly NetworkPolicy[];
  namespaces: readonly Namespace[];
  pods: readonly Pod[];
  /** Whether the node of that name is on this machine. */
  isLocal(node: string): boolean;
}

/** Something with an address that policies can select. */
interface Endpoint {
  namespace: string;
  labels: Readonly<Record<string, string>>;
  ip: string;
  ports: readonly ContainerPort[];
  local: boolean;
}

/** Traffic to or from some address; undefined: any. The ports are those of the endpoint there, if it is known. */
interface Target {
  range: string | undefined;
  ports: readonly ContainerPort[];
}

type Direction = "Ingress" | "Egress";

/** Every chain of policies on this machine is named like this. */
export function policyChainPrefix(tag: string): string {
  return `HUE-${tag}-POL`;
}

/**
 * Policies are asked after a Service address has become a pod's, and before anybody's filter may let the packet pass. What the machine
 * itself sends to its pods, or gets from them, is not asked about, but for questions to the cluster's DNS, which any machine answers.
 */
export function policyHooks({ tag, clusterDNS }: PolicyConfig): Hook[] {
  const to = `${policyChainPrefix(tag)}ICY`;
  return [
    { table: "mangle", from: "FORWARD", to },
    { table: "mangle", from: "INPUT", match: `-d ${clusterDNS}/32`, to },
  ];
}

/**
 * The rules for the pods of this machine that policies select; none when there are none. A pure function. One chain asks whose packet it is,
 * and one for each set of policies admits (RETURN) what any of them admits and drops the rest: pods that are under the same policies share it.
 * https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */
export function policyRules(config: PolicyConfig, objects: PolicyObjects): Chains {
  const endpoints = endpointsOf(objects);
  const peers = new Peers([...endpoints, dnsEndpoint(config.clusterDNS)], objects.namespaces);
  const chains: Chains = new Map();
  const entry: string[] = [];
  const known = new Map<string, string>();
  for (const endpoint of endpoints.filter((e) => e.local)) {
    const own = objects.policies.filter(
      ({ metadata, spec }) => metadata.namespace === endpoint.namespace && matchesLabelSelector(spec.podSelector ?? {}, endpoint.labels),
    );
    const jumps: string[] = [];
    for (const direction of ["Egress", "Ingress"] as const) {
      const selecting = own.filter((policy) => policy.spec.policyTypes?.includes(direction));
      if (selecting.length === 0) continue;
      const key = JSON.stringify([direction, endpoint.namespace, selecting.map((p) => p.metadata.name), endpoint.ports]);
      let chain = known.get(key);
      if (!chain) {
        const rules = verdict(direction, selecting, endpoint, peers);
        known.set(key, (chain = chainName(config.tag, rules)));
        chains.set(chain, rules);
      }
      jumps.push(`${direction === "Egress" ? "-s" : "-d"} ${endpoint.ip}/32 -j ${chain}`);
    }
    // A pod that reaches itself through a Service is never refused.
    if (jumps.length > 0) entry.push(`-s ${endpoint.ip}/32 -d ${endpoint.ip}/32 -j RETURN`, ...jumps);
  }
  if (entry.length > 0)
    chains.set(`${policyChainPrefix(config.tag)}ICY`, ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", ...entry]);
  return chains;
}

/** The pods that have an address of their own, in the order of their addresses; of several that are said to have the same, the newest. */
function endpointsOf({ pods, isLocal }: PolicyObjects): Endpoint[] {
  const found = new Map<string, { pod: Pod; ip: string }>();
  for (const pod of pods) {
    const { podIP: ip, phase } = pod.status;
    if (pod.spec.hostNetwork || !ip?.includes(".") || phase === "Succeeded" || phase === "Failed") continue;
    const other = found.get(ip)?.pod.metadata.creationTimestamp ?? "";
    if (pod.metadata.creationTimestamp >= other) found.set(ip, { pod, ip });
  }
  return [...found.values()]
    .sort((a, b) => (a.ip < b.ip ? -1 : 1))
    .map(({ pod: { metadata, spec }, ip }) => ({
      namespace: metadata.namespace,
      labels: metadata.labels ?? {},
      ip,
      ports: [...spec.containers, ...(spec.initContainers ?? [])].flatMap((container) => container.ports ?? []),
      local: spec.nodeName !== undefined && isLocal(spec.nodeName),
    }));
}

function dnsEndpoint(ip: string): Endpoint {
  const ports = [
    { name: "dns", containerPort: 53, protocol: "UDP" as const },
    { name: "dns-tcp", containerPort: 53, protocol: "TCP" as const },
  ];
  return { namespace: "kube-system", labels: { "k8s-app": "kube-dns" }, ip, ports, local: false };
}

/** Finds what peers of policies stand for; each is looked for once. */
class Peers {
  readonly all: readonly Endpoint[];
  private readonly namespaces: readonly Namespace[];
  private readonly known = new Map<NetworkPolicyPeer, Target[]>();

  constructor(all: readonly Endpoint[], namespaces: readonly Namespace[]) {
    this.all = all;
    this.namespaces = namespaces;
  }

  /** What the peer stands for in a policy of that namespace. */
  of(peer: NetworkPolicyPeer, namespace: string): Target[] {
    let targets = this.known.get(peer);
    if (!targets) this.known.set(peer, (targets = this.find(peer, namespace)));
    return targets;
  }

  private find({ ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer, namespace: string): Target[] {
    if (ipBlock) {
      if (!ipBlock.cidr.includes(".")) return [];
      return withoutRanges(ipBlock.cidr, ipBlock.except ?? []).map((range) => ({ range, ports: [] }));
    }
    const names = namespaceSelector ? this.selected(namespaceSelector) : new Set([namespace]);
    return this.all.filter((e) => names.has(e.namespace) && (!podSelector || matchesLabelSelector(podSelector, e.labels))).map(targetOf);
  }

  private selected(selector: LabelSelector): Set<string> {
    return new Set(this.namespaces.filter((n) => matchesLabelSelector(selector, n.metadata.labels)).map((n) => n.metadata.name));
  }
}

function targetOf({ ip, ports }: Endpoint): Target {
  return { range: `${ip}/32`, ports };
}

function verdict(direction: Direction, policies: readonly NetworkPolicy[], endpoint: Endpoint, peers: Peers): string[] {
  const rules = new Set<string>();
  for (const { metadata, spec } of policies) {
    const list =
      direction === "Ingress"
        ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from ?? [], ports: ports ?? [] }))
        : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to ?? [], ports: ports ?? [] }));
    for (const rule of list) {
      const isNamed = rule.ports.some(({ port }) => typeof port === "string");
      // No peers stand for anybody; what a port's name means differs from pod to pod.
      const anybody: Target[] = [{ range: undefined, ports: [] }, ...(direction === "Egress" && isNamed ? peers.all.map(targetOf) : [])];
      const targets = rule.peers.length === 0 ? anybody : rule.peers.flatMap((peer) => peers.of(peer, metadata.namespace));
      for (const { range, ports } of targets) {
        const address = range ? [direction === "Ingress" ? "-s" : "-d", range] : [];
        for (const match of portMatches(rule.ports, direction === "Ingress" ? endpoint.ports : ports))
          rules.add([...address, ...match, "-j RETURN"].join(" "));
      }
    }
  }
  return [...rules, "-j DROP"];
}

/** The matches that together stand for these ports of a destination; an empty one for all there are. */
function portMatches(ports: readonly NetworkPolicyPort[], destination: readonly ContainerPort[]): string[][] {
  if (ports.length === 0) return [[]];
  return (["TCP", "UDP", "SCTP"] as const).flatMap((protocol) => {
    const wanted = ports.filter((p) => (p.protocol ?? "TCP") === protocol);
    const match = ["-p", protocol.toLowerCase()];
    if (wanted.some((p) => p.port === undefined)) return [match];
    const numbers = wanted.flatMap(({ port, endPort }) =>
      typeof port === "number"
        ? [endPort && endPort > port ? `${port}:${endPort}` : `${port}`]
        : destination.filter((p) => p.name === port && (p.protocol ?? "TCP") === protocol).map((p) => `${p.containerPort}`),
    );
    // One rule matches up to 15 numbers, and a range is two.
    return Array.from({ length: Math.ceil(numbers.length / 7) }, (_, i) => [
      ...match,
      "-m multiport --dports",
      numbers.slice(i * 7, i * 7 + 7).join(","),
    ]);
  });
}

function chainName(tag: string, rules: readonly string[]): string {
  return `${policyChainPrefix(tag)}-${createHash("sha256").update(rules.join("\n")).digest("hex").slice(0, 14).toUpperCase()}`;
}
