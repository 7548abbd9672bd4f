import { describe, expect, it } from "vitest";
import type { Deployment, ReplicaSet } from "../../../src/api/types/apps.v1.ts";
import { Deployments, Pods, ReplicaSets } from "../../../src/api/types/resources.ts";
import { newSetAnnotations, nextRevision, superfluous } from "../../../src/controllers/deployment/revisions.ts";
import { allowances, distribute, nextNewSize, shrinkOld } from "../../../src/controllers/deployment/scaling.ts";
import { template, World } from "./world.ts";

const labels = { app: "web" };
const revision = "deployment.kubernetes.io/revision";
const rolling = (maxSurge: number | string, maxUnavailable: number | string) => ({
  type: "RollingUpdate" as const,
  rollingUpdate: { maxSurge, maxUnavailable },
});
const spec = (replicas: number, more: Partial<Deployment["spec"]> = {}): Deployment["spec"] => ({
  replicas,
  selector: { matchLabels: labels },
  template: template(labels),
  strategy: rolling("25%", "25%"),
  revisionHistoryLimit: 10,
  progressDeadlineSeconds: 600,
  ...more,
});

async function deploy(replicas: number, more: Partial<Deployment["spec"]> = {}): Promise<World> {
  const world = new World("deployment", "replicaset");
  await world.create(Deployments, { metadata: { name: "web" }, spec: spec(replicas, more) });
  return world;
}
const setImage = (world: World, image: string) =>
  world.change(Deployments, "web", (deployment) => (deployment.spec.template = template(labels, image)));
const sizes = async (world: World) =>
  Object.fromEntries((await world.list(ReplicaSets)).map((set) => [set.spec.template?.spec?.containers[0]?.image, set.spec.replicas]));
const condition = async (world: World, type: string) =>
  (await world.get(Deployments, "web")).status.conditions?.find((condition) => condition.type === type);

describe("a Deployment", () => {
  it("makes a ReplicaSet with the template's hash, and tells what users know", async () => {
    const world = await deploy(3);
    const [set] = await world.list(ReplicaSets);
    const hash = set?.metadata.labels?.["pod-template-hash"];
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{5,10}$/);
    expect(set?.metadata).toMatchObject({
      name: `web-${hash}`,
      labels: { app: "web", "pod-template-hash": hash },
      annotations: { [revision]: "1", "deployment.kubernetes.io/desired-replicas": "3", "deployment.kubernetes.io/max-replicas": "4" },
    });
    expect(set?.spec.selector.matchLabels).toEqual({ app: "web", "pod-template-hash": hash });
    expect(await world.events()).toContain(`Normal ScalingReplicaSet Scaled up replica set web-${hash} from 0 to 3`);
    expect((await world.get(Deployments, "web")).metadata.annotations).toEqual({ [revision]: "1" });
    expect(await condition(world, "Available")).toMatchObject({ status: "False", reason: "MinimumReplicasUnavailable" });
    expect(await condition(world, "Progressing")).toMatchObject({ status: "True", reason: "ReplicaSetUpdated" });
    await world.runPods();
    expect((await world.get(Deployments, "web")).status).toMatchObject({
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
    });
    expect(await condition(world, "Available")).toMatchObject({ status: "True", message: "Deployment has minimum availability." });
    expect(await condition(world, "Progressing")).toMatchObject({
      status: "True",
      reason: "NewReplicaSetAvailable",
      message: `ReplicaSet "web-${hash}" has successfully progressed.`,
    });
  });

  it("rolls out step by step, never below or above its limits, and keeps the old set", async () => {
    const world = await deploy(4);
    await world.converge();
    await setImage(world, "web:2");
    for (let i = 0; i < 10; i++) {
      const pods = (await world.list(Pods)).filter(({ metadata }) => !metadata.deletionTimestamp);
      const ready = pods.filter(({ status }) => status.conditions?.some(({ status }) => status === "True"));
      expect(pods.length).toBeLessThanOrEqual(5);
      expect(ready.length).toBeGreaterThanOrEqual(3);
      await world.runPods();
      await world.reap();
    }
    expect(await sizes(world)).toEqual({ "web:1": 0, "web:2": 4 });
    expect((await world.get(Deployments, "web")).metadata.annotations?.[revision]).toBe("2");
    expect((await world.events()).filter((event) => /Scaled down .* from 1 to 0/.test(event))).toHaveLength(1);
  });

  it("rolls back to the old set under a new revision, and remembers the old one", async () => {
    const world = await deploy(2);
    await world.converge();
    await setImage(world, "web:2");
    await world.converge();
    await setImage(world, "web:1");
    await world.converge();
    expect(await sizes(world)).toEqual({ "web:1": 2, "web:2": 0 });
    const old = (await world.list(ReplicaSets)).find((set) => set.spec.replicas === 2);
    expect(old?.metadata.annotations).toMatchObject({ [revision]: "3", "deployment.kubernetes.io/revision-history": "1" });
  });

  it("with Recreate starts nothing new while an old pod is there", async () => {
    const world = await deploy(2, { strategy: { type: "Recreate" } });
    await world.converge();
    await setImage(world, "web:2");
    expect(await sizes(world)).toEqual({ "web:1": 0 });
    expect(await world.list(Pods)).toHaveLength(2);
    await world.reap();
    expect(await sizes(world)).toEqual({ "web:1": 0, "web:2": 2 });
  });

  it("does not roll out while paused, but scales; and goes on when resumed", async () => {
    const world = await deploy(2, { paused: true });
    expect(await world.list(ReplicaSets)).toEqual([]);
    expect(await condition(world, "Progressing")).toMatchObject({
      status: "Unknown",
      reason: "DeploymentPaused",
      message: "Deployment is paused",
    });
    await world.change(Deployments, "web", (deployment) => (deployment.spec.paused = false));
    await world.converge();
    expect(await sizes(world)).toEqual({ "web:1": 2 });
    await world.change(Deployments, "web", (deployment) => (deployment.spec.paused = true));
    await setImage(world, "web:2");
    await world.change(Deployments, "web", (deployment) => (deployment.spec.replicas = 5));
    await world.converge();
    expect(await sizes(world)).toEqual({ "web:1": 5 });
  });

  it("says when a rollout does not progress in time, and when it does after all", async () => {
    const world = await deploy(1, { progressDeadlineSeconds: 60 });
    await world.pass(62);
    const [set] = await world.list(ReplicaSets);
    expect(await condition(world, "Progressing")).toMatchObject({
      status: "False",
      reason: "ProgressDeadlineExceeded",
      message: `ReplicaSet "${set?.metadata.name}" has timed out progressing.`,
    });
    await world.runPods();
    expect(await condition(world, "Progressing")).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
  });

  it("adopts a ReplicaSet of the same template instead of making another, and counts on from a great revision", async () => {
    const world = new World("deployment", "replicaset");
    const hashed = { ...labels, "pod-template-hash": "1" };
    await world.create(ReplicaSets, {
      metadata: { name: "adopted", labels: hashed, annotations: { [revision]: "3546343826724305832" } },
      spec: { replicas: 1, selector: { matchLabels: hashed }, template: template(hashed, "old:1") },
    });
    await world.create(Deployments, { metadata: { name: "web" }, spec: spec(1) });
    await world.converge();
    const sets = await world.list(ReplicaSets);
    expect(sets).toHaveLength(2);
    expect(sets[0]?.metadata.ownerReferences?.[0]?.name).toBe("web");
    expect((await world.get(Deployments, "web")).metadata.annotations?.[revision]).toBe("3546343826724305833");
    await world.change(Deployments, "web", (deployment) => (deployment.spec.template = template(labels, "old:1")));
    await world.converge();
    expect(await world.list(ReplicaSets)).toHaveLength(2);
    expect(await sizes(world)).toEqual({ "old:1": 1, "web:1": 0 });
  });

  it("keeps no more old sets than its history limit", async () => {
    const world = await deploy(1, { revisionHistoryLimit: 1 });
    for (const image of ["web:2", "web:3", "web:4"]) {
      await world.converge();
      await setImage(world, image);
    }
    await world.converge();
    expect(Object.keys(await sizes(world))).toEqual(["web:3", "web:4"]);
  });

  it("passes on why pods cannot be made", async () => {
    const world = new World("deployment", "replicaset");
    world.api.beforeWrite = (verb, { resource }) => {
      if (verb === "create" && resource.plural === "pods") throw new Error("no");
    };
    await world.create(Deployments, { metadata: { name: "web" }, spec: spec(1) });
    expect(await condition(world, "ReplicaFailure")).toMatchObject({ status: "True", reason: "FailedCreate", message: "no" });
  });

  it("takes another name when its hash is taken", async () => {
    const world = await deploy(1);
    const [set] = await world.list(ReplicaSets);
    const other = new World("deployment");
    await other.create(ReplicaSets, {
      metadata: { name: set?.metadata.name ?? "" },
      spec: { selector: { matchLabels: { x: "y" } }, replicas: 0 },
    });
    await other.create(Deployments, { metadata: { name: "web" }, spec: spec(1) });
    expect(await other.list(ReplicaSets)).toHaveLength(2);
    expect((await other.get(Deployments, "web")).status.collisionCount).toBe(1);
  });
});

/** A ReplicaSet for the plans: [replicas, available, annotations]. */
function set(name: string, replicas: number, availableReplicas: number, annotations: Record<string, string> = {}): ReplicaSet {
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name,
      namespace: "a",
      uid: name,
      resourceVersion: "1",
      creationTimestamp: `2026-01-01T00:00:0${name}Z`,
      generation: 1,
      annotations,
    },
    spec: { replicas, selector: {} },
    status: { replicas, availableReplicas, observedGeneration: 1 },
  };
}
const deployment = (replicas: number, strategy: Deployment["spec"]["strategy"]): Deployment => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", namespace: "a", uid: "d", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: spec(replicas, { strategy }),
  status: {},
});
const plan = (scales: { set: ReplicaSet; replicas: number }[]) =>
  Object.fromEntries(scales.map(({ set, replicas }) => [set.metadata.name, replicas]));

describe("a rolling update's plan", () => {
  it.each([
    [10, "25%", "25%", 3, 2],
    [3, "25%", "25%", 1, 0],
    [1, 0, "10%", 0, 1],
    [2, 5, 5, 5, 2],
  ])("allows %i replicas with surge %s and unavailable %s to have %i more and %i less", (replicas, surge, unavailable, more, less) => {
    expect(allowances(deployment(replicas, rolling(surge, unavailable)))).toEqual({ surge: more, unavailable: less });
  });

  it.each([
    ["makes a first set as large as it may be", 10, 0, [], 10],
    ["fills the room above the old pods", 10, 0, [set("1", 10, 10)], 3],
    ["waits when there is no room", 10, 5, [set("1", 8, 8)], 5],
    ["never makes more than wanted", 3, 2, [], 3],
    ["shrinks at once", 2, 5, [], 2],
  ])("%s", (_, replicas, size, old, expected) => {
    const all = size ? [set("9", size, 0), ...old] : old;
    expect(nextNewSize(deployment(replicas, rolling(3, 2)), size, all)).toBe(expected);
  });

  it.each([
    ["nothing when the new pods are not available yet", set("9", 5, 0), [set("1", 8, 8)], {}],
    ["what is available above the minimum", set("9", 5, 5), [set("1", 8, 8)], { 1: 3 }],
    ["unhealthy pods first, of the oldest set first", set("9", 3, 3), [set("2", 4, 1), set("1", 6, 4)], { 1: 4, 2: 1 }],
    ["both, of several sets", set("9", 6, 6), [set("1", 5, 5), set("2", 2, 2)], { 1: 0 }],
  ])("takes away %s", (_, newSet, old, expected) => {
    expect(plan(shrinkOld(deployment(10, rolling(3, 2)), newSet, old))).toEqual(expected);
  });

  it("divides in proportion when scaled amid a rollout, as conformance expects: 8 and 5 of 10 become 20 and 13 of 30", () => {
    const notes = { "deployment.kubernetes.io/desired-replicas": "10", "deployment.kubernetes.io/max-replicas": "13" };
    expect(plan(distribute(deployment(30, rolling(3, 2)), set("2", 5, 0, notes), [set("1", 8, 8, notes)]))).toEqual({ 1: 20, 2: 13 });
    expect(plan(distribute(deployment(5, rolling(3, 2)), set("2", 5, 0, notes), [set("1", 8, 8, notes)]))).toEqual({ 1: 5, 2: 3 });
    expect(plan(distribute(deployment(0, rolling(3, 2)), set("2", 5, 0, notes), [set("1", 8, 8, notes)]))).toEqual({ 1: 0, 2: 0 });
  });

  it("scales the only set with pods, and empties old ones when the new one is full", () => {
    expect(plan(distribute(deployment(4, rolling(1, 0)), set("2", 0, 0), [set("1", 2, 2)]))).toEqual({ 1: 4 });
    expect(plan(distribute(deployment(4, rolling(1, 0)), undefined, [set("1", 0, 0), set("2", 0, 0)]))).toEqual({ 2: 4 });
    const full = set("2", 4, 4, { "deployment.kubernetes.io/desired-replicas": "4" });
    expect(plan(distribute(deployment(4, rolling(1, 0)), full, [set("1", 1, 1)]))).toEqual({ 1: 0 });
  });
});

describe("revisions", () => {
  it("are one more than the greatest old one, beyond 2^53", () => {
    expect(nextRevision([set("1", 0, 0, { [revision]: "3546343826724305832" }), set("2", 0, 0, { [revision]: "7" })])).toBe(
      3546343826724305833n,
    );
    expect(nextRevision([])).toBe(1n);
  });

  it("come with the Deployment's annotations, without those that are its own", () => {
    const owner = deployment(1, rolling(1, 0));
    owner.metadata.annotations = { team: "red", [revision]: "9", "kubectl.kubernetes.io/last-applied-configuration": "{}" };
    const annotations = newSetAnnotations(owner, set("1", 0, 0, { [revision]: "1", own: "kept" }), 4n);
    expect(annotations).toEqual({ team: "red", own: "kept", [revision]: "4", "deployment.kubernetes.io/revision-history": "1" });
    const same = set("1", 0, 0, annotations);
    expect(newSetAnnotations(owner, same, 4n)).toBe(same.metadata.annotations);
  });

  it("go with the oldest sets, never with one that has pods", () => {
    const owner = deployment(1, rolling(1, 0));
    owner.spec.revisionHistoryLimit = 1;
    const old = [set("1", 1, 1, { [revision]: "1" }), set("2", 0, 0, { [revision]: "2" }), set("3", 0, 0, { [revision]: "3" })];
    expect(superfluous(owner, old).map(({ metadata }) => metadata.name)).toEqual(["2"]);
  });
});
