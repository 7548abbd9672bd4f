/**
 * What hue costs on this machine, measured on the bundle as a user starts it: `npm run figures [-- --seconds 60] [--docker] [--nodes 100,1000]`.
 * Nothing is asserted: the table is for notes and comparisons, on a machine with nothing else to do.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import type { KubeObject } from "../../src/api/meta/object.ts";
import type { Resource } from "../../src/api/resource.ts";
import { Deployments, Nodes, Pods } from "../../src/api/types/resources.ts";
import { Client } from "../../src/client/client.ts";
import { createHttpsTransport } from "../../src/client/https-transport.ts";
import { freePort } from "../support/hue.ts";

const root = new URL("../..", import.meta.url).pathname;
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    docker: { type: "boolean", default: false },
    nodes: { type: "string", default: "100,1000" },
    image: { type: "string", default: "busybox" },
  },
});
const seconds = Number(values.seconds);

/** A server that is being measured. */
interface Measured {
  pid: number;
  /** Milliseconds from the start of the process. */
  ready: number;
  nodesReady: number;
  client: Client;
  stop(): Promise<number>;
}

async function start(dataDir: string, args: readonly string[], nodes: number): Promise<Measured> {
  const port = await freePort();
  const before = performance.now();
  const since = (): number => performance.now() - before;
  const all = ["server", "--data-dir", dataDir, "--https-listen-port", String(port), "--kubelet-port", "0", ...args];
  const child = spawn(join(root, "bin/hue"), all, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`hue ${all.join(" ")} ended with ${code}`);
  });
  ended.catch(() => {});
  await Promise.race([untilReady(port), ended]);
  const ready = since();
  const { transport, client } = connect(join(dataDir, "kubeconfig.yaml"));
  await until(client, Nodes, (list) => list.length === nodes && list.every((n) => isTrue(n.status.conditions, "Ready")));
  const nodesReady = since();
  return {
    pid: child.pid ?? 0,
    ready,
    nodesReady,
    client,
    async stop() {
      const stopping = performance.now();
      transport.close();
      child.kill("SIGTERM");
      await once(child, "exit");
      return performance.now() - stopping;
    },
  };
}

/** Asks every 5 ms: as fine as the figure is given. */
async function untilReady(port: number): Promise<void> {
  const isReady = (): Promise<boolean> =>
    new Promise((resolve) => {
      get({ host: "127.0.0.1", port, path: "/readyz", rejectUnauthorized: false, agent: false }, (reply) => {
        reply.resume();
        resolve(reply.statusCode === 200);
      }).on("error", () => resolve(false));
    });
  while (!(await isReady())) await new Promise((done) => setTimeout(done, 5));
}

function connect(path: string) {
  const { clusters, users } = parse(readFileSync(path, "utf8"));
  const pem = (data: string): string => Buffer.from(data, "base64").toString();
  const transport = createHttpsTransport({
    server: clusters[0].cluster.server,
    ca: pem(clusters[0].cluster["certificate-authority-data"]),
    certificate: { cert: pem(users[0].user["client-certificate-data"]), key: pem(users[0].user["client-key-data"]) },
  });
  return { transport, client: new Client(transport) };
}

function isTrue(conditions: readonly { type: string; status: string }[] | undefined, type: string): boolean {
  return conditions?.some((c) => c.type === type && c.status === "True") ?? false;
}

/** Resolves when it holds for all objects of the resource, looked at again at each event. */
function until<T extends KubeObject>(client: Client, resource: Resource<T>, holds: (objects: T[]) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const objects = new Map<string, T>();
    let synced = false;
    const look = (): void => {
      if (!synced || !holds([...objects.values()])) return;
      stop();
      resolve();
    };
    const stop = client.transport.watch(
      { resource },
      {
        event({ type, object }) {
          const key = `${object.metadata.namespace}/${object.metadata.name}`;
          if (type === "DELETED") objects.delete(key);
          else if (type !== "BOOKMARK") objects.set(key, object as T); // what a watch of the resource brings is of its kind
          look();
        },
        synced() {
          synced = true;
          look();
        },
        closed: reject,
      },
    );
  });
}

/** What the kernel knows of a process: milliseconds of CPU, MiB resident, bytes written to disk. */
function usage(pid: number): { cpu: number; resident: number; peak: number; written: number } {
  const file = (name: string): string => readFileSync(`/proc/${pid}/${name}`, "utf8");
  const fields = file("stat").split(") ")[1]?.split(" ") ?? [];
  const line = (text: string, name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1]);
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) * 10,
    resident: line(file("status"), "VmRSS") / 1024,
    peak: line(file("status"), "VmHWM") / 1024,
    written: line(file("io"), "write_bytes"),
  };
}

async function revision(client: Client): Promise<number> {
  return Number((await client.list(Nodes, { limit: 1 })).metadata.resourceVersion);
}

/** What it costs to do nothing, with a few pods running. */
async function rest({ client, pid }: Measured): Promise<Record<string, string>> {
  await new Promise((done) => setTimeout(done, 10_000));
  const [before, revisionBefore] = [usage(pid), await revision(client)];
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const [after, revisionAfter] = [usage(pid), await revision(client)];
  return {
    "resident memory at rest": `${after.resident.toFixed(0)} MiB (peak ${after.peak.toFixed(0)})`,
    "CPU at rest": `${((after.cpu - before.cpu) / seconds / 10).toFixed(2)} % of a core`,
    "writes to the store at rest": `${revisionAfter - revisionBefore} in ${seconds} s`,
    "bytes to disk at rest": `${((after.written - before.written) / 1024).toFixed(0)} KiB in ${seconds} s`,
  };
}

async function runPods({ client }: Measured, replicas: number): Promise<string> {
  const labels = { app: "figures" };
  const containers = [{ name: "c", image: values.image, imagePullPolicy: "IfNotPresent" as const, command: ["sleep", "100000"] }];
  const template = { metadata: { labels }, spec: { containers, terminationGracePeriodSeconds: 0 } };
  const before = performance.now();
  await client.create(Deployments, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace: "default", name: "figures" },
    spec: { replicas, selector: { matchLabels: labels }, template },
  });
  await until(client, Pods, (pods) => pods.length === replicas && pods.every((pod) => isTrue(pod.status.conditions, "Ready")));
  return ms(performance.now() - before);
}

function ms(duration: number): string {
  return `${duration.toFixed(0)} ms`;
}

function print(title: string, figures: Record<string, string>): void {
  console.log(`\n${title}`);
  for (const [name, figure] of Object.entries(figures)) console.log(`  ${name.padEnd(40)} ${figure}`);
}

/** One node, five pods: starts, rest, stop. */
async function oneNode(runtime: "simulated" | "docker"): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "hue-figures-"));
  const ranges = ["--cluster-cidr", "10.202.0.0/16", "--service-cidr", "10.203.0.0/16", "--cluster-dns", "10.203.0.10"];
  const args = [`--runtime=${runtime}`, "--node-name", "figures", "--ingress-http-port", "0", "--ingress-https-port", "0", ...ranges];
  const first = await start(dataDir, args, 1);
  const pods = await runPods(first, 5);
  const atRest = await rest(first);
  const stop = await first.stop();
  const second = await start(dataDir, args, 1);
  const figures = {
    "first start, to /readyz": ms(first.ready),
    "first start, to node Ready": ms(first.nodesReady),
    "a Deployment's 5 pods Ready after": pods,
    ...atRest,
    "SIGTERM to its end": ms(stop),
    "second start, to /readyz": ms(second.ready),
    "second start, to node Ready": ms(second.nodesReady),
  };
  await second.client.delete(Deployments, { namespace: "default", name: "figures" });
  await until(second.client, Pods, (left) => left.length === 0);
  await second.stop();
  await once(spawn(join(root, "bin/hue"), ["cleanup", "--data-dir", dataDir], { stdio: ["ignore", "ignore", "inherit"] }), "exit");
  rmSync(dataDir, { recursive: true, force: true });
  print(`hue server --runtime=${runtime}`, figures);
}

async function manyNodes(count: number): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "hue-figures-"));
  const server = await start(dataDir, ["--runtime=none", "--simulated-nodes", String(count), "--cluster-cidr", "10.128.0.0/9"], count);
  const started = usage(server.pid);
  const figures = {
    "to /readyz": ms(server.ready),
    "to all nodes Ready": ms(server.nodesReady),
    "CPU until then": ms(started.cpu),
    [`a Deployment's ${count} pods Ready after`]: await runPods(server, count),
    ...(await rest(server)),
    "SIGTERM to its end": ms(await server.stop()),
  };
  rmSync(dataDir, { recursive: true, force: true });
  print(`hue server --simulated-nodes ${count}`, figures);
}

async function library(): Promise<void> {
  const program = `
    const before = performance.now();
    const { createCluster, Nodes } = await import("./dist/index.js");
    const imported = performance.now();
    const times = [];
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      const cluster = await createCluster();
      const up = performance.now();
      await cluster.stop();
      times.push([up - start, performance.now() - up]);
    }
    console.log(JSON.stringify({ imported: imported - before, times }));`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (data) => (text += data));
  await once(child, "close");
  const { imported, times } = JSON.parse(text) as { imported: number; times: [number, number][] };
  print("createCluster()", {
    "import of hue": ms(imported),
    "up, the first in a process": ms(times[0]?.[0] ?? NaN),
    "up, the next": times
      .slice(1)
      .map(([up]) => ms(up))
      .join(", "),
    stop: times.map(([, stop]) => ms(stop)).join(", "),
  });
}

await library();
await oneNode("simulated");
if (values.docker) await oneNode("docker");
for (const count of values.nodes.split(",").filter(Boolean)) await manyNodes(Number(count));
