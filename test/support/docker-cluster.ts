import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { cleanup, freePort, type HueAgent, type HueProcess, startAgent, startHue } from "./hue.ts";
import { machine } from "./machine.ts";
import type { SharedCluster } from "./shared-cluster.ts";

/** Folders of their own name, so that a run that was killed is cleaned up by the next one. */
const folder = (node: string): string => join(tmpdir(), `hue-test-docker-${node}`);
const server = "acc-server";
const agents = ["acc-agent-0", "acc-agent-1"];

/** Ranges that no other hue on the machine is likely to use. */
const network = ["--cluster-cidr", "10.142.0.0/16", "--service-cidr", "10.143.0.0/16", "--cluster-dns", "10.143.0.10"];

let running: { server?: HueProcess; agents: HueAgent[] } = { agents: [] };

/** Builds the images and starts the cluster that most tests of real containers share: a server and two agents on this machine and engine. */
export async function setup(project: TestProject): Promise<void> {
  await machine("sh", new URL("../../examples/hue-platform/images/build.sh", import.meta.url).pathname);
  for (const node of [...agents, server]) if (existsSync(folder(node))) await cleanup(folder(node));
  try {
    project.provide("cluster", await start());
  } catch (error) {
    await teardown();
    throw error;
  }
}

async function start(): Promise<SharedCluster> {
  const [ingressHttpPort, ingressHttpsPort] = [await freePort(), await freePort()];
  const ports = ["--ingress-http-port", String(ingressHttpPort), "--ingress-https-port", String(ingressHttpsPort)];
  const started = await startHue(["--node-name", server, "--node-label", "hue.example/room=cellar", ...network, ...ports], {
    dataDir: folder(server),
  });
  running = { server: started, agents: [] };
  for (const agent of agents) running.agents.push(await startAgent(started, agent, ports, folder(agent)));
  await started.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "node", server, ...agents);
  const { kubeconfig, dataDir, port } = started;
  return { kubeconfig, dataDir, port, server, agents, ingressHttpPort, ingressHttpsPort };
}

/** Ends the processes, and removes all they made. */
export async function teardown(): Promise<void> {
  const failures: unknown[] = [];
  for (const each of [...running.agents, ...(running.server ? [running.server] : [])]) {
    await each.stop();
    await each.cleanup().catch((error) => failures.push(error));
  }
  for (const node of [...agents, server]) rmSync(folder(node), { recursive: true, force: true });
  if (failures[0]) throw failures[0];
}
