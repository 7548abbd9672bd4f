import { kubeletServerName } from "../api/streaming/kubelet-paths.ts";
import { type NodeOptions, kubeletFolder, type RunningNode, startNode } from "../agent/node.ts";
import { EventMemory } from "../client/event-recorder.ts";
import { systemClock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { Credentials } from "../pki/credentials.ts";
import type { Pki } from "../pki/pki.ts";
import type { ServerConfig } from "./config.ts";
import type { ControlPlane } from "./control-plane.ts";

/** What the nodes inside a server's process need. */
export interface ServerNodesOptions {
  config: ServerConfig;
  controlPlane: ControlPlane;
  pki: Pki;
  /** The address that the server is reached at; the node's too unless it has one of its own. */
  address: string;
  log: Logger;
}

/** More simulated nodes than that do without servers for logs and exec. */
const servedSimulatedNodes = 10;

/** Starts the server's own node and its simulated ones. They come up in the background. */
export async function startServerNodes(options: ServerNodesOptions): Promise<{ stop(): Promise<void> }> {
  const { config, log, pki } = options;
  const starting: Promise<RunningNode>[] = [];
  const start = async (made: Promise<NodeOptions>): Promise<RunningNode> => {
    const node = await made;
    const running = await startNode(node);
    if (!node.serving) return running;
    const renew = async (): Promise<void> => running.renew(await servingOf(pki, node.config.name, node.ip));
    const end = pki.onRenewed(
      () => void renew().catch((error) => log.error({ error: String(error) }, "a node's certificate is not renewed")),
    );
    return {
      ...running,
      stop() {
        end();
        return running.stop();
      },
    };
  };
  if (config.node.runtime !== "none") {
    const roles = { "node-role.kubernetes.io/control-plane": "true" };
    starting.push(start(nodeOptions(options, config.node.name, roles, true)));
  }
  const eventMemory = new EventMemory(16_384);
  for (let i = 0; i < config.simulatedNodes; i++) {
    const simulated = nodeOptions(options, `node-${i}`, {}, config.simulatedNodes <= servedSimulatedNodes);
    starting.push(
      start(
        simulated.then((o) => ({
          ...o,
          eventMemory,
          config: { ...o.config, labels: [], taints: [], runtime: "simulated", kubeletPort: 0 },
        })),
      ),
    );
  }
  for (const node of starting) node.catch((error) => log.error({ error: String(error) }, "a node could not be started"));
  return {
    async stop() {
      const nodes = await Promise.allSettled(starting);
      await Promise.all(nodes.map((node) => (node.status === "fulfilled" ? node.value.stop() : undefined)));
    },
  };
}

async function nodeOptions(
  { config, controlPlane, pki, address, log }: ServerNodesOptions,
  name: string,
  roles: Readonly<Record<string, string>>,
  served: boolean,
): Promise<NodeOptions> {
  const ip = config.node.ip || address;
  return {
    client: controlPlane.client.as("kubelet"),
    caches: controlPlane.caches,
    clock: systemClock,
    log,
    config: { ...config.node, name },
    cluster: config,
    ip,
    dataDir: kubeletFolder(config.dataDir),
    roles,
    disable: config.disable,
    serving: served ? await servingOf(pki, name, ip) : undefined,
    clientAuthority: pki.authority("client"),
    serverAuthority: pki.authority("server"),
  };
}

function servingOf(pki: Pki, name: string, ip: string): Promise<Credentials> {
  return pki.nodeServing(name, [ip, kubeletServerName(name)]);
}
