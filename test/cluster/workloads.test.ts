import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Creatable, KubeObject } from "../../src/api/meta/object.ts";
import type { Resource } from "../../src/api/resource.ts";
import type { Pod } from "../../src/api/types/core.v1.ts";
import {
  ControllerRevisions,
  CronJobs,
  DaemonSets,
  Deployments,
  Events,
  Jobs,
  Namespaces,
  Nodes,
  PersistentVolumeClaims,
  PodDisruptionBudgets,
  Pods,
  ReplicaSets,
  ServiceAccounts,
  StatefulSets,
} from "../../src/api/types/resources.ts";
import type { Caches } from "../../src/client/cache.ts";
import { createCaches } from "../../src/client/caches.ts";
import { targetNode } from "../../src/controllers/daemonset/daemon-pod.ts";
import { startControllers } from "../../src/controllers/index.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { type RunningServer, startServer } from "../unit/apiserver/running-server.ts";
import { eventually } from "../support/eventually.ts";

/** The workload controllers on a real API server over a store in memory. Pods run as soon as they are there; those of the image "ends:0" end well. */
let server: RunningServer;
let caches: Caches;
let controllers: { stop(): Promise<void> };
let endNodes: () => void;
const problems: string[] = [];
const namespace = "work";

beforeAll(async () => {
  server = await startServer({ listen: false });
  const { client } = server;
  await client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace }, spec: {} });
  await client.create(ServiceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name: "default" } });
  for (const name of ["n1", "n2"]) {
    const node = await client.create(Nodes, { apiVersion: "v1", kind: "Node", metadata: { name }, spec: {} });
    // New nodes are tainted until they are ready.
    await client.update(Nodes, { ...node, spec: { ...node.spec, taints: [] } });
  }
  caches = createCaches(client.transport, systemClock, silentLogger);
  const log = { ...silentLogger, warn: note, error: note };
  endNodes = runNodes();
  controllers = startControllers({ client, caches, clock: systemClock, log });
  await caches.synced();
});

afterAll(async () => {
  endNodes();
  await controllers.stop();
  caches.stop();
  await server.stop();
  expect(problems).toEqual([]);
});

function note(fields: object, message: string): void {
  problems.push(`${message} ${JSON.stringify(fields)}`);
}

/** Binds pods, runs them and ends them, as scheduler and kubelets do. */
function runNodes(): () => void {
  const { client } = server;
  const busy = new Set<string>();
  async function look(pod: Pod): Promise<void> {
    const { name, deletionTimestamp } = pod.metadata;
    const ref = { namespace, name };
    if (!pod.spec.nodeName && !deletionTimestamp) {
      const target = { apiVersion: "v1", kind: "Node", name: targetNode(pod) ?? "n1" };
      await client.createSub(Pods, ref, "binding", { apiVersion: "v1", kind: "Binding", metadata: ref, target });
    } else if (deletionTimestamp) await client.delete(Pods, ref, { gracePeriodSeconds: 0 });
    else if (pod.status.phase === "Pending") {
      const ends = pod.spec.containers[0]?.image === "ends:0";
      const conditions = [{ type: "Ready", status: ends ? "False" : "True", lastTransitionTime: new Date().toISOString() }];
      const status = { ...pod.status, phase: ends ? ("Succeeded" as const) : ("Running" as const), conditions };
      await client.updateStatus(Pods, { ...pod, status });
    }
  }
  return caches.of(Pods).onChange(({ object }) => {
    if (!object || busy.has(object.metadata.uid + object.metadata.resourceVersion)) return;
    busy.add(object.metadata.uid + object.metadata.resourceVersion);
    // A conflict or a missing pod comes again with its next change.
    setImmediate(() => void look(object).catch(() => {}));
  });
}

async function create<T extends KubeObject>(resource: Resource<T>, name: string, rest: object): Promise<T> {
  const object = { apiVersion: resource.groupVersion, kind: resource.kind, metadata: { namespace, name }, ...rest };
  return server.client.create(resource, object as unknown as Creatable<T>);
}
const get = <T>(resource: Resource<T>, name: string): Promise<T> => server.client.get(resource, { namespace, name });
const merge = <T>(resource: Resource<T>, name: string, body: unknown): Promise<T> =>
  server.client.patch(resource, { namespace, name }, { type: "merge", body });
const podsOf = async (app: string): Promise<Pod[]> => (await server.client.list(Pods, { namespace, labelSelector: `app=${app}` })).items;
const workload = (app: string, image = "web:1") => ({
  selector: { matchLabels: { app } },
  template: { metadata: { labels: { app } }, spec: { containers: [{ name: "web", image }] } },
});
const image = (image: string) => ({ spec: { template: { spec: { containers: [{ name: "web", image }] } } } });
const messages = async (name: string): Promise<string[]> =>
  (await server.client.list(Events, { namespace, fieldSelector: `involvedObject.name=${name}` })).items.map(
    ({ reason, message }) => `${reason}: ${message}`,
  );

describe("workloads on the API server", () => {
  it("a Deployment comes up, rolls out, and is rolled back", async () => {
    await create(Deployments, "web", { spec: { replicas: 3, ...workload("web") } });
    await eventually(async () =>
      expect((await get(Deployments, "web")).status).toMatchObject({ availableReplicas: 3, updatedReplicas: 3 }),
    );
    const { metadata, status } = await get(Deployments, "web");
    expect(metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("1");
    expect(status.conditions?.map(({ type, reason }) => `${type} ${reason}`).sort()).toEqual([
      "Available MinimumReplicasAvailable",
      "Progressing NewReplicaSetAvailable",
    ]);
    await merge(Deployments, "web", image("web:2"));
    const images = async () => (await podsOf("web")).map(({ spec }) => spec.containers[0]?.image);
    await eventually(async () => expect(await images()).toEqual(["web:2", "web:2", "web:2"]));
    await merge(Deployments, "web", image("web:1"));
    await eventually(async () => expect(await images()).toEqual(["web:1", "web:1", "web:1"]));
    await eventually(async () =>
      expect((await get(Deployments, "web")).metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("3"),
    );
    expect(caches.of(ReplicaSets).list(namespace)).toHaveLength(2);
    expect((await messages("web"))[0]).toMatch(/^ScalingReplicaSet: Scaled up replica set web-[a-z0-9]+ from 0 to 3$/);
  });

  it("a template with defaults is not taken for a new one: scaling makes no second ReplicaSet", async () => {
    await create(Deployments, "scaled", { spec: { replicas: 1, ...workload("scaled") } });
    await eventually(async () => expect(await podsOf("scaled")).toHaveLength(1));
    await merge(Deployments, "scaled", { spec: { replicas: 4 } });
    await eventually(async () => expect((await get(Deployments, "scaled")).status.availableReplicas).toBe(4));
    expect(
      caches
        .of(ReplicaSets)
        .list(namespace)
        .filter(({ metadata }) => metadata.name.startsWith("scaled-")),
    ).toHaveLength(1);
  });

  it("a DaemonSet has a pod on each node and keeps its history", async () => {
    await create(DaemonSets, "agent", { spec: workload("agent") });
    await eventually(async () => expect((await get(DaemonSets, "agent")).status.numberAvailable).toBe(2));
    expect((await podsOf("agent")).map(({ spec }) => spec.nodeName).sort()).toEqual(["n1", "n2"]);
    await merge(DaemonSets, "agent", image("web:2"));
    await eventually(async () =>
      expect((await get(DaemonSets, "agent")).status).toMatchObject({
        observedGeneration: 2,
        updatedNumberScheduled: 2,
        numberAvailable: 2,
      }),
    );
    const revisions = caches
      .of(ControllerRevisions)
      .list(namespace)
      .filter(({ metadata }) => metadata.name.startsWith("agent-"));
    expect(revisions.map(({ revision }) => revision).sort()).toEqual([1, 2]);
  });

  it("a StatefulSet has its pods in order, with their claims", async () => {
    const volumeClaimTemplates = [
      { metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } },
    ];
    await create(StatefulSets, "db", { spec: { replicas: 2, serviceName: "db", volumeClaimTemplates, ...workload("db") } });
    await eventually(async () => expect((await get(StatefulSets, "db")).status.availableReplicas).toBe(2));
    expect((await podsOf("db")).map(({ metadata }) => metadata.name)).toEqual(["db-0", "db-1"]);
    expect((await get(PersistentVolumeClaims, "data-db-1")).metadata.labels).toEqual({ app: "db" });
    await merge(StatefulSets, "db", image("web:2"));
    await eventually(async () => {
      const { status } = await get(StatefulSets, "db");
      expect(status).toMatchObject({ updatedReplicas: 2, readyReplicas: 2, currentRevision: status.updateRevision });
    });
    await merge(StatefulSets, "db", { spec: { replicas: 0 } });
    await eventually(async () => expect(await podsOf("db")).toEqual([]));
  });

  it("a Job completes, also with indexes, and its pods are free", async () => {
    const template = { spec: { restartPolicy: "Never", containers: [{ name: "web", image: "ends:0" }] } };
    await create(Jobs, "sum", { spec: { completions: 3, parallelism: 2, template } });
    await create(Jobs, "parts", { spec: { completions: 4, parallelism: 4, completionMode: "Indexed", template } });
    await eventually(async () => expect((await get(Jobs, "sum")).status).toMatchObject({ succeeded: 3, ready: 0, terminating: 0 }));
    await eventually(async () =>
      expect((await get(Jobs, "parts")).status.conditions?.map(({ type }) => type)).toEqual(["SuccessCriteriaMet", "Complete"]),
    );
    expect((await get(Jobs, "parts")).status).toMatchObject({ succeeded: 4, completedIndexes: "0-3" });
    const { items } = await server.client.list(Pods, { namespace, labelSelector: "job-name in (sum,parts)" });
    expect(items).toHaveLength(7);
    await eventually(async () =>
      expect(
        (await server.client.list(Pods, { namespace, labelSelector: "job-name" })).items.every(({ metadata }) => !metadata.finalizers),
      ).toBe(true),
    );
  });

  it("a CronJob starts its Jobs", async () => {
    const jobTemplate = { spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "web", image: "ends:0" }] } } } };
    await create(CronJobs, "tick", { spec: { schedule: "@every 1s", jobTemplate } });
    await eventually(async () => expect((await get(CronJobs, "tick")).status.lastSuccessfulTime).toBeDefined());
    expect(await messages("tick")).toContainEqual(expect.stringMatching(/^SuccessfulCreate: Created job tick-\d+$/));
    await merge(CronJobs, "tick", { spec: { suspend: true } });
  });

  it("a budget knows how many pods may go", async () => {
    await create(Deployments, "guarded", { spec: { replicas: 3, ...workload("guarded") } });
    await create(PodDisruptionBudgets, "guarded", { spec: { maxUnavailable: 1, selector: { matchLabels: { app: "guarded" } } } });
    await eventually(async () =>
      expect((await get(PodDisruptionBudgets, "guarded")).status).toMatchObject({
        expectedPods: 3,
        currentHealthy: 3,
        disruptionsAllowed: 1,
      }),
    );
  });

  it("nothing is written any more when all is as it should be", async () => {
    let revision = "";
    await eventually(async () => {
      const before = revision;
      await new Promise((resolve) => setTimeout(resolve, 200));
      revision = (await server.client.list(Pods)).metadata.resourceVersion ?? "";
      expect(revision).toBe(before);
    });
  });
});
