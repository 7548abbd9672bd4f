import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Taint } from "../api/types/core.v1.ts";
import type { Caches } from "../client/cache.ts";
import type { Client } from "../client/client.ts";
import { runController } from "../client/runner.ts";
import { createEventRecorder, type EventMemory } from "../client/event-recorder.ts";
import { createKubelet } from "../kubelet/kubelet.ts";
import { createDockerRuntime } from "../kubelet/runtime/docker/docker-runtime.ts";
import type { Runtime } from "../kubelet/runtime/runtime.ts";
import { createSimulatedRuntime } from "../kubelet/runtime/simulated/simulated-runtime.ts";
import { localPathCleaner } from "../kubelet/volumes/local-path-cleaner.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { HostPorts } from "../network/host-ports.ts";
import { linuxHost } from "../network/host/host.ts";
import { BridgeNetwork, bridgeName } from "../network/pod-network.ts";
import { clusterTag, createNetwork } from "../network/network.ts";
import type { Credentials } from "../pki/credentials.ts";
import type { ClusterSettings } from "./cluster-settings.ts";
import type { NodeConfig } from "./config.ts";

/** What a node is made from, in a server's process or in an agent's. */
export interface NodeOptions {
  client: Client;
  caches: Caches;
  clock: Clock;
  log: Logger;
  config: NodeConfig;
  cluster: ClusterSettings;
  /** The address at which the node is reached. */
  ip: string;
  dataDir: string;
  /** Labels beside those of the configuration: the server's roles. */
  roles: Readonly<Record<string, string>>;
  disable: readonly string[];
  /** What the kubelet shows; undefined: it has no server (logs, exec). */
  serving: Credentials | undefined;
  /** The authority of those who may call the kubelet, PEM. */
  clientAuthority: string;
  /** What simulated nodes share. */
  eventMemory?: EventMemory;
  /** The authority of the cluster, PEM: names the cluster on this machine. */
  serverAuthority: string;
}

/** A node at work. */
export interface RunningNode {
  /** Shows those credentials from now on, in place of the ones that it was started with. */
  renew(serving: Credentials): void;
  stop(): Promise<void>;
}

/** Starts the kubelet and, with real containers, the machine's network. Resolves when the node is registered. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { config, client, clock, log } = options;
  const stops: (() => Promise<void>)[] = [];
  const runtime = makeRuntime(options, async (pod, ip) => network?.join(pod, ip));
  const network = runtime.usesHost ? startNetwork(options) : undefined;
  if (network) stops.push(...network.stops);
  const kubelet = createKubelet({
    client,
    caches: options.caches,
    clock,
    log,
    events: createEventRecorder(client, clock, log, { component: "kubelet", host: config.name }, options.eventMemory),
    nodeName: config.name,
    nodeIP: options.ip,
    dataDir: options.dataDir,
    runtime,
    nodeLabels: { ...labels(config.labels), ...options.roles },
    nodeTaints: config.taints.map(taint),
    clusterDNS: options.disable.includes("dns") ? [] : [options.cluster.clusterDNS],
    clusterDomain: options.cluster.clusterDomain,
    ...(options.serving ? { serving: { ...options.serving, clientCA: options.clientAuthority, port: config.kubeletPort } } : {}),
    ...(config.podManifestPath ? { staticPodPath: config.podManifestPath } : {}),
  });
  stops.push(() => kubelet.stop());
  await kubelet.start();
  if (runtime.usesHost) stops.push(startCleaner(options));
  return {
    renew({ key, certificate }) {
      kubelet.renew(key, certificate);
      network?.renew({ key, certificate });
    },
    async stop() {
      for (const stop of stops.reverse()) await stop();
    },
  };
}

/** Removes the folders of this node's local-path volumes once they are deleted. */
function startCleaner({ client, caches, clock, log, config }: NodeOptions): () => Promise<void> {
  const events = createEventRecorder(client, clock, log, { component: "local-path", host: config.name });
  const cleaner = localPathCleaner({ hostname: config.name })({ client, caches, clock, log, events });
  const running = runController(cleaner, { clock, log });
  return () => running.stop();
}

function makeRuntime({ config, clock, dataDir }: NodeOptions, beforeAttach: RunningNetwork["join"]): Runtime {
  if (config.runtime === "simulated") return createSimulatedRuntime({ clock });
  const socketPath = config.dockerHost.replace(/^unix:\/\//, "");
  const bridge = bridgeName(dataDir, config.name);
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, bridgeFile), bridge);
  const network = new BridgeNetwork(linuxHost, bridge, beforeAttach);
  return createDockerRuntime({ nodeName: config.name, dataDir, clock, network, ...(socketPath ? { socketPath } : {}) });
}

interface RunningNetwork {
  stops: (() => Promise<void>)[];
  renew(serving: Credentials): void;
  join(pod: string, ip: string): Promise<void>;
}

/** The machine's network, and this node's host ports. */
function startNetwork(options: NodeOptions): RunningNetwork {
  const { config, cluster, caches, clock, log, disable, serving, serverAuthority } = options;
  const tag = clusterTag(serverAuthority);
  const network = createNetwork({
    host: linuxHost,
    caches,
    clock,
    log,
    config: {
      ...cluster,
      tag,
      disable: serving ? disable : [...disable, "ingress"],
      ingressHttpPort: config.ingressHttpPort,
      ingressHttpsPort: config.ingressHttpsPort,
      fallbackCertificate: { key: serving?.key ?? "", cert: serving?.certificate ?? "" },
    },
  });
  network.start();
  const hostPorts = new HostPorts({ tag, nodeName: config.name, host: linuxHost, caches, log });
  hostPorts.start().catch((error) => log.error({ error: String(error) }, "host ports are not served"));
  return {
    stops: [() => network.stop(), () => hostPorts.stop()],
    join: (pod, ip) => network.join(pod, ip),
    renew: ({ key, certificate }) => network.renew({ key, cert: certificate }),
  };
}

function labels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]));
}

function taint(text: string): Taint {
  const colon = text.lastIndexOf(":");
  const [key = "", value] = text.slice(0, colon).split("=");
  return { key, ...(value === undefined ? {} : { value }), effect: text.slice(colon + 1) as Taint["effect"] };
}

/** The file in a kubelet's folder that names its bridge, for clean-up. */
export const bridgeFile = "bridge";

/** Where a kubelet's own data is, below the data folder. */
export function kubeletFolder(dataDir: string): string {
  return join(dataDir, "kubelet");
}
