import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isReason } from "../../src/api/errors.ts";
import type { Creatable, KubeObject } from "../../src/api/meta/object.ts";
import type { Resource } from "../../src/api/resource.ts";
import type { Pod } from "../../src/api/types/core.v1.ts";
import {
  ConfigMaps,
  CustomResourceDefinitions,
  Deployments,
  EndpointSlices,
  Endpoints,
  Events,
  Namespaces,
  Nodes,
  PersistentVolumeClaims,
  PersistentVolumes,
  Pods,
  PriorityClasses,
  ReplicaSets,
  ResourceQuotas,
  Secrets,
  ServiceAccounts,
  ServiceCIDRs,
  Services,
  TokenReviews,
} from "../../src/api/types/resources.ts";
import { createCaches } from "../../src/client/caches.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { type Cluster, createCluster } from "../../src/server/cluster.ts";
import { eventually } from "../support/eventually.ts";

/** Scheduler and cluster controllers on a whole control plane. Two nodes of 4 CPUs, whose pods run at once and end when they are deleted. */
let cluster: Cluster;
let endNodes: () => void;
const problems: string[] = [];

beforeAll(async () => {
  const note = (fields: object, message: string) => problems.push(`${message} ${JSON.stringify(fields)}`);
  cluster = await createCluster({ nodes: 0, log: { ...silentLogger, warn: note, error: note } });
  for (const name of ["n1", "n2"])
    await make(Nodes, name, undefined, {
      metadata: { name, labels: { "kubernetes.io/hostname": name } },
      status: {
        allocatable: { cpu: "4", memory: "8Gi", pods: "110" },
        conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: new Date().toISOString() }],
      },
    });
  endNodes = runPods();
});

afterAll(async () => {
  endNodes();
  await cluster.stop();
  expect(problems).toEqual([]);
});

function make<T extends KubeObject>(resource: Resource<T>, name: string, namespace: string | undefined, rest: object): Promise<T> {
  const object = { apiVersion: resource.groupVersion, kind: resource.kind, metadata: { namespace, name }, ...rest };
  return cluster.client.create(resource, object as unknown as Creatable<T>);
}

/** What kubelets do: pods with a node run and have an address; deleted ones go. */
function runPods(): () => void {
  const caches = createCaches(cluster.client.transport, systemClock, silentLogger);
  let next = 2;
  const look = async (pod: Pod): Promise<void> => {
    if (!pod.spec.nodeName) return;
    if (pod.metadata.deletionTimestamp) await cluster.client.delete(Pods, pod.metadata, { gracePeriodSeconds: 0 });
    else if (pod.status.phase === "Pending") {
      const podIP = `10.42.0.${next++}`;
      const conditions = [
        ...(pod.status.conditions ?? []),
        { type: "Ready", status: "True", lastTransitionTime: new Date().toISOString() },
      ];
      await cluster.client.updateStatus(Pods, {
        ...pod,
        status: { ...pod.status, phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions },
      });
    }
  };
  caches.of(Pods).onChange(({ object }) => {
    // What fails comes again with the pod's next change.
    if (object) setImmediate(() => void look(object).catch(() => {}));
  });
  return () => caches.stop();
}

async function namespace(name: string): Promise<string> {
  await make(Namespaces, name, undefined, {});
  await eventually(() => cluster.client.get(ServiceAccounts, { namespace: name, name: "default" }));
  return name;
}

const container = (cpu = "10m") => ({ name: "c", image: "app:1", resources: { requests: { cpu } }, ports: [{ containerPort: 80 }] });
const pod = (ns: string, name: string, spec: object = {}, labels = {}) =>
  make(Pods, name, ns, { metadata: { namespace: ns, name, labels }, spec: { containers: [container()], ...spec } });
const get = (ns: string, name: string) => cluster.client.get(Pods, { namespace: ns, name });
const running = (ns: string, name: string) =>
  eventually(async () => {
    const found = await get(ns, name);
    expect(found.status.phase).toBe("Running");
    return found;
  });
const gone = (look: Promise<unknown>) =>
  look.then(
    () => false,
    (error: unknown) => isReason(error, "NotFound"),
  );

describe("scheduling", () => {
  it("gives pods nodes, tells why, and says what holds one up", async () => {
    const ns = await namespace("schedule");
    await pod(ns, "small");
    expect((await running(ns, "small")).status.conditions).toContainEqual(
      expect.objectContaining({ type: "PodScheduled", status: "True" }),
    );
    await pod(ns, "huge", { containers: [container("64")] });
    const message = await eventually(async () => {
      const condition = (await get(ns, "huge")).status.conditions?.find((c) => c.type === "PodScheduled");
      expect(condition).toMatchObject({ status: "False", reason: "Unschedulable" });
      return condition?.message;
    });
    expect(message).toBe(
      "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
    );
    await eventually(async () => {
      const events = (await cluster.client.list(Events, { namespace: ns })).items.map(
        (e) => `${e.source?.component} ${e.type} ${e.reason}: ${e.message}`,
      );
      expect(events).toContain(`default-scheduler Warning FailedScheduling: ${message}`);
      expect(events).toContainEqual(
        expect.stringMatching(/^default-scheduler Normal Scheduled: Successfully assigned schedule\/small to n[12]$/),
      );
    });
    await cluster.client.delete(Pods, { namespace: ns, name: "huge" });
  });

  it("holds pods with scheduling gates", async () => {
    const ns = await namespace("gates");
    const held = await pod(ns, "held", { schedulingGates: [{ name: "example.com/wait" }] });
    expect(held.status.conditions).toMatchObject([{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }]);
    await cluster.client.patch(Pods, { namespace: ns, name: "held" }, { type: "merge", body: { spec: { schedulingGates: [] } } });
    await running(ns, "held");
  });

  it("lets a more important pod take the place of another", async () => {
    const ns = await namespace("preempt");
    await make(PriorityClasses, "important", undefined, { value: 1000 });
    for (const name of ["low1", "low2"]) await pod(ns, name, { containers: [container("3")] });
    for (const name of ["low1", "low2"]) await running(ns, name);
    await pod(ns, "high", { containers: [container("3")], priorityClassName: "important" });
    const high = await running(ns, "high");
    const left = (await cluster.client.list(Pods, { namespace: ns })).items.map((p) => p.metadata.name);
    expect(left).toHaveLength(2);
    expect(left).toContain("high");
    expect(high.status.nominatedNodeName ?? high.spec.nodeName).toBe(high.spec.nodeName);
    await cluster.client.delete(Namespaces, { name: ns });
  });

  it("binds a claim of class local-path where its first pod goes", async () => {
    const ns = await namespace("storage");
    await make(PersistentVolumeClaims, "data", ns, {
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    });
    await pod(ns, "db", { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }] });
    const { spec } = await running(ns, "db");
    const claim = await cluster.client.get(PersistentVolumeClaims, { namespace: ns, name: "data" });
    expect(claim).toMatchObject({ status: { phase: "Bound" }, spec: { storageClassName: "local-path" } });
    const volume = await cluster.client.get(PersistentVolumes, { name: claim.spec.volumeName ?? "" });
    expect(volume.status.phase).toBe("Bound");
    expect(JSON.stringify(volume.spec.nodeAffinity)).toContain(`"${spec.nodeName}"`);
  });
});

describe("services", () => {
  it("have endpoints in both forms, which follow their pods", async () => {
    const ns = await namespace("services");
    await make(Services, "web", ns, { spec: { selector: { app: "web" }, ports: [{ port: 80 }] } });
    await pod(ns, "a", {}, { app: "web" });
    const { podIP } = (await running(ns, "a")).status;
    const addresses = async () =>
      (await cluster.client.list(EndpointSlices, { namespace: ns })).items.flatMap((s) => s.endpoints ?? []).flatMap((e) => e.addresses);
    await eventually(async () => expect(await addresses()).toEqual([podIP]));
    await eventually(async () =>
      expect((await cluster.client.get(Endpoints, { namespace: ns, name: "web" })).subsets).toMatchObject([
        { addresses: [{ ip: podIP }], ports: [{ port: 80 }] },
      ]),
    );
    await cluster.client.delete(Pods, { namespace: ns, name: "a" });
    await eventually(async () => expect(await addresses()).toEqual([]));
    await cluster.client.delete(Services, { namespace: ns, name: "web" });
    await eventually(async () => expect((await cluster.client.list(EndpointSlices, { namespace: ns })).items).toEqual([]));
  });

  it("ranges of addresses are ready", async () => {
    await eventually(async () => {
      const [range] = (await cluster.client.list(ServiceCIDRs)).items;
      expect(range?.status?.conditions).toMatchObject([{ type: "Ready", status: "True" }]);
    });
  });
});

describe("deletion", () => {
  const deployment = (ns: string) =>
    make(Deployments, "web", ns, {
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [container()] } },
      },
    });
  const pods = async (ns: string) => (await cluster.client.list(Pods, { namespace: ns })).items;
  const up = (ns: string) => eventually(async () => expect((await pods(ns)).filter((p) => p.status.phase === "Running")).toHaveLength(3));

  it.each(["Background", "Foreground"] as const)("%s: a Deployment takes its pods with it", async (propagationPolicy) => {
    const ns = await namespace(`gc-${propagationPolicy.toLowerCase()}`);
    await deployment(ns);
    await up(ns);
    await cluster.client.delete(Deployments, { namespace: ns, name: "web" }, { propagationPolicy });
    await eventually(async () => {
      expect(await pods(ns)).toEqual([]);
      expect((await cluster.client.list(Deployments, { namespace: ns })).items).toEqual([]);
    });
  });

  it("Orphan: it leaves them", async () => {
    const ns = await namespace("gc-orphan");
    await deployment(ns);
    await up(ns);
    await cluster.client.delete(Deployments, { namespace: ns, name: "web" }, { propagationPolicy: "Orphan" });
    await eventually(async () => {
      expect(await gone(cluster.client.get(Deployments, { namespace: ns, name: "web" }))).toBe(true);
      const [set] = (await cluster.client.list(ReplicaSets, { namespace: ns })).items;
      expect(set?.metadata.ownerReferences ?? []).toEqual([]);
    });
    expect(await pods(ns)).toHaveLength(3);
  });

  it("a namespace goes with everything in it, custom resources too, and not before its pods", async () => {
    const ns = await namespace("doomed");
    await make(CustomResourceDefinitions, "things.example.com", undefined, {
      spec: {
        group: "example.com",
        scope: "Namespaced",
        names: { plural: "things", singular: "thing", kind: "Thing", listKind: "ThingList" },
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
          },
        ],
      },
    });
    await make(ConfigMaps, "settings", ns, { data: { a: "b" } });
    await make(Pods, "p", ns, {
      metadata: { namespace: ns, name: "p", finalizers: ["example.com/wait"] },
      spec: { containers: [container()] },
    });
    await running(ns, "p");
    await cluster.client.delete(Namespaces, { name: ns });
    await eventually(async () => {
      const conditions = (await cluster.client.get(Namespaces, { name: ns })).status.conditions ?? [];
      expect(conditions.find((c) => c.type === "NamespaceFinalizersRemaining")?.message).toContain(
        "example.com/wait in 1 resource instances",
      );
    });
    await cluster.client.get(ConfigMaps, { namespace: ns, name: "settings" });
    await cluster.client.patch(Pods, { namespace: ns, name: "p" }, { type: "merge", body: { metadata: { finalizers: null } } });
    await eventually(async () => expect(await gone(cluster.client.get(Namespaces, { name: ns }))).toBe(true));
  });
});

describe("housekeeping", () => {
  it("quotas know what is used, and forget what is gone", async () => {
    const ns = await namespace("quota");
    await make(ResourceQuotas, "q", ns, { spec: { hard: { pods: "2", "count/configmaps": "9" } } });
    const used = async () => (await cluster.client.get(ResourceQuotas, { namespace: ns, name: "q" })).status.used;
    await eventually(async () => expect(await used()).toEqual({ pods: "0", "count/configmaps": "1" }));
    await pod(ns, "p");
    await running(ns, "p");
    await eventually(async () => expect(await used()).toEqual({ pods: "1", "count/configmaps": "1" }));
    await cluster.client.delete(Pods, { namespace: ns, name: "p" });
    await eventually(async () => expect(await used()).toEqual({ pods: "0", "count/configmaps": "1" }));
  });

  it("Secrets get tokens that the API server accepts", async () => {
    const ns = await namespace("tokens");
    await make(Secrets, "t", ns, {
      metadata: { namespace: ns, name: "t", annotations: { "kubernetes.io/service-account.name": "default" } },
      type: "kubernetes.io/service-account-token",
    });
    const token = await eventually(async () => {
      const text = (await cluster.client.get(Secrets, { namespace: ns, name: "t" })).data?.["token"];
      expect(text).toBeDefined();
      return Buffer.from(text ?? "", "base64").toString();
    });
    const review = await cluster.client.create(TokenReviews, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      metadata: {},
      spec: { token },
    });
    expect(review.status).toMatchObject({ authenticated: true, user: { username: `system:serviceaccount:${ns}:default` } });
  });
});
