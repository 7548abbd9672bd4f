/**
 * One hue process with thousands of simulated nodes: what a node and a pod cost, and how long requests take meanwhile.
 *
 *     node test/bench/scale.ts --nodes 100,1000,5000 --pods-per-node 30 --churn 20 [--seconds 60] [--port 7600]
 *
 * A JSON line for each cluster on stdout, and a table at the end on stderr. Requests are real HTTPS requests from this process.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Api, isTrue, quantile, targetOf, type Watched } from "./api.ts";
import { usage } from "./process.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "100,1000,5000" },
    "pods-per-node": { type: "string", default: "30" },
    churn: { type: "string", default: "20" },
    seconds: { type: "string", default: "60" },
    port: { type: "string", default: "7600" },
    /** Instead of the bundle: a command that takes the server's flags. */
    command: { type: "string", default: join(new URL("../..", import.meta.url).pathname, "bin/hue") },
  },
});
const churn = Number(values.churn);
const seconds = Number(values.seconds);
const inNamespace = 5000;
const inDeployment = 500;

const wait = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

interface Cluster {
  api: Api;
  pid: number;
  stop(): Promise<void>;
}

async function start(nodes: number): Promise<Cluster> {
  const dataDir = mkdtempSync(join(tmpdir(), "hue-scale-"));
  const place = [
    "--data-dir",
    dataDir,
    "--https-listen-port",
    values.port,
    "--bind-address",
    "127.0.0.1",
    "--cluster-cidr",
    "10.128.0.0/9",
  ];
  const parts = ["--runtime=none", "--simulated-nodes", String(nodes), "--disable", "ingress,servicelb"];
  const [program = "", ...first] = values.command.split(" ");
  const child: ChildProcess = spawn(program, [...first, "server", ...place, ...parts], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the server has ended: ${code ?? signal}`);
  });
  ended.catch(() => {});
  const pid = child.pid ?? 0;
  if (child.stdout) await Promise.race([once(child.stdout, "data"), ended]);
  const api = new Api(targetOf(join(dataDir, "kubeconfig.yaml")));
  return {
    api,
    pid,
    async stop() {
      api.close();
      child.kill("SIGTERM");
      await once(child, "exit");
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Resolves when the numbers that the objects of a watch stand for sum up to so many. */
function untilSum(api: Api, path: string, of: (object: Watched) => number, wanted: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const numbers = new Map<string, number>();
    let sum = 0;
    const stop = api.watch(
      `${path}?watch=1`,
      (_type, object) => {
        const id = `${object.metadata.namespace}/${object.metadata.name}`;
        sum += of(object) - (numbers.get(id) ?? 0);
        numbers.set(id, of(object));
        if (sum < wanted) return;
        stop();
        resolve();
      },
      reject,
    );
  });
}

/** Deployments of 500 pods, 5,000 pods in a namespace, until all are ready. */
async function fill(api: Api, pods: number): Promise<void> {
  const ready = untilSum(api, "/apis/apps/v1/deployments", (d) => d.status?.readyReplicas ?? 0, pods);
  for (let made = 0; made < pods; made += inDeployment) {
    const namespace = `scale-${Math.floor(made / inNamespace)}`;
    if (made % inNamespace === 0)
      await api.request("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const object = deployment(`d-${made / inDeployment}`, Math.min(inDeployment, pods - made));
    await api.request("POST", `/apis/apps/v1/namespaces/${namespace}/deployments`, object);
  }
  await ready;
}

/** A Deployment of small pods. */
function deployment(name: string, replicas: number): object {
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

/** CPU in per cent of a core while nobody asks for anything. */
async function rest(pid: number, length: number): Promise<number> {
  const before = usage([pid]).cpu;
  await wait(length * 1000);
  return (usage([pid]).cpu - before) / length / 10;
}

type Samples = Record<"create" | "patch" | "delete" | "get" | "namespaceList" | "clusterList" | "podStart", number[]>;

/** Creates and deletes so many pods a second, and asks for this and that meanwhile. */
async function churnPods(api: Api): Promise<{ samples: Samples; listMiB: number }> {
  const samples: Samples = { create: [], patch: [], delete: [], get: [], namespaceList: [], clusterList: [], podStart: [] };
  const pods = "/api/v1/namespaces/scale-0/pods";
  const created = new Map<string, number>();
  const running: string[] = [];
  const failures: unknown[] = [];
  const stopWatch = api.watch(`${pods}?watch=1&labelSelector=churn%3Dtrue`, (_type, pod) => {
    const at = created.get(pod.metadata.name);
    if (at === undefined || pod.status?.phase !== "Running") return;
    created.delete(pod.metadata.name);
    samples.podStart.push(performance.now() - at);
    running.push(pod.metadata.name);
  });
  const underWay = new Set<Promise<void>>();
  let listBytes = 0;
  const ask = (kind: keyof Samples, method: string, path: string, body?: unknown, options?: { read?: boolean; type?: string }): void => {
    const asked = api
      .request(method, path, body, { read: false, ...options })
      .then(
        ({ milliseconds, bytes }) => {
          samples[kind].push(milliseconds);
          if (kind === "clusterList") listBytes = bytes;
        },
        (error) => void failures.push(error),
      )
      .finally(() => underWay.delete(asked));
    underWay.add(asked);
  };
  const begun = performance.now();
  for (let n = 0; performance.now() - begun < seconds * 1000; n++) {
    const name = `churn-${n}`;
    const spec = { containers: [{ name: "c", image: "app" }], terminationGracePeriodSeconds: 0 };
    created.set(name, performance.now());
    ask("create", "POST", pods, { apiVersion: "v1", kind: "Pod", metadata: { name, labels: { churn: "true" } }, spec });
    const old = running.length > churn ? running.shift() : undefined;
    if (old) ask("delete", "DELETE", `${pods}/${old}`);
    const one = running[0];
    if (one) ask("patch", "PATCH", `${pods}/${one}`, { metadata: { annotations: { n: name } } }, { type: "application/merge-patch+json" });
    ask("get", "GET", `/api/v1/nodes/node-${n % 100}`);
    if (n % churn === 0) ask("namespaceList", "GET", pods);
    if (n % (churn * 15) === churn) ask("clusterList", "GET", "/api/v1/pods");
    await wait(Math.max(0, begun + ((n + 1) * 1000) / churn - performance.now()));
  }
  await Promise.all(underWay);
  stopWatch();
  if (failures.length > 0) console.error(`${failures.length} requests failed, the first: ${failures[0]}`);
  return { samples, listMiB: listBytes / 2 ** 20 };
}

/** How many nodes have renewed their lease within the last 15 seconds. */
async function freshLeases(api: Api): Promise<number> {
  const { body } = await api.request("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases");
  const { items } = body as { items: Watched[] };
  return items.filter(({ spec }) => Date.now() - Date.parse(spec?.renewTime ?? "") < 15_000).length;
}

async function measure(nodes: number): Promise<Record<string, number>> {
  const pods = nodes * Number(values["pods-per-node"]);
  const begun = performance.now();
  const { api, pid, stop } = await start(nodes);
  const since = (from: number): number => (performance.now() - from) / 1000;
  try {
    await untilSum(api, "/api/v1/nodes", (node) => (isTrue(node, "Ready") ? 1 : 0), nodes);
    const nodesReady = since(begun);
    await wait(15_000);
    const cpuAtRest = await rest(pid, Math.min(30, seconds));
    const empty = usage([pid]);
    const filling = performance.now();
    await fill(api, pods);
    const filled = since(filling);
    const full = usage([pid]);
    console.error(`${nodes} nodes, ${pods} pods after ${filled.toFixed(0)} s, ${full.resident.toFixed(0)} MiB`);
    await wait(20_000);
    const cpuFull = await rest(pid, Math.min(30, seconds));
    const resting = usage([pid]);
    const { samples, listMiB } = await churnPods(api);
    const churned = usage([pid]);
    const latencies = Object.entries(samples).flatMap(([kind, list]) => [
      [`${kind} p50 ms`, quantile(list, 0.5)] as const,
      [`${kind} p99 ms`, quantile(list, 0.99)] as const,
    ]);
    return {
      nodes,
      pods,
      "nodes Ready s": nodesReady,
      "CPU at rest, % of a core": cpuAtRest,
      "CPU at rest a 1000 nodes, %": (cpuAtRest / nodes) * 1000,
      "MiB without pods": empty.resident,
      "fill s": filled,
      "pods a second": pods / filled,
      "CPU a pod us": ((full.cpu - empty.cpu) * 1000) / pods,
      "MiB after fill": full.resident,
      "MiB with pods at rest": resting.resident,
      "KiB a pod": ((resting.resident - empty.resident) * 1024) / pods,
      "CPU at rest with pods, %": cpuFull,
      "MiB after churn": churned.resident,
      "CPU during churn, %": (churned.cpu - resting.cpu) / seconds / 10,
      "fresh leases": await freshLeases(api),
      "cluster list MiB": listMiB,
      ...Object.fromEntries(latencies),
    };
  } finally {
    await stop();
  }
}

const results: Record<string, number>[] = [];
for (const nodes of values.nodes.split(",")) {
  const result = await measure(Number(nodes));
  results.push(result);
  console.log(JSON.stringify(result));
}
for (const name of Object.keys(results[0] ?? {}))
  console.error(
    name.padEnd(32),
    ...results.map((result) => (result[name] ?? Number.NaN).toFixed(name.includes("CPU") ? 2 : 0).padStart(10)),
  );
