import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createCaches } from "../client/caches.ts";
import { Client } from "../client/client.ts";
import { createHttpsTransport } from "../client/https-transport.ts";
import { systemClock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { ensureServingCertificate, keepCertificates } from "./certificates.ts";
import type { AgentConfig } from "./config.ts";
import { lockDataDir } from "./data-lock.ts";
import { joinCluster } from "./join.ts";
import { machineAddress } from "./machine-address.ts";
import { kubeletFolder, startNode } from "./node.ts";

/** An agent at work. */
export interface RunningAgent {
  /** Stops working; pods go on. */
  stop(): Promise<void>;
}

/**
 * Joins a cluster as a node. Resolves when the node is registered. Rejects with a sentence for the user. From then on it goes on through
 * every outage of the server.
 */
export async function startAgent(config: AgentConfig, log: Logger): Promise<RunningAgent> {
  const { server, dataDir, node } = config;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDataDir(dataDir);
  const folder = join(dataDir, "agent");
  const identity = await joinCluster({ server, token: config.token, folder, nodeName: node.name, log });
  const transport = createHttpsTransport({
    server,
    ca: identity.serverAuthority,
    certificate: () => ({ key: identity.credentials.key, cert: identity.credentials.certificate }),
    userAgent: "hue-agent",
  });
  const client = new Client(transport, "kubelet");
  const caches = createCaches(transport, systemClock, log);
  const ip = node.ip || (await machineAddress());
  try {
    const serving = await ensureServingCertificate(client, folder, node.name, systemClock);
    const running = await startNode({
      client,
      caches,
      clock: systemClock,
      log,
      config: node,
      cluster: identity.cluster,
      ip,
      dataDir: kubeletFolder(dataDir),
      roles: {},
      // Ingress reads every Secret: that is for servers only.
      disable: [...config.disable, "ingress"],
      serving,
      clientAuthority: identity.clientAuthority,
      serverAuthority: identity.serverAuthority,
    });
    const stopRenewal = keepCertificates({
      ...{ client, folder, nodeName: node.name, identity, serving, clock: systemClock, log },
      renewed: (renewed) => running.renew(renewed),
    });
    return {
      async stop() {
        stopRenewal();
        await running.stop();
        caches.stop();
        transport.close();
        unlock();
      },
    };
  } catch (error) {
    caches.stop();
    transport.close();
    unlock();
    throw error;
  }
}
