import { existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { cleanup, freePort, type HueAgent, type HueProcess, nodeReady, startAgent, startHue } from "./hue.ts";
import { machine } from "./machine.ts";
import type { SharedCluster } from "./shared-cluster.ts";

/** What one run has to itself on the machine; a second run at the same time takes other names and ranges. */
interface Instance {
  lock: Server;
  server: string;
  agents: string[];
  /** The first two numbers of pods' and Services' addresses. */
  podRange: string;
  serviceRange: string;
}

/** Folders of their own name, so that a run that was killed is cleaned up by the next one. */
const folder = (node: string): string => join(tmpdir(), `hue-test-docker-${node}`);

let running: { instance?: Instance; server?: HueProcess; agents: HueAgent[] } = { agents: [] };

/** Builds the images and starts the cluster that most tests of real containers share: a server and two agents on this machine and engine. */
export async function setup(project: TestProject): Promise<void> {
  await machine("sh", new URL("../../examples/hue-platform/images/build.sh", import.meta.url).pathname);
  const instance = await freeInstance();
  running = { instance, agents: [] };
  for (const node of [...instance.agents, instance.server]) if (existsSync(folder(node))) await cleanup(folder(node));
  try {
    project.provide("cluster", await start(instance));
  } catch (error) {
    await teardown();
    throw error;
  }
}

/** The kernel frees the lock (an abstract socket) when this process ends, however it ends. */
async function freeInstance(): Promise<Instance> {
  for (let n = 0; n < 10; n++) {
    const lock = createServer();
    const free = await new Promise<boolean>((resolve) => {
      lock.on("error", () => resolve(false));
      lock.listen(`\0hue-test-docker-${n}`, () => resolve(true));
    });
    if (!free) continue;
    lock.unref();
    const range = 142 + 4 * n;
    return {
      lock,
      server: `acc${n}-server`,
      agents: [`acc${n}-agent-0`, `acc${n}-agent-1`],
      podRange: `10.${range}`,
      serviceRange: `10.${range + 1}`,
    };
  }
  throw new Error("ten runs of these tests at once are too many");
}

async function start({ server, agents, podRange, serviceRange }: Instance): Promise<SharedCluster> {
  const [ingressHttpPort, ingressHttpsPort] = [await freePort(), await freePort()];
  const ports = ["--ingress-http-port", String(ingressHttpPort), "--ingress-https-port", String(ingressHttpsPort)];
  const network = [
    "--cluster-cidr",
    `${podRange}.0.0/16`,
    "--service-cidr",
    `${serviceRange}.0.0/16`,
    "--cluster-dns",
    `${serviceRange}.0.10`,
  ];
  const started = await startHue(["--node-name", server, "--node-label", "hue.example/room=cellar", ...network, ...ports], {
    dataDir: folder(server),
  });
  running.server = started;
  for (const agent of agents) running.agents.push(await startAgent(started, agent, ports, folder(agent)));
  for (const node of [server, ...agents]) await nodeReady(started.kubectl, node);
  const { kubeconfig, dataDir, port } = started;
  return { kubeconfig, dataDir, port, server, agents, podRange, serviceRange, ingressHttpPort, ingressHttpsPort };
}

/** Ends the processes, and removes all they made. */
export async function teardown(): Promise<void> {
  const failures: unknown[] = [];
  const { instance, agents, server } = running;
  running = { agents: [] };
  for (const each of [...agents, ...(server ? [server] : [])]) {
    await each.stop();
    await each.cleanup().catch((error) => failures.push(error));
  }
  instance?.lock.close();
  if (failures[0]) throw failures[0];
}
