import type { Service } from "../../api/types/core.v1.ts";
import type { EndpointSlice } from "../../api/types/discovery.v1.ts";

/** One answer record, in dns-packet's form. */
export type DnsRecord =
  | { type: "A" | "AAAA" | "CNAME" | "PTR"; name: string; ttl: number; data: string }
  | { type: "SRV"; name: string; ttl: number; data: { priority: number; weight: number; port: number; target: string } }
  | { type: "TXT"; name: string; ttl: number; data: string };

/** What the cluster knows of a name. */
export interface DnsAnswer {
  /** False: NXDOMAIN. True without answers: the name is there, but has no record of that type. */
  exists: boolean;
  answers: DnsRecord[];
  additionals: DnsRecord[];
}

/** How names are looked up in the cluster. */
export interface DnsSource {
  service(namespace: string, name: string): Service | undefined;
  namespaceExists(name: string): boolean;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  /** The Service with that cluster IP. */
  byClusterIP(ip: string): Service | undefined;
  /** Headless endpoints with that address: the Service and the endpoint's host name. */
  byEndpointIP(ip: string): { service: Service; host: string }[];
}

const ttl = 5;
const nothing: DnsAnswer = { exists: false, answers: [], additionals: [] };

/**
 * Answers for names of the cluster, by the Kubernetes DNS-based service discovery specification (version 1.1.0). Undefined: the name is
 * not the cluster's, ask upstream. A name in another case is answered as it was asked.
 */
export function resolve(source: DnsSource, domain: string, question: { name: string; type: string }): DnsAnswer | undefined {
  const name = question.name.toLowerCase().replace(/\.$/, "");
  if (name.endsWith(".in-addr.arpa")) return reverse(source, domain, question.name, name, question.type);
  if (name !== domain && !name.endsWith(`.${domain}`)) return undefined;
  const labels = name === domain ? [] : name.slice(0, -domain.length - 1).split(".");
  const kind = labels.at(-1);
  const asked = { name: question.name, type: question.type };
  if (labels.length === 0) return { exists: true, answers: [], additionals: [] };
  if (labels.length === 1 && kind === "dns-version") return found(asked, [{ type: "TXT", name: question.name, ttl, data: "1.1.0" }]);
  if (kind === "svc") return resolveService(source, domain, labels.slice(0, -1), asked);
  if (kind === "pod") return resolvePod(source, labels.slice(0, -1), asked);
  return nothing;
}

type Question = { name: string; type: string };

function found(question: Question, records: DnsRecord[], additionals: DnsRecord[] = []): DnsAnswer {
  const answers = records.filter((r) => question.type === "ANY" || r.type === question.type || r.type === "CNAME");
  return { exists: true, answers, additionals: answers.length > 0 ? additionals : [] };
}

function resolveService(source: DnsSource, domain: string, labels: string[], question: Question): DnsAnswer {
  const namespace = labels.at(-1);
  const name = labels.at(-2);
  if (namespace === undefined) return { exists: true, answers: [], additionals: [] };
  if (name === undefined) return source.namespaceExists(namespace) ? { exists: true, answers: [], additionals: [] } : nothing;
  const service = source.service(namespace, name);
  if (!service) return nothing;
  const rest = labels.slice(0, -2);
  if (service.spec.type === "ExternalName") {
    if (rest.length > 0) return nothing;
    const data = (service.spec.externalName ?? "").replace(/\.$/, "");
    return found(question, [{ type: "CNAME", name: question.name, ttl, data }]);
  }
  const base = `${name}.${namespace}.svc.${domain}`;
  const targets = targetsOf(source, service, base);
  if (rest.length === 0)
    return found(
      question,
      [...addresses(question.name, targets), ...allSrv(question.name, service, targets)],
      srvAddresses(question, targets),
    );
  if (rest.length === 2 && rest[0]?.startsWith("_") && rest[1]?.startsWith("_")) {
    const [port, protocol] = [rest[0].slice(1), rest[1].slice(1)];
    const matching = targets.filter((t) => t.port === port && t.protocol === protocol);
    if (matching.length === 0) return nothing;
    return found(
      question,
      matching.map((t) => srv(question.name, t, matching.length)),
      srvAddresses(question, matching),
    );
  }
  const host = rest.length === 1 ? targets.filter((t) => t.headless && t.target === `${rest[0]}.${base}`) : [];
  return host.length > 0 ? found(question, addresses(question.name, host)) : nothing;
}

/** One address and port of a Service, as records need it. */
interface ServiceTarget {
  ip: string;
  port: string;
  number: number;
  protocol: string;
  /** The name that SRV records point to. */
  target: string;
  headless: boolean;
}

function targetsOf(source: DnsSource, service: Service, base: string): ServiceTarget[] {
  const { namespace, name } = service.metadata;
  if (service.spec.clusterIP !== "None") {
    const ips = service.spec.clusterIPs ?? (service.spec.clusterIP ? [service.spec.clusterIP] : []);
    return ips.flatMap((ip) =>
      (service.spec.ports ?? []).map((p) => ({
        ip,
        port: p.name ?? "",
        number: p.port,
        protocol: (p.protocol ?? "TCP").toLowerCase(),
        target: base,
        headless: false,
      })),
    );
  }
  const targets: ServiceTarget[] = [];
  for (const slice of source.slices(namespace, name)) {
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.ready === false && !service.spec.publishNotReadyAddresses) continue;
      for (const ip of endpoint.addresses) {
        const target = `${endpoint.hostname || dashed(ip)}.${base}`;
        const ports = slice.ports?.length ? slice.ports : [{ name: "", port: 0, protocol: "TCP" }];
        for (const p of ports)
          targets.push({
            ip,
            port: p.name ?? "",
            number: p.port ?? 0,
            protocol: (p.protocol ?? "TCP").toLowerCase(),
            target,
            headless: true,
          });
      }
    }
  }
  return targets;
}

/** How an endpoint without a host name is called: its address with dashes. */
export function dashed(ip: string): string {
  return ip.replace(/[.:]/g, "-");
}

function addresses(name: string, targets: readonly ServiceTarget[]): DnsRecord[] {
  const ips = new Set(targets.map((t) => t.ip));
  return [...ips].map((ip) => ({ type: ip.includes(":") ? "AAAA" : "A", name, ttl, data: ip }));
}

function allSrv(name: string, service: Service, targets: readonly ServiceTarget[]): DnsRecord[] {
  const named = targets.filter((t) => t.number > 0 && (service.spec.ports?.length ?? 0) > 0);
  return named.map((t) => srv(name, t, named.length));
}

function srv(name: string, target: ServiceTarget, count: number): DnsRecord {
  return {
    type: "SRV",
    name,
    ttl,
    data: { priority: 0, weight: Math.max(1, Math.floor(100 / count)), port: target.number, target: target.target },
  };
}

function srvAddresses(question: Question, targets: readonly ServiceTarget[]): DnsRecord[] {
  if (question.type !== "SRV") return [];
  const byName = new Map(targets.map((t) => [`${t.target} ${t.ip}`, t]));
  return [...byName.values()].map((t) => ({ type: t.ip.includes(":") ? "AAAA" : "A", name: t.target, ttl, data: t.ip }));
}

function resolvePod(source: DnsSource, labels: string[], question: Question): DnsAnswer {
  const [address, namespace] = labels;
  if (labels.length !== 2 || !address || !namespace || !source.namespaceExists(namespace)) return nothing;
  const ip = address.replaceAll("-", ".");
  if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(ip)) return nothing;
  return found(question, [{ type: "A", name: question.name, ttl, data: ip }]);
}

function reverse(source: DnsSource, domain: string, asked: string, name: string, type: string): DnsAnswer | undefined {
  const parts = name.slice(0, -".in-addr.arpa".length).split(".");
  if (parts.length !== 4) return undefined;
  const ip = parts.reverse().join(".");
  const service = source.byClusterIP(ip);
  const full = (s: Service): string => `${s.metadata.name}.${s.metadata.namespace}.svc.${domain}`;
  const names = service ? [full(service)] : source.byEndpointIP(ip).map((e) => `${e.host}.${full(e.service)}`);
  if (names.length === 0) return undefined;
  return found(
    { name: asked, type },
    names.map((data) => ({ type: "PTR", name: asked, ttl, data })),
  );
}
