import type { Service, ServicePort } from "../../api/types/core.v1.ts";
import type { EndpointSlice } from "../../api/types/discovery.v1.ts";

/** An address that a Service port leads to. */
export interface Backend {
  ip: string;
  port: number;
  /** On this machine. */
  local: boolean;
}

/** One port of one Service, as the proxy needs it: everything that rules are made from. */
export interface ServicePortRules {
  /** "namespace/name:port" */
  name: string;
  protocol: "tcp" | "udp" | "sctp";
  clusterIPs: readonly string[];
  port: number;
  /** 0 for none. */
  nodePort: number;
  /** externalIPs, always answered as the port itself. */
  externalIPs: readonly string[];
  /** Addresses of the load balancer. */
  loadBalancerIPs: readonly string[];
  /** Who may use the load balancer addresses; empty: everybody. */
  sourceRanges: readonly string[];
  /** Seconds that a client sticks to its backend; 0 for none. */
  affinitySeconds: number;
  /** Where traffic from inside the cluster goes. */
  internal: readonly Backend[];
  /** Where traffic from outside goes. */
  external: readonly Backend[];
  /** externalTrafficPolicy Local: keep the client's address. */
  externalLocal: boolean;
}

/**
 * What the proxy has to do for a Service: one entry a port. Headless and ExternalName Services need nothing.
 * Backends are the ready endpoints; where none is ready, the serving ones that terminate (KEP-1669); for a Local policy those on this machine.
 */
export function servicePorts(service: Service, slices: readonly EndpointSlice[], isLocal: (node: string) => boolean): ServicePortRules[] {
  const spec = service.spec;
  if (spec.type === "ExternalName" || !spec.clusterIP || spec.clusterIP === "None") return [];
  return (spec.ports ?? []).map((port) => {
    const all = backends(slices, port, isLocal, spec.publishNotReadyAddresses === true);
    const externalLocal = spec.externalTrafficPolicy === "Local" && spec.type !== "ClusterIP";
    return {
      name: `${service.metadata.namespace}/${service.metadata.name}:${port.name ?? ""}`,
      protocol: protocolOf(port),
      clusterIPs: (spec.clusterIPs ?? [spec.clusterIP ?? ""]).filter((ip) => ip.includes(".")),
      port: port.port,
      nodePort: port.nodePort ?? 0,
      externalIPs: spec.externalIPs ?? [],
      loadBalancerIPs: (service.status.loadBalancer?.ingress ?? []).flatMap((i) =>
        i.ip?.includes(".") && i.ipMode !== "Proxy" ? [i.ip] : [],
      ),
      sourceRanges: (spec.loadBalancerSourceRanges ?? []).map((r) => r.trim()).filter((r) => r.includes(".")),
      affinitySeconds: spec.sessionAffinity === "ClientIP" ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800) : 0,
      internal: spec.internalTrafficPolicy === "Local" ? choose(all.filter((b) => b.local)) : choose(all),
      external: externalLocal ? choose(all.filter((b) => b.local)) : choose(all),
      externalLocal,
    };
  });
}

interface Candidate extends Backend {
  ready: boolean;
  serving: boolean;
}

function protocolOf(port: ServicePort): "tcp" | "udp" | "sctp" {
  return port.protocol === "UDP" ? "udp" : port.protocol === "SCTP" ? "sctp" : "tcp";
}

function backends(slices: readonly EndpointSlice[], port: ServicePort, isLocal: (node: string) => boolean, publish: boolean): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== "IPv4") continue;
    const target = (slice.ports ?? []).find(
      (p) => (p.name ?? "") === (port.name ?? "") && (p.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    if (target?.port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const ready = publish || endpoint.conditions?.ready !== false;
      const serving = (endpoint.conditions?.serving ?? ready) && endpoint.conditions?.terminating === true;
      const local = endpoint.nodeName !== undefined && isLocal(endpoint.nodeName);
      for (const ip of endpoint.addresses) found.set(`${ip}:${target.port}`, { ip, port: target.port, local, ready, serving });
    }
  }
  return [...found.values()].sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port));
}

function choose(candidates: readonly Candidate[]): Backend[] {
  const ready = candidates.filter((c) => c.ready);
  return (ready.length > 0 ? ready : candidates.filter((c) => c.serving)).map(({ ip, port, local }) => ({ ip, port, local }));
}
