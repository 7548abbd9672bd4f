import { Deployments, Leases, Pods } from "../../src/api/types/resources.ts";
import { nodesReady } from "./hue.ts";
import { load } from "./load.ts";
import { usage } from "./process.ts";
import { ending, pause, type Running, type Scenario } from "./system.ts";
import { until } from "../support/wait.ts";

const nodes = 100;
const replicas = 3000;

/** Pods that the scheduler binds to nodes without a kubelet. */
export const bound: Scenario = {
  works: ["bound"],
  sides: ["hue", "reference"],
  async run(bench) {
    const server = await bench.start({ runtime: "none" });
    await load(server, ["nodes"], { nodes });
    const stopRenewing = renewLeases(server);
    const results = await load(server, ["bound"], { n: bench.form.boundPods, kind: "pod", scheduler: "default-scheduler" });
    const result = results.find(({ op }) => op === "bound");
    bench.record("bound.rate", result?.perSecond ?? NaN);
    bench.record("bound.CPU", (result?.serverCpuUsPerOp ?? NaN) / 1000);
    await stopRenewing();
    await server.stop();
  },
};

/** A Deployment until all its pods are Ready on simulated nodes; on the reference, which has no kubelets, until all are bound. */
export const deployment: Scenario = {
  works: ["deployment"],
  sides: ["hue", "reference"],
  once: "short",
  async run(bench) {
    const server = await bench.start({ runtime: "none", nodes });
    const stopRenewing = server.side === "reference" ? renewLeases(server) : undefined;
    if (server.side === "hue") await nodesReady(server.client, nodes);
    const pids = server.pids();
    const [cpu, began] = [usage(pids).cpu, performance.now()];
    await createDeployment(server);
    if (server.side === "hue") await allReady(server);
    else await allBound(server);
    bench.record("deployment.rate", (replicas / (performance.now() - began)) * 1000);
    bench.record("deployment.CPU", (usage(pids).cpu - cpu) / replicas);
    await stopRenewing?.();
    await server.stop();
  },
};

/** Says for nodes without a kubelet every ten seconds that they are alive, as kubelets do: a slow machine would lose them in between. */
function renewLeases({ client }: Running): () => Promise<void> {
  const renew = async (): Promise<void> => {
    for (let i = 0; i < nodes; i++) {
      const name = `load-node-${String(i).padStart(5, "0")}`;
      const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: new Date().toISOString().replace("Z", "000Z") };
      const body = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { namespace: "kube-node-lease", name }, spec };
      await client.patch(Leases, body.metadata, { type: "apply", body }, { fieldManager: "bench", force: true });
    }
  };
  // One that fails is made up for by the next.
  const timer = setInterval(() => void renew().catch(() => {}), 10_000);
  return ending(async () => clearInterval(timer));
}

async function createDeployment({ client }: Running): Promise<void> {
  const labels = { app: "bench" };
  const containers = [{ name: "c", image: "example.test/app:1.0", resources: { requests: { cpu: "10m", memory: "16Mi" } } }];
  await client.create(Deployments, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace: "default", name: "bench" },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  });
}

async function allReady({ client }: Running): Promise<void> {
  const target = { resource: Deployments, namespace: "default", name: "bench" };
  await until(client, target, ([found]) => found?.status.readyReplicas === replicas);
}

/** Asks as the load generator does: a watch of all pods would take the server's CPU for what nobody needs. */
async function allBound({ client }: Running): Promise<void> {
  const count = async (fieldSelector?: string): Promise<number> => {
    const { items, metadata } = await client.list(Pods, { namespace: "default", limit: 1, ...(fieldSelector ? { fieldSelector } : {}) });
    return items.length + Number(metadata.remainingItemCount ?? 0);
  };
  while ((await count()) < replicas) await pause(100);
  while ((await count("spec.nodeName=")) > 0) await pause(100);
}
