/** What a node, the server's own or an agent's, can be told. */
export interface NodeConfig {
  name: string;
  /** The address the node is reached at; "" finds the machine's own. */
  ip: string;
  labels: readonly string[];
  taints: readonly string[];
  runtime: "docker" | "simulated" | "none";
  /** The engine's socket or address; "" is DOCKER_HOST or /var/run/docker.sock. */
  dockerHost: string;
  /** The kubelet's HTTPS port; 0: any free one. */
  kubeletPort: number;
  /** A folder with static pods' manifests; "" for none. */
  podManifestPath: string;
  /** Host ports of the Ingress controller. */
  ingressHttpPort: number;
  ingressHttpsPort: number;
}

/** What --disable takes. */
export const disableable = ["dns", "ingress", "servicelb", "local-storage", "metrics-server", "network-policy", "service-proxy"] as const;

/** Everything that an agent can be told. */
export interface AgentConfig {
  /** https://HOST:PORT */
  server: string;
  token: string;
  dataDir: string;
  disable: readonly string[];
  node: NodeConfig;
}
