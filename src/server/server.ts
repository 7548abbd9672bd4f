import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { lockDataDir } from "../agent/data-lock.ts";
import { machineAddress } from "../agent/machine-address.ts";
import { systemClock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { loadBalancerController } from "../network/load-balancer.ts";
import { makeKubeconfig, writeKubeconfig } from "../pki/kubeconfig.ts";
import { ensurePki } from "../pki/pki.ts";
import { openStore } from "../store/open.ts";
import type { Key } from "../store/store.ts";
import { loadAccess } from "./access.ts";
import { addressAt, contains } from "./addresses.ts";
import type { ServerConfig } from "./config.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { keepSettings } from "./cluster-settings.ts";
import { publishClusterInfo } from "./cluster-info.ts";
import { ensureDnsService } from "./dns-service.ts";
import { startEncryption } from "./secrets-encryption.ts";
import { ensureJoinToken } from "./join-token.ts";
import { startServerNodes } from "./nodes.ts";
import { takePort } from "./port.ts";

/** A server at work. */
export interface RunningServer {
  /** https://127.0.0.1:PORT */
  url: string;
  controlPlane: ControlPlane;
  /** The administrator's kubeconfig, as YAML. */
  kubeconfig: ReturnType<typeof makeKubeconfig>;
  /** Stops everything in the reverse order of its start; pods go on running. */
  stop(): Promise<void>;
}

/**
 * Starts a whole cluster: store, certificates, API, controllers, scheduler, node, network. Resolves when the API answers; the node comes up
 * after that. Rejects with a sentence for the user.
 */
export async function startServer(config: ServerConfig, log: Logger): Promise<RunningServer> {
  checkRanges(config);
  const stops: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
    stops.push(await lockDataDir(config.dataDir));
    await keepSettings(config.dataDir, config);
    const port = await takePort(config.bindAddress, config.httpsPort);
    stops.push(() => port.close());
    const encryption = await startEncryption(config, log);
    stops.push(() => encryption?.close());
    const path = config.inMemory ? "memory" : join(config.dataDir, "store", "state.db");
    const store = await openStore({ path, lazy: mayBeLost, sealing: encryption, past: config.history });
    stops.push(() => store.close());
    const audit =
      config.audit && (await (await import("../apiserver/audit/audit.ts")).startAudit(config.audit, { clock: systemClock, log }));
    stops.push(() => audit?.close());
    const address = config.advertiseAddress || config.node.ip || (await machineAddress());
    const serviceAddress = addressAt(config.serviceCIDR, 1);
    const pki = await ensurePki(join(config.dataDir, "pki"), {
      names: [address, ...config.tlsSans, ...(config.bindAddress === "0.0.0.0" ? [] : [config.bindAddress])],
      serviceAddress,
      clusterDomain: config.clusterDomain,
      failed: (error) => log.warn({ error: String(error) }, "certificates could not be renewed"),
    });
    stops.push(() => pki.stop());
    const issuers = [`https://kubernetes.default.svc.${config.clusterDomain}`];
    const access = await loadAccess(config.access, { clock: systemClock, log, issuers });
    stops.push(() => access.close());
    const controlPlane = startControlPlane({
      ...config,
      access,
      issuers,
      store,
      encryption,
      audit,
      pki,
      clock: systemClock,
      log,
      port,
      address,
      serviceAddress,
      tokenFile: config.tokenAuthFile ? await readTokens(config.tokenAuthFile) : undefined,
      storagePath: join(config.dataDir, "storage"),
      localStorage: !config.disable.includes("local-storage"),
      ingress: !config.disable.includes("ingress"),
      resourceMetrics: !config.disable.includes("metrics-server"),
      controllers: config.disable.includes("servicelb") ? [] : [(context) => loadBalancerController(context, hostPortsInUse(config))],
    });
    stops.push(() => controlPlane.stop());
    const local = config.bindAddress === "0.0.0.0" ? "127.0.0.1" : config.bindAddress;
    const url = `https://${local}:${port.number}`;
    const kubeconfig = makeKubeconfig({ server: url, authority: pki.authority("server"), user: pki.client("admin") });
    if (config.writeKubeconfig) await writeKubeconfig(config.writeKubeconfig, kubeconfig);
    await controlPlane.bootstrap();
    await publishClusterInfo(controlPlane.client, pki, config);
    await ensureJoinToken(controlPlane.client, config.token, config.dataDir, pki.authority("server"));
    if (!config.disable.includes("dns")) await ensureDnsService(controlPlane.client, config.clusterDNS);
    controlPlane.startControllers();
    const nodes = await startServerNodes({ config, controlPlane, pki, address, log });
    stops.push(() => nodes.stop());
    return { url, controlPlane, kubeconfig, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * What a crash may take back minutes of: that a node was alive then, and what happened then. An idle cluster writes nothing else, and
 * writes it together.
 */
function mayBeLost({ resource, namespace }: Key): boolean {
  return resource === "/events" || (resource === "coordination.k8s.io/leases" && namespace === "kube-node-lease");
}

/** What load balancers cannot have: the ports of Ingress and of the API. */
function hostPortsInUse({ disable, node, httpsPort }: ServerConfig): Set<string> {
  const ports = disable.includes("ingress") ? [httpsPort] : [httpsPort, node.ingressHttpPort, node.ingressHttpsPort];
  return new Set(ports.map((port) => `TCP/${port}`));
}

async function readTokens(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Error(`--token-auth-file: ${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function checkRanges({ serviceCIDR, clusterCIDR, clusterDNS, simulatedNodes }: ServerConfig): void {
  const room = 2 ** Math.max(0, 24 - Number(clusterCIDR.split("/")[1]));
  if (simulatedNodes >= room)
    throw new Error(
      `--simulated-nodes ${simulatedNodes}: --cluster-cidr ${clusterCIDR} has room for ${room} nodes; give a larger one, such as 10.128.0.0/9`,
    );
  if (!contains(serviceCIDR, clusterDNS)) throw new Error(`--cluster-dns: ${clusterDNS} must lie in --service-cidr ${serviceCIDR}`);
  if (contains(clusterCIDR, addressAt(serviceCIDR, 0)) || contains(serviceCIDR, addressAt(clusterCIDR, 0)))
    throw new Error(`--cluster-cidr ${clusterCIDR} and --service-cidr ${serviceCIDR} must not overlap`);
}
