/**
 * What a large Deployment costs from its creation until its pods are Ready (or bound, where no kubelet runs them):
 *
 *     node test/bench/deployment.ts --server https://127.0.0.1:6443 --cert FILE --key FILE --pids PID [--replicas 3000] [--until bound]
 *
 * hue: a server with --simulated-nodes 100; another API server: with --token, and nodes that `--register 100` makes.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Api, isTrue, type Target, usage } from "./api.ts";

/** What was measured. */
export interface DeploymentCost {
  replicas: number;
  until: "ready" | "bound";
  seconds: number;
  podsPerSecond: number;
  /** CPU of the server's processes for each pod, in microseconds. */
  cpuMicroseconds: number;
  residentMiB: number;
}

/** Creates a Deployment in a namespace of its own, waits for its pods, and takes it away again. */
export async function measureDeployment(
  target: Target,
  { replicas = 3000, until = "ready" as "ready" | "bound" } = {},
): Promise<DeploymentCost> {
  const api = new Api(target);
  const namespace = `deployment-${process.pid}`;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  await api.request("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await accountOf(api, namespace);
  const before = usage(target.pids);
  const begun = performance.now();
  const done = new Promise<void>((resolve, reject) => {
    const there = new Set<string>();
    const stop = api.watch(
      `${pods}?watch=1`,
      (_type, pod) => {
        if (until === "ready" ? isTrue(pod, "Ready") : pod.spec?.nodeName) there.add(pod.metadata.name);
        if (there.size < replicas) return;
        stop();
        resolve();
      },
      reject,
    );
  });
  await api.request("POST", `/apis/apps/v1/namespaces/${namespace}/deployments`, deployment("large", replicas));
  await done;
  const seconds = (performance.now() - begun) / 1000;
  const after = usage(target.pids);
  await api.request("DELETE", `/apis/apps/v1/namespaces/${namespace}/deployments/large`);
  if (until === "bound") await api.request("DELETE", pods, { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0 });
  await api.request("DELETE", `/api/v1/namespaces/${namespace}`);
  api.close();
  return {
    replicas,
    until,
    seconds: Number(seconds.toFixed(2)),
    podsPerSecond: Math.round(replicas / seconds),
    cpuMicroseconds: Math.round(((after.cpu - before.cpu) * 1000) / replicas),
    residentMiB: Math.round(after.resident),
  };
}

/** Resolves when pods may be created there: their service account exists. */
async function accountOf(api: Api, namespace: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = api.watch(
      `/api/v1/namespaces/${namespace}/serviceaccounts?watch=1`,
      (_type, { metadata }) => {
        if (metadata.name !== "default") return;
        stop();
        resolve();
      },
      reject,
    );
  });
}

/** A Deployment of small pods. */
export function deployment(name: string, replicas: number): object {
  const labels = { app: name };
  const resources = { requests: { cpu: "10m", memory: "16Mi" } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "app", resources }], terminationGracePeriodSeconds: 0 } },
    },
  };
}

/** Nodes without kubelets, Ready, for servers that have none. */
export async function registerNodes(target: Target, count: number): Promise<void> {
  const api = new Api(target);
  for (let i = 0; i < count; i++) {
    const capacity = { cpu: "32", memory: "256Gi", pods: "110" };
    const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady", lastHeartbeatTime: new Date().toISOString() }];
    const node = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: `bench-${i}` },
      status: { capacity, allocatable: capacity, conditions },
    };
    await api.request("POST", "/api/v1/nodes", node).catch((error: Error) => {
      if (!error.message.includes(": 409 ")) throw error;
    });
  }
  api.close();
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      server: { type: "string", default: "https://127.0.0.1:6443" },
      token: { type: "string" },
      cert: { type: "string" },
      key: { type: "string" },
      pids: { type: "string", default: "" },
      replicas: { type: "string", default: "3000" },
      until: { type: "string", default: "ready" },
      register: { type: "string" },
    },
  });
  const target: Target = {
    server: values.server,
    pids: values.pids.split(",").filter(Boolean).map(Number),
    ...(values.token ? { token: values.token } : {}),
    ...(values.cert && values.key ? { cert: readFileSync(values.cert, "utf8"), key: readFileSync(values.key, "utf8") } : {}),
  };
  if (values.register) await registerNodes(target, Number(values.register));
  const until = values.until === "bound" ? "bound" : "ready";
  console.log(JSON.stringify(await measureDeployment(target, { replicas: Number(values.replicas), until })));
}
