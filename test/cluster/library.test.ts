import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { parse } from "yaml";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { type Cluster, ConfigMaps, createCluster, Deployments, Jobs, Nodes, Pods, StatusError } from "../../src/index.ts";
import { Events } from "../../src/api/types/resources.ts";
import type { Pod, PodSpec } from "../../src/api/types/core.v1.ts";
import { type Kubectl, kubectlFor } from "../support/kubectl.ts";
import { until } from "../support/wait.ts";

const folder = mkdtempSync(join(tmpdir(), "hue-library-"));
const running = new Set<Cluster>();
afterEach(async () => {
  for (const cluster of running) await cluster.stop();
  running.clear();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(...options: Parameters<typeof createCluster>): Promise<Cluster> {
  const cluster = await createCluster(...options);
  running.add(cluster);
  return cluster;
}

/** A stock kubectl by the cluster's kubeconfig. */
function kubectl(cluster: Cluster): Kubectl {
  const path = join(folder, `${new URL(cluster.url).port}.yaml`);
  writeFileSync(path, cluster.kubeconfig, { mode: 0o600 });
  return kubectlFor(path);
}

const isReady = (pod: Pod): boolean => pod.status.conditions?.some((c) => c.type === "Ready" && c.status === "True") ?? false;

function pod(name: string, spec: Partial<PodSpec> & { command?: string[] } = {}) {
  const { command, ...rest } = spec;
  const containers = [{ name: "c", image: "busybox", ...(command ? { command } : {}) }];
  return { apiVersion: "v1", kind: "Pod", metadata: { namespace: "default", name }, spec: { ...rest, containers } } as const;
}

function deployment(name: string, replicas: number) {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "nginx" }] } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace: "default", name },
    spec: { replicas, selector: { matchLabels: labels }, template },
  } as const;
}

describe("a cluster in the caller's process", () => {
  test("comes up, runs a Deployment's pods, and answers a stock kubectl", async () => {
    const before = performance.now();
    const cluster = await start();
    const up = performance.now();
    await cluster.client.create(Deployments, deployment("web", 3));
    const pods = await until(cluster.client, { resource: Pods }, (all) => all.length === 3 && all.every(isReady));
    console.log(`up in ${Math.round(up - before)} ms, three pods ready ${Math.round(performance.now() - up)} ms later`);
    expect(pods.every((p) => p.status.phase === "Running" && p.status.podIP && p.spec.nodeName === "node-0")).toBe(true);
    const kube = kubectl(cluster);
    await kube("rollout", "status", "deployment/web", "--timeout=10s");
    expect(await kube("get", "deployment", "web", "--no-headers")).toMatch(/^web\s+3\/3\s+3\s+3\s/);
    expect(await kube("get", "nodes", "--no-headers")).toMatch(/^node-0\s+Ready\s/);
    await kube("scale", "deployment/web", "--replicas=1");
    await until(cluster.client, { resource: Pods }, (all) => all.length === 1);
  });

  test("its pods do what their commands say: end well, fail, tell and answer", async () => {
    const cluster = await start();
    const { client } = cluster;
    await client.create(Pods, pod("fails", { command: ["exit", "3"], restartPolicy: "Never" }));
    await client.create(Pods, pod("tells", { command: ["echo", "hello", "there"], restartPolicy: "Never" }));
    await client.create(Pods, pod("crashes", { command: ["false"] }));
    await client.create(Pods, pod("stays", { command: ["sleep", "1000"] }));
    await client.create(Jobs, {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { namespace: "default", name: "once" },
      spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "busybox", command: ["true"] }] } } },
    });
    const byName = (all: Pod[], name: string): Pod | undefined => all.find((p) => p.metadata.name === name);
    const pods = await until(cluster.client, { resource: Pods }, (all) => {
      const crashed = byName(all, "crashes")?.status.containerStatuses?.[0];
      const ended = byName(all, "fails")?.status.phase === "Failed" && byName(all, "tells")?.status.phase === "Succeeded";
      const stays = byName(all, "stays");
      return ended && stays !== undefined && isReady(stays) && crashed?.state?.waiting?.reason === "CrashLoopBackOff";
    });
    expect(byName(pods, "fails")?.status.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(3);
    await until(cluster.client, { resource: Jobs }, ([job]) => job?.status.succeeded === 1);
    const kube = kubectl(cluster);
    expect(await kube("logs", "tells")).toBe("hello there\n");
    expect(await kube("exec", "stays", "--", "echo", "from within")).toBe("from within\n");
    expect((await kube.run(["exec", "stays", "--", "exit", "7"])).code).toBe(7);
  });

  test("its client is typed and fails as Kubernetes does", async () => {
    const { client } = await start({ nodes: 0 });
    const wrong = client.create(Pods, pod("Upper_Case"));
    await expect(wrong).rejects.toBeInstanceOf(StatusError);
    await expect(wrong).rejects.toMatchObject({ status: { code: 422, reason: "Invalid" } });
    await expect(client.get(Pods, { namespace: "default", name: "none" })).rejects.toThrow('pods "none" not found');
    expect((await client.list(Nodes)).items).toEqual([]);
  });

  test("it stops although a client watches it through a WebSocket", async () => {
    const cluster = await start();
    const { user } = parse(cluster.kubeconfig).users[0];
    const [cert, key] = ["client-certificate-data", "client-key-data"].map((name) => Buffer.from(user[name], "base64"));
    const url = `${cluster.url.replace("https", "wss")}/api/v1/nodes?watch=1`;
    const socket = new WebSocket(url, { rejectUnauthorized: false, cert, key });
    await once(socket, "message");
    const closed = once(socket, "close");
    await cluster.stop();
    await closed;
  });

  test("several live side by side and know nothing of each other", async () => {
    const clusters = await Promise.all([1, 2, 3].map((nodes) => start({ nodes })));
    await Promise.all(clusters.map((cluster, i) => until(cluster.client, { resource: Nodes }, (nodes) => nodes.length === i + 1)));
    await Promise.all(clusters.map((cluster, i) => cluster.client.create(Pods, pod(`of-${i}`))));
    for (const [i, cluster] of clusters.entries()) {
      const [only, ...others] = await until(cluster.client, { resource: Pods }, ([first]) => first !== undefined && isReady(first));
      expect([only?.metadata.name, others]).toEqual([`of-${i}`, []]);
    }
    expect(new Set(clusters.map((cluster) => cluster.url)).size).toBe(3);
  });
});

test("state in a folder is there again after stop and start, and the folder has one cluster at a time", async () => {
  const dataDir = join(folder, "kept");
  const first = await createCluster({ dataDir });
  await first.client.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name: "kept" },
    data: { a: "1" },
  });
  await first.client.create(Deployments, deployment("web", 2));
  const before = await until(first.client, { resource: Pods }, (all) => all.length === 2 && all.every(isReady));
  await expect(createCluster({ dataDir })).rejects.toThrow(/another hue process works on/);
  await first.stop();

  const second = await start({ dataDir });
  expect((await second.client.get(ConfigMaps, { namespace: "default", name: "kept" })).data).toEqual({ a: "1" });
  const after = await until(second.client, { resource: Pods }, (all) => all.length === 2 && all.every(isReady));
  expect(after.map((p) => p.metadata.uid).sort()).toEqual(before.map((p) => p.metadata.uid).sort());
});

test("events cost the disk nothing of their own; anything else is on it before the answer", async () => {
  const cluster = await start({ dataDir: join(folder, "rest") });
  const { client } = cluster;
  const kube = kubectl(cluster);
  const batches = async (): Promise<number> => Number(/^hue_store_batches_total (\d+)$/m.exec(await kube("get", "--raw", "/metrics"))?.[1]);
  const costOf = async (work: () => Promise<unknown>): Promise<number> => {
    const before = await batches();
    await work();
    return (await batches()) - before;
  };
  const tell = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      const metadata = { namespace: "default", generateName: "said-" };
      const involvedObject = { kind: "Pod", namespace: "default", name: "a" };
      await client.create(Events, { apiVersion: "v1", kind: "Event", metadata, involvedObject, reason: "Said", message: "a word" });
    }
  };
  // Not before the cluster has come to rest.
  await expect.poll(() => costOf(tell), { timeout: 20_000 }).toBe(0);
  const metadata = { namespace: "default", name: "a" };
  expect(await costOf(() => client.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata }))).toBeGreaterThan(0);
});

test("a program ends by itself after stop: no timer, socket, folder or process of hue's is left", async () => {
  const program = `
    import { createCluster, Deployments, Pods } from "./src/index.ts";
    const cluster = await createCluster({ nodes: 2 });
    await cluster.client.create(Deployments, ${JSON.stringify(deployment("web", 4))});
    await new Promise((resolve) => cluster.client.transport.watch({ resource: Pods }, {
      event: ({ object }) => { if (object.status?.phase === "Running") resolve(); }, synced() {}, closed() {},
    }));
    await cluster.stop();
    const again = await createCluster();
    await again.stop();
    const stopped = performance.now();
    process.on("exit", () => console.log(JSON.stringify({ waited: performance.now() - stopped })));
  `;
  const temporary = mkdtempSync(join(tmpdir(), "hue-left-"));
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, TMPDIR: temporary }, timeout: 50_000 });
  expect(JSON.parse(stdout).waited).toBeLessThan(3000);
  expect(readdirSync(temporary)).toEqual([]);
  rmSync(temporary, { recursive: true });
});
