import { createHash } from "node:crypto";
import { EndpointSlices, Namespaces, Nodes, Services } from "../api/types/resources.ts";
import type { Caches } from "../client/cache.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { DnsServer } from "./dns/server.ts";
import { cacheSource } from "./dns/source.ts";
import { machineResolvers } from "./dns/upstream.ts";
import type { NetworkHost } from "./host/host.ts";
import { Ownership } from "./host/ownership.ts";
import { tables } from "./host/rule-set.ts";
import { IngressController } from "./ingress/controller.ts";
import { PolicyEnforcer } from "./policy/enforcer.ts";
import { ServiceProxy } from "./proxy/proxy.ts";
import { Routes } from "./routes.ts";

/** What the network of a machine depends on. */
export interface NetworkConfig {
  /** Tells clusters on one machine apart: see clusterTag. */
  tag: string;
  clusterCIDR: string;
  serviceCIDR: string;
  clusterDNS: string;
  clusterDomain: string;
  /** Parts that are not to run: dns, service-proxy, ingress, network-policy. */
  disable: readonly string[];
  ingressHttpPort: number;
  ingressHttpsPort: number;
  fallbackCertificate: { key: string; cert: string };
}

/** The network of the machine: routes, service proxy, NetworkPolicies, DNS, Ingress; kept by one of the cluster's processes on it. */
export interface Network {
  /** Begins to keep the network, at once or when the process that keeps it now has ended. */
  start(): void;
  /** Resolves when this process keeps the network and everything is in place; for tests and start-up messages. */
  readonly ready: Promise<void>;
  /** From now on with this certificate for Ingress hosts that have none of their own. */
  renew(fallbackCertificate: NetworkConfig["fallbackCertificate"]): void;
  /** The pod ("namespace/name") is about to get that address: resolves when NetworkPolicies hold for it, if this process keeps the network. */
  join(pod: string, ip: string): Promise<void>;
  /** Stops serving; routes and rules stay, so that pods go on talking to each other. */
  stop(): Promise<void>;
}

/** Four letters that stand for a cluster, from its authority's certificate: in names of chains and sockets. */
export function clusterTag(clusterCA: string): string {
  return createHash("sha256").update(clusterCA.trim()).digest("hex").slice(0, 4).toUpperCase();
}

/** Puts the parts together. Nothing runs before start(). */
export function createNetwork(options: { config: NetworkConfig; host: NetworkHost; caches: Caches; clock: Clock; log: Logger }): Network {
  const { config, host, caches, clock, log } = options;
  const enabled = (part: string): boolean => !config.disable.includes(part);
  const ownership = new Ownership(config.tag);
  // Only servers serve Ingresses: one that comes back serves them again, also where an agent keeps the rest by then.
  const ingressOwnership = new Ownership(`${config.tag}-ingress`);
  const stops: (() => Promise<void> | void)[] = [];
  let stopped = false;
  let { fallbackCertificate } = config;
  let ingress: IngressController | undefined;
  let policy: PolicyEnforcer | undefined;
  let settle: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const run = async (): Promise<void> => {
    // Whoever takes over when the server has died cannot ask it any more: what is needed then is followed from the beginning.
    caches.of(Services);
    caches.of(EndpointSlices);
    caches.of(Nodes);
    caches.of(Namespaces);
    const enforcer = new PolicyEnforcer({ config, enabled: enabled("network-policy"), host, caches, clock, log });
    policy = enforcer;
    stops.push(() => enforcer.stop());
    if (!(await ownership.acquire()) || stopped) return;
    const routes = new Routes({ ...config, host, caches, clock, log });
    stops.push(() => routes.stop());
    await routes.start();
    await enforcer.start();
    if (enabled("service-proxy")) {
      const proxy = new ServiceProxy({ config, host, caches, clock, log });
      stops.push(() => proxy.stop());
      await proxy.start();
    }
    if (enabled("dns")) stops.push(await startDns(config, host, caches, log));
  };
  const serveIngress = async (): Promise<void> => {
    if (!enabled("ingress") || !(await ingressOwnership.acquire()) || stopped) return;
    const controller = new IngressController({ caches, log, fallbackCertificate });
    ingress = controller;
    stops.push(() => controller.stop());
    await controller.start("0.0.0.0", config.ingressHttpPort, config.ingressHttpsPort);
  };
  return {
    ready,
    start() {
      Promise.all([run(), serveIngress()]).then(settle, (error) => log.error({ error: String(error) }, "the network could not be set up"));
    },
    renew(certificate) {
      fallbackCertificate = certificate;
      ingress?.renew(certificate);
    },
    async join(pod, ip) {
      await policy?.join(pod, ip);
    },
    async stop() {
      stopped = true;
      for (const stop of stops.reverse()) await stop();
      ownership.release();
      ingressOwnership.release();
    },
  };
}

async function startDns(config: NetworkConfig, host: NetworkHost, caches: Caches, log: Logger): Promise<() => void> {
  const source = cacheSource(caches);
  await source.synced;
  await host.ip("address", "replace", `${config.clusterDNS}/32`, "dev", "lo");
  const server = new DnsServer({ source, domain: config.clusterDomain, upstream: machineResolvers(config.clusterDNS), log });
  await server.listen(config.clusterDNS);
  return () => server.close();
}

/**
 * Removes what the network of that cluster made on this machine: chains, jumps, routes, the DNS address, the overlay. Things that are
 * gone already are passed over.
 */
export async function cleanupNetwork(
  host: NetworkHost,
  config: Pick<NetworkConfig, "tag" | "clusterCIDR" | "serviceCIDR" | "clusterDNS">,
): Promise<void> {
  for (const table of tables) {
    const saved = (await host.save(table)).split("\n");
    const own = `HUE-${config.tag}-`;
    for (const rule of saved)
      if (rule.startsWith("-A ") && !rule.startsWith(`-A ${own}`) && rule.includes(`-j ${own}`))
        await host.iptables("-t", table, "-D", ...rule.slice(3).split(" "));
    const chains = saved.flatMap((line) => (line.startsWith(`:${own}`) ? [line.slice(1).split(" ")[0] ?? ""] : []));
    if (chains.length === 0) continue;
    const lines = [`*${table}`, ...chains.map((c) => `:${c} - [0:0]`), ...chains.map((c) => `-X ${c}`), "COMMIT"];
    await host.restore(`${lines.join("\n")}\n`);
  }
  const gone = (): string => "";
  await host.ip("route", "del", "unreachable", config.clusterCIDR, "metric", "4000").catch(gone);
  await host.ip("route", "del", config.serviceCIDR, "dev", "lo", "metric", "4000").catch(gone);
  await host.ip("address", "del", `${config.clusterDNS}/32`, "dev", "lo").catch(gone);
  await host.ip("link", "del", "hue.vxlan").catch(gone);
}
