import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/api/meta/object.ts";
import { applyStrategicMergePatch } from "../../../src/api/meta/patch/strategic.ts";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import { Nodes, Pods } from "../../../src/api/types/resources.ts";
import { createCaches } from "../../../src/client/caches.ts";
import { Client } from "../../../src/client/client.ts";
import type { PatchType, Target } from "../../../src/client/transport.ts";
import { createKubelet, type Kubelet } from "../../../src/kubelet/kubelet.ts";
import { createSimulatedRuntime, type SimulatedRuntime } from "../../../src/kubelet/runtime/simulated/simulated-runtime.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import { MemoryAPI } from "../client/memory-api.ts";

/** The API in memory, with the patches that merge conditions by their type. */
class API extends MemoryAPI {
  override async patch(target: Target, type: PatchType, patch: unknown): Promise<KubeObject> {
    if (target.resource === Pods && target.subresource === "status") statusWrites++;
    if (type !== "strategic") return super.patch(target, type, patch);
    const merged = applyStrategicMergePatch(await this.get(target), patch, target.resource.type ?? "");
    return this.update(target, merged);
  }
}

let client: Client;
let runtime: SimulatedRuntime;
let kubelet: Kubelet;
let stopCaches: () => void;
const told: string[] = [];
let statusWrites = 0;

beforeEach(async () => {
  told.length = 0;
  statusWrites = 0;
  client = new Client(new API(systemClock));
  await begin();
  await client.patch(Nodes, { name: "n1" }, { type: "merge", body: { spec: { podCIDR: "10.42.3.0/24" } } });
});
afterEach(() => end());

async function begin(more: { staticPodPath?: string } = {}): Promise<void> {
  const caches = createCaches(client.transport, systemClock, silentLogger);
  runtime = createSimulatedRuntime({ clock: systemClock, missingImage: (name) => name.startsWith("missing") });
  const events = { event: (_: object, __: string, reason: string): void => void told.push(reason) };
  const parts = { client, caches, events, clock: systemClock, log: silentLogger, runtime };
  const node = { nodeName: "n1", nodeIP: "192.168.1.1", dataDir: "/nonexistent", capacity: { cpu: "2", pods: "10" } };
  kubelet = createKubelet({ ...parts, ...node, ...more });
  stopCaches = () => caches.stop();
  await kubelet.start();
}

async function end(): Promise<void> {
  await kubelet.stop();
  stopCaches();
}

function create(spec: Partial<Pod["spec"]>): Promise<Pod> {
  const containers = [{ name: "c", image: "busybox" }];
  return client.create(Pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { nodeName: "n1", restartPolicy: "Always", terminationGracePeriodSeconds: 1, containers, ...spec },
  });
}

/** Before that no sandbox can be made. */
async function networkReady(): Promise<void> {
  const ready = async () => (await client.get(Nodes, { name: "n1" })).status.conditions?.find((c) => c.type === "Ready")?.status;
  await expect.poll(ready).toBe("True");
}

const target = { namespace: "default", name: "web" };
const get = () => client.get(Pods, target);
const status = async () => (await get()).status;

describe("a kubelet on the simulated runtime", () => {
  test("registers its node, Ready once it has its address range", async () => {
    const ready = async () => (await client.get(Nodes, { name: "n1" })).status.conditions?.find((c) => c.type === "Ready");
    await expect.poll(ready).toMatchObject({ status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" });
    const node = await client.get(Nodes, { name: "n1" });
    expect(node.metadata.labels).toMatchObject({ "kubernetes.io/hostname": "n1", "kubernetes.io/os": "linux" });
    expect(node.status.capacity).toMatchObject({ cpu: "2", pods: "10" });
  });

  test("keeps resources that others have added to the node", async () => {
    const body = { status: { capacity: { "example.com/fake": "5" }, allocatable: { "example.com/fake": "5" } } };
    await client.patch(Nodes, { name: "n1" }, { type: "strategic", body }, { subresource: "status" });
    await expect.poll(async () => (await client.get(Nodes, { name: "n1" })).status.conditions?.at(-1)?.status).toBe("True");
    expect((await client.get(Nodes, { name: "n1" })).status.capacity).toMatchObject({ "example.com/fake": "5", cpu: "2" });
  });

  test("runs a pod, and restarts its container when it ends, the second time after a pause", async () => {
    await create({});
    await expect.poll(status).toMatchObject({ phase: "Running", podIP: expect.stringMatching(/^10\.42\.3\./), hostIP: "192.168.1.1" });
    const { uid } = (await get()).metadata;
    runtime.exit(uid, "c", 3);
    await expect
      .poll(async () => (await status()).containerStatuses?.[0])
      .toMatchObject({ restartCount: 1, state: { running: {} }, lastState: { terminated: { exitCode: 3 } } });
    runtime.exit(uid, "c", 4);
    await expect.poll(async () => (await status()).containerStatuses?.[0]?.state?.waiting?.reason).toBe("CrashLoopBackOff");
    expect(told).toEqual(["Pulled", "Created", "Started", "Pulled", "Created", "Started", "BackOff"]);
  });

  test("tells where a pod stands once, when it runs at once", async () => {
    await networkReady();
    await create({});
    await expect.poll(status).toMatchObject({ phase: "Running", startTime: expect.any(String) });
    expect(statusWrites).toBe(1);
  });

  test("tells that a pod has begun while its sandbox is still being made", async () => {
    await networkReady();
    const made = Promise.withResolvers<void>();
    const make = runtime.createSandbox.bind(runtime);
    runtime.createSandbox = (spec) => made.promise.then(() => make(spec));
    await create({});
    const condition = { type: "PodReadyToStartContainers", status: "False" };
    await expect.poll(status).toMatchObject({ phase: "Pending", startTime: expect.any(String), conditions: [condition, {}, {}, {}, {}] });
    made.resolve();
    await expect.poll(async () => (await status()).phase).toBe("Running");
    expect(statusWrites).toBe(2);
  });

  test("runs init containers before the others, and ends with what they did", async () => {
    const initContainers = [{ name: "i", image: "busybox", command: ["true"] }];
    await create({ restartPolicy: "Never", initContainers, containers: [{ name: "c", image: "busybox", command: ["exit", "7"] }] });
    await expect
      .poll(status)
      .toMatchObject({ phase: "Failed", containerStatuses: [{ state: { terminated: { exitCode: 7, reason: "Error" } } }] });
    await expect.poll(() => runtime.pods().then((pods) => pods[0]?.sandboxes.length)).toBe(0);
  });

  test("says when an image cannot be had", async () => {
    await create({ containers: [{ name: "c", image: "missing:1" }] });
    await expect.poll(async () => (await status())?.containerStatuses?.[0]?.state?.waiting?.reason).toBe("ErrImagePull");
    expect((await status()).phase).toBe("Pending");
  });

  test("refuses a pod that does not fit", async () => {
    await create({ containers: [{ name: "c", image: "busybox", resources: { requests: { cpu: "3" } } }] });
    await expect.poll(status).toMatchObject({ phase: "Failed", reason: "OutOfcpu" });
  });

  test("ends a deleted pod and takes the object away, not before", async () => {
    await create({});
    await expect.poll(async () => (await status())?.phase).toBe("Running");
    await client.delete(Pods, { namespace: "default", name: "web" });
    await expect
      .poll(() =>
        get().then(
          () => "there",
          () => "gone",
        ),
      )
      .toBe("gone");
    await expect.poll(() => runtime.pods()).toEqual([]);
    expect(told).toContain("Killing");
  });

  test("stays ready while a container is exchanged because its image has changed", async () => {
    const stop = runtime.stopContainer.bind(runtime);
    // The old one takes a moment to end.
    runtime.stopContainer = (...call) => new Promise((resolve) => setTimeout(() => resolve(stop(...call)), 100));
    await create({});
    await expect.poll(async () => (await status())?.phase).toBe("Running");
    const seen: (string | undefined)[] = [];
    const caches = createCaches(client.transport, systemClock, silentLogger);
    const end = caches.of(Pods).onChange(({ object }) => seen.push(object?.status.conditions?.find((c) => c.type === "Ready")?.status));
    await client.patch(Pods, target, {
      type: "merge",
      body: { spec: { containers: [{ name: "c", image: "busybox:2" }] }, metadata: { generation: 2 } },
    });
    await expect.poll(async () => (await status()).containerStatuses?.[0]).toMatchObject({ restartCount: 1, ready: true });
    end();
    caches.stop();
    expect(new Set(seen)).toEqual(new Set(["True"]));
  });

  test("runs the pods of its folder, which are shown in the API and end by their file only", async () => {
    const staticPodPath = mkdtempSync(join(tmpdir(), "hue-static-"));
    const manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: scheduler}\nspec: {containers: [{name: c, image: busybox}]}\n";
    writeFileSync(join(staticPodPath, "scheduler.yaml"), manifest);
    writeFileSync(join(staticPodPath, "broken.yaml"), "kind: Pod");
    await end();
    await begin({ staticPodPath });
    const mirror = { namespace: "default", name: "scheduler-n1" };
    const shown = () => client.get(Pods, mirror).catch(() => undefined);
    await expect.poll(async () => (await shown())?.status?.phase).toBe("Running");
    const first = await shown();
    expect(first?.metadata).toMatchObject({
      annotations: { "kubernetes.io/config.mirror": expect.stringMatching(/^[0-9a-f]{32}$/), "kubernetes.io/config.source": "file" },
      ownerReferences: [{ kind: "Node", name: "n1" }],
    });
    const running = async () => (await runtime.pods()).flatMap((p) => p.containers.map(({ id }) => id));
    const [id] = await running();
    await client.delete(Pods, mirror);
    await expect.poll(async () => [first?.metadata.uid, undefined].includes((await shown())?.metadata.uid)).toBe(false);
    await expect.poll(async () => (await shown())?.status?.phase).toBe("Running");
    expect(await running()).toEqual([id]);
    rmSync(join(staticPodPath, "scheduler.yaml"));
    await expect.poll(shown).toBeUndefined();
    await expect.poll(() => runtime.pods()).toEqual([]);
    rmSync(staticPodPath, { recursive: true });
  });

  test("resizes an init container that runs, as it declares", async () => {
    const initContainers = (cpu: string) => [{ name: "i", image: "busybox", resources: { requests: { cpu } } }];
    await create({ initContainers: initContainers("500m") });
    const init = async () =>
      (await runtime.pods()).find((p) => p.pod.name === "web")?.containers.map((c) => [c.state, c.resources.cpuShares]);
    await expect.poll(init).toEqual([["running", 512]]);
    await client.patch(Pods, target, {
      type: "merge",
      body: { spec: { initContainers: initContainers("1") }, metadata: { generation: 2 } },
    });
    await expect.poll(init).toEqual([["running", 1024]]);
    expect((await client.get(Nodes, { name: "n1" })).status.declaredFeatures).toEqual(["InPlacePodVerticalScalingInitContainers"]);
  });

  test("resizes again and again, and waits for room where there is none", async () => {
    const containers = (cpu: string) => [{ name: "c", image: "busybox", resources: { requests: { cpu } } }];
    const resize = (cpu: string, generation: number) =>
      client.patch(Pods, target, { type: "merge", body: { spec: { containers: containers(cpu) }, metadata: { generation } } });
    const shares = async () => (await runtime.pods()).find((p) => p.pod.name === "web")?.containers[0]?.resources.cpuShares;
    await create({ containers: containers("500m") });
    await expect.poll(async () => (await status())?.phase).toBe("Running");
    await resize("1", 2);
    await expect.poll(shares).toBe(1024);
    await resize("500m", 3);
    await expect.poll(shares).toBe(512);
    await client.create(Pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "other", namespace: "default" },
      spec: { nodeName: "n1", containers: containers("1"), terminationGracePeriodSeconds: 1 },
    });
    await expect.poll(async () => (await client.get(Pods, { namespace: "default", name: "other" })).status?.phase).toBe("Running");
    await resize("1500m", 4);
    const pending = async () => (await status()).conditions?.find((c) => c.type === "PodResizePending")?.reason;
    await expect.poll(pending).toBe("Deferred");
    expect((await status()).containerStatuses?.[0]?.allocatedResources).toEqual({ cpu: "500m" });
    await client.delete(Pods, { namespace: "default", name: "other" });
    await expect.poll(shares).toBe(1536);
    await expect.poll(pending).toBeUndefined();
  });
});
