import { describe, expect, it } from "vitest";
import { forbidden } from "../../../src/api/errors.ts";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import { Pods, ReplicaSets, ReplicationControllers } from "../../../src/api/types/resources.ts";
import { slowStart } from "../../../src/controllers/pod-control.ts";
import { podsToDelete } from "../../../src/controllers/pod-deletion-order.ts";
import { template, World } from "./world.ts";

const labels = { app: "web" };
const spec = (replicas: number) => ({ replicas, selector: { matchLabels: labels }, template: template(labels) });

describe("a ReplicaSet", () => {
  it("makes its pods, tells it, and counts them", async () => {
    const world = new World("replicaset");
    const set = await world.create(ReplicaSets, { metadata: { name: "web" }, spec: spec(3) });
    const pods = await world.list(Pods);
    expect(pods).toHaveLength(3);
    for (const { metadata, spec } of pods) {
      expect(metadata.name).toMatch(/^web-.{5}$/);
      expect(metadata.labels).toEqual(labels);
      expect(metadata.ownerReferences).toEqual([
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: set.metadata.uid, controller: true, blockOwnerDeletion: true },
      ]);
      expect(spec.containers[0]?.image).toBe("web:1");
    }
    expect((await world.events()).sort()[0]).toBe(`Normal SuccessfulCreate Created pod: ${pods[0]?.metadata.name}`);
    expect((await world.get(ReplicaSets, "web")).status).toEqual({
      replicas: 3,
      fullyLabeledReplicas: 3,
      terminatingReplicas: 0,
      observedGeneration: 1,
    });
    await world.runPods();
    expect((await world.get(ReplicaSets, "web")).status).toMatchObject({ readyReplicas: 3, availableReplicas: 3 });
  });

  it("replaces pods that are deleted or have failed, and counts those that are going", async () => {
    const world = new World("replicaset");
    await world.create(ReplicaSets, { metadata: { name: "web" }, spec: spec(2) });
    await world.runPods();
    const [a, b] = await world.list(Pods);
    await world.client.delete(Pods, a?.metadata ?? { name: "" });
    await world.setPod(b?.metadata.name ?? "", "Failed");
    await world.settle();
    expect(await world.list(Pods)).toHaveLength(4);
    expect((await world.get(ReplicaSets, "web")).status).toMatchObject({ replicas: 2, terminatingReplicas: 1 });
  });

  it("shrinks to its size, pods that do not run first", async () => {
    const world = new World("replicaset");
    await world.create(ReplicaSets, { metadata: { name: "web" }, spec: spec(4) });
    const [first] = await world.list(Pods);
    await world.runPods((pod) => pod.metadata.name === first?.metadata.name);
    await world.change(ReplicaSets, "web", (set) => (set.spec.replicas = 1));
    expect((await world.list(Pods)).map(({ metadata }) => metadata.name)).toEqual([first?.metadata.name]);
    expect(await world.events()).toContainEqual(expect.stringMatching(/^Normal SuccessfulDelete Deleted pod: web-/));
  });

  it("counts pods as available only after minReadySeconds, and looks again by itself", async () => {
    const world = new World("replicaset");
    await world.create(ReplicaSets, { metadata: { name: "web" }, spec: { ...spec(1), minReadySeconds: 10 } });
    await world.runPods();
    expect((await world.get(ReplicaSets, "web")).status).not.toHaveProperty("availableReplicas");
    await world.pass(10);
    expect((await world.get(ReplicaSets, "web")).status.availableReplicas).toBe(1);
  });

  it("adopts orphans that match and releases what no longer does", async () => {
    const world = new World("replicaset");
    await world.create(Pods, { metadata: { name: "orphan", labels }, spec: template(labels).spec });
    const set = await world.create(ReplicaSets, { metadata: { name: "web" }, spec: spec(2) });
    expect((await world.get(Pods, "orphan")).metadata.ownerReferences?.[0]?.uid).toBe(set.metadata.uid);
    expect(await world.list(Pods)).toHaveLength(2);
    await world.change(Pods, "orphan", (pod) => (pod.metadata.labels = { app: "other" }));
    expect((await world.get(Pods, "orphan")).metadata.ownerReferences).toBeUndefined();
    expect(await world.list(Pods)).toHaveLength(3);
  });

  it("says when it cannot make pods, and stops saying so when it can", async () => {
    const world = new World("replicaset");
    let attempts = 0;
    world.api.beforeWrite = (verb, { resource }) => {
      if (verb !== "create" || resource.plural !== "pods") return;
      attempts++;
      throw forbidden({ kind: "pods", name: "web-x" }, "exceeded quota: q");
    };
    await world.create(ReplicaSets, { metadata: { name: "web" }, spec: spec(500) });
    expect((await world.get(ReplicaSets, "web")).status.conditions).toMatchObject([
      { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: 'pods "web-x" is forbidden: exceeded quota: q' },
    ]);
    expect(await world.events()).toEqual(['Warning FailedCreate Error creating: pods "web-x" is forbidden: exceeded quota: q']);
    expect(attempts).toBeLessThan(20);
    world.api.beforeWrite = () => {};
    await world.pass(100);
    expect((await world.get(ReplicaSets, "web")).status).not.toHaveProperty("conditions");
  });
});

describe("a ReplicationController", () => {
  it("does the same by its map of labels", async () => {
    const world = new World("replicationcontroller");
    await world.create(ReplicationControllers, {
      metadata: { name: "rc" },
      spec: { replicas: 2, selector: labels, template: template(labels) },
    });
    await world.runPods();
    expect((await world.get(ReplicationControllers, "rc")).status).toEqual({
      replicas: 2,
      fullyLabeledReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      observedGeneration: 1,
    });
  });
});

describe("podsToDelete", () => {
  const now = Date.UTC(2026, 0, 2);
  const at = (secondsAgo: number): string => new Date(now - secondsAgo * 1000).toISOString();
  interface Shape {
    node?: string;
    phase?: Pod["status"]["phase"];
    ready?: number;
    cost?: string;
    restarts?: number;
    age?: number;
    uid?: string;
  }
  const pod = (name: string, { node = "n", phase = "Running", ready = 100, cost, restarts = 0, age = 1000, uid = name }: Shape): Pod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "a",
      uid,
      resourceVersion: "1",
      creationTimestamp: at(age),
      ...(cost ? { annotations: { "controller.kubernetes.io/pod-deletion-cost": cost } } : {}),
    },
    spec: { containers: [], ...(node ? { nodeName: node } : {}) },
    status: {
      phase,
      conditions: ready < 0 ? [] : [{ type: "Ready", status: "True", lastTransitionTime: at(ready) }],
      containerStatuses: [{ name: "c", image: "", imageID: "", ready: true, restartCount: restarts }],
    },
  });

  it.each<[string, Shape, Shape]>([
    ["without a node", { node: "" }, { phase: "Pending" }],
    ["pending", { phase: "Pending" }, { phase: "Unknown" }],
    ["not ready", { ready: -1 }, {}],
    ["of the lower deletion cost", { cost: "-5" }, {}],
    ["ready for a shorter time", { ready: 10 }, { ready: 1000 }],
    ["of about the same readiness by uid", { ready: 1000, uid: "1" }, { ready: 600, uid: "2" }],
    ["restarted more often", { restarts: 3 }, { restarts: 1 }],
    ["younger", { age: 50 }, { age: 5000 }],
  ])("takes the one %s first", (_, first, second) => {
    const [a, b] = [pod("a", first), pod("b", second)];
    expect(podsToDelete([b, a], [], 1, now)).toEqual([a]);
    expect(podsToDelete([a, b], [], 1, now)).toEqual([a]);
  });

  it("takes one from the node with most siblings", () => {
    const [a, b] = [pod("a", { node: "crowded" }), pod("b", { node: "empty" })];
    expect(podsToDelete([b, a], [a, b, pod("c", { node: "crowded" })], 1, now)).toEqual([a]);
  });
});

describe("slowStart", () => {
  it("doubles its batches and stops after one with an error", async () => {
    const calls: number[] = [];
    const result = await slowStart(20, async (i) => {
      calls.push(i);
      if (i === 4) throw new Error("enough");
    });
    expect(calls).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(result).toMatchObject({ succeeded: 6, error: new Error("enough") });
  });
});
