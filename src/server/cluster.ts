import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeConfig } from "../agent/config.ts";
import { defaultLimits } from "../apiserver/fairness/gate.ts";
import type { Client } from "../client/client.ts";
import { type Logger, silentLogger } from "../lib/log.ts";
import { kubeconfigYaml } from "../pki/kubeconfig.ts";
import { accessDefaults } from "./access-config.ts";
import type { ServerConfig } from "./config.ts";
import { startServer } from "./server.ts";

/** What createCluster can be told; everything has a default. */
export interface ClusterOptions {
  /** Keeps the state in this folder; left out: in memory, nothing outlives the cluster. */
  dataDir?: string;
  /** The API's port on 127.0.0.1. Default: any free one. */
  port?: number;
  /** How many nodes run simulated pods. Default 1. */
  nodes?: number;
  /** Names of parts to leave out, as for --disable. */
  disable?: readonly string[];
  log?: Logger;
}

/** A whole cluster in the caller's process. */
export interface Cluster {
  /** https://127.0.0.1:PORT */
  url: string;
  /** The administrator's kubeconfig, as YAML. */
  kubeconfig: string;
  /** Typed calls as the administrator, without HTTP. Objects that come back are shared: never change them. */
  client: Client;
  /** Ends it; nothing is left behind. */
  stop(): Promise<void>;
}

/** Every part of a server's configuration that nobody has to choose. */
export const serverDefaults: Omit<ServerConfig, "dataDir" | "node"> = {
  inMemory: false,
  history: { milliseconds: 24 * 60 * 60_000, bytes: 2 ** 28 },
  bindAddress: "0.0.0.0",
  httpsPort: 6443,
  advertiseAddress: "",
  writeKubeconfig: "",
  token: "",
  tokenAuthFile: "",
  encryptionProviderConfig: "",
  encryptionProviderConfigAutomaticReload: false,
  secretsEncryption: false,
  audit: undefined,
  tlsSans: [],
  clusterCIDR: "10.42.0.0/16",
  serviceCIDR: "10.43.0.0/16",
  clusterDNS: "10.43.0.10",
  clusterDomain: "cluster.local",
  nodePortRange: "30000-32767",
  limits: defaultLimits,
  disable: [],
  access: accessDefaults,
  simulatedNodes: 0,
};

/** A node without containers, for tests. */
const simulatedNode: NodeConfig = {
  name: "node-0",
  ip: "127.0.0.1",
  labels: [],
  taints: [],
  runtime: "none",
  dockerHost: "",
  kubeletPort: 0,
  podManifestPath: "",
  ingressHttpPort: 0,
  ingressHttpsPort: 0,
};

/** Starts a whole Kubernetes cluster in this process, with simulated pods: for tests, and for programs that embed one. */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const temporary = options.dataDir === undefined ? await mkdtemp(join(tmpdir(), "hue-")) : undefined;
  const nodes = options.nodes ?? 1;
  const config: ServerConfig = {
    ...serverDefaults,
    dataDir: options.dataDir ?? temporary ?? "",
    inMemory: options.dataDir === undefined,
    bindAddress: "127.0.0.1",
    httpsPort: options.port ?? 0,
    advertiseAddress: "127.0.0.1",
    disable: ["ingress", "servicelb", ...(options.disable ?? [])],
    node: simulatedNode,
    simulatedNodes: nodes,
    ...(nodes < 256 ? {} : { clusterCIDR: "10.128.0.0/9" }),
  };
  const removeFolder = async (): Promise<void> => {
    if (temporary) await rm(temporary, { recursive: true, force: true });
  };
  try {
    const server = await startServer(config, options.log ?? silentLogger);
    return {
      url: server.url,
      kubeconfig: kubeconfigYaml(server.kubeconfig),
      client: server.controlPlane.client,
      async stop() {
        await server.stop();
        await removeFolder();
      },
    };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}
