import { describe, expect, it } from "vitest";
import type { StatefulSet } from "../../../src/api/types/apps.v1.ts";
import { ControllerRevisions, PersistentVolumeClaims, Pods, StatefulSets } from "../../../src/api/types/resources.ts";
import { template, World } from "./world.ts";

const labels = { app: "db" };
const claim = (name: string) =>
  ({ metadata: { name }, spec: { accessModes: ["ReadWriteOnce"] } }) as unknown as NonNullable<
    StatefulSet["spec"]["volumeClaimTemplates"]
  >[number];
const spec = (replicas: number, more: Partial<StatefulSet["spec"]> = {}): StatefulSet["spec"] => ({
  replicas,
  serviceName: "db",
  selector: { matchLabels: labels },
  template: template(labels),
  podManagementPolicy: "OrderedReady",
  updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
  revisionHistoryLimit: 10,
  ...more,
});

async function cluster(replicas: number, more: Partial<StatefulSet["spec"]> = {}): Promise<World> {
  const world = new World("statefulset");
  await world.create(StatefulSets, { metadata: { name: "db" }, spec: spec(replicas, more) });
  return world;
}
/** Names of pods, with "!" when they are being deleted. */
const names = async (world: World) =>
  (await world.list(Pods)).map(({ metadata }) => metadata.name + (metadata.deletionTimestamp ? "!" : "")).sort();
const images = async (world: World) =>
  Object.fromEntries((await world.list(Pods)).map(({ metadata, spec }) => [metadata.name, spec.containers[0]?.image]).sort());
const setImage = (world: World, image: string) => world.change(StatefulSets, "db", (set) => (set.spec.template = template(labels, image)));
const scale = (world: World, replicas: number) => world.change(StatefulSets, "db", (set) => (set.spec.replicas = replicas));

describe("a StatefulSet", () => {
  it("makes its pods in order, each when the one before is ready", async () => {
    const world = await cluster(3);
    expect(await names(world)).toEqual(["db-0"]);
    await world.runPods();
    expect(await names(world)).toEqual(["db-0", "db-1"]);
    await world.converge();
    expect(await names(world)).toEqual(["db-0", "db-1", "db-2"]);
    const [revision] = await world.list(ControllerRevisions);
    const pod = await world.get(Pods, "db-1");
    expect(pod.metadata.labels).toEqual({
      app: "db",
      "statefulset.kubernetes.io/pod-name": "db-1",
      "apps.kubernetes.io/pod-index": "1",
      "controller-revision-hash": revision?.metadata.name,
    });
    expect(revision?.metadata.labels?.["controller.kubernetes.io/hash"]).toBe(revision?.metadata.name.replace("db-", ""));
    expect(pod.spec).toMatchObject({ hostname: "db-1", subdomain: "db" });
    expect(await world.events()).toContain("Normal SuccessfulCreate Create Pod db-2 in StatefulSet db successful");
    expect((await world.get(StatefulSets, "db")).status).toEqual({
      replicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
      currentRevision: revision?.metadata.name,
      updateRevision: revision?.metadata.name,
      collisionCount: 0,
      observedGeneration: 1,
    });
  });

  it("scales down from the last, one after the other has vanished, and halts while a pod is not ready", async () => {
    const world = await cluster(3);
    await world.converge();
    await world.setPod("db-0", "Running", false);
    await scale(world, 0);
    expect(await names(world)).toEqual(["db-0", "db-1", "db-2!"]);
    await world.reap();
    expect(await names(world)).toEqual(["db-0", "db-1!"]);
    await world.setPod("db-0", "Running", true);
    await world.reap();
    await world.reap();
    expect(await names(world)).toEqual([]);
    expect(await world.events()).toContain("Normal SuccessfulDelete Delete Pod db-0 in StatefulSet db successful");
  });

  it("halts scaling up while a pod is not ready", async () => {
    const world = await cluster(1);
    await world.converge();
    await world.setPod("db-0", "Running", false);
    await scale(world, 3);
    expect(await names(world)).toEqual(["db-0"]);
    await world.setPod("db-0", "Running", true);
    await world.settle();
    expect(await names(world)).toEqual(["db-0", "db-1"]);
  });

  it("with Parallel makes and deletes all at once", async () => {
    const world = await cluster(3, { podManagementPolicy: "Parallel" });
    expect(await names(world)).toEqual(["db-0", "db-1", "db-2"]);
    await world.converge();
    await scale(world, 1);
    expect(await names(world)).toEqual(["db-0", "db-1!", "db-2!"]);
  });

  it("updates from the last to the partition, and moves currentRevision only when all are done", async () => {
    const world = await cluster(3, { updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 2 } } });
    await world.converge();
    const { currentRevision } = (await world.get(StatefulSets, "db")).status;
    await setImage(world, "web:2");
    expect(await names(world)).toEqual(["db-0", "db-1", "db-2!"]);
    await world.converge();
    expect(await images(world)).toEqual({ "db-0": "web:1", "db-1": "web:1", "db-2": "web:2" });
    expect((await world.get(StatefulSets, "db")).status).toMatchObject({ currentRevision, currentReplicas: 2, updatedReplicas: 1 });
    await world.client.delete(Pods, { namespace: "a", name: "db-0" });
    await world.converge();
    expect(await images(world)).toMatchObject({ "db-0": "web:1" });
    await world.change(StatefulSets, "db", (set) => (set.spec.updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 0 } }));
    await world.converge();
    expect(await images(world)).toEqual({ "db-0": "web:2", "db-1": "web:2", "db-2": "web:2" });
    const { status } = await world.get(StatefulSets, "db");
    expect(status.currentRevision).toBe(status.updateRevision);
    expect(status.currentRevision).not.toBe(currentRevision);
  });

  it("does not go on with an update while an updated pod is not ready", async () => {
    const world = await cluster(2);
    await world.converge();
    await setImage(world, "web:2");
    await world.reap();
    expect(await images(world)).toEqual({ "db-0": "web:1", "db-1": "web:2" });
    expect(await names(world)).toEqual(["db-0", "db-1"]);
  });

  it("makes a failed pod again, under the same name", async () => {
    const world = await cluster(1);
    const before = await world.get(Pods, "db-0");
    await world.setPod("db-0", "Failed");
    await world.settle();
    expect((await world.get(Pods, "db-0")).metadata.uid).not.toBe(before.metadata.uid);
    expect(await world.events()).toContain("Warning RecreatingFailedPod StatefulSet a/db is recreating failed Pod db-0");
  });

  it("starts at its first ordinal", async () => {
    const world = await cluster(2, { ordinals: { start: 5 } });
    await world.converge();
    expect(await names(world)).toEqual(["db-5", "db-6"]);
  });

  it("gives each pod its claims, which stay when it goes", async () => {
    const world = await cluster(2, { volumeClaimTemplates: [claim("data")] });
    await world.converge();
    const claims = await world.list(PersistentVolumeClaims);
    expect(claims.map(({ metadata }) => metadata)).toMatchObject([
      { name: "data-db-0", labels },
      { name: "data-db-1", labels },
    ]);
    expect((await world.get(Pods, "db-1")).spec.volumes).toEqual([{ name: "data", persistentVolumeClaim: { claimName: "data-db-1" } }]);
    expect(await world.events()).toContain("Normal SuccessfulCreate Create Claim data-db-0 Pod db-0 in StatefulSet db success");
    await scale(world, 0);
    await world.converge();
    expect((await world.list(PersistentVolumeClaims)).every(({ metadata }) => !metadata.ownerReferences)).toBe(true);
  });

  it("ties claims to the set or to pods that are scaled away, as the retention policy says", async () => {
    const world = await cluster(2, {
      volumeClaimTemplates: [claim("data")],
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete", whenScaled: "Delete" },
    });
    await world.converge();
    const owners = async (name: string) =>
      (await world.get(PersistentVolumeClaims, name)).metadata.ownerReferences?.map(({ kind, name }) => `${kind} ${name}`);
    expect(await owners("data-db-1")).toEqual(["StatefulSet db"]);
    await scale(world, 1);
    expect(await owners("data-db-1")).toEqual(["Pod db-1"]);
    expect(await owners("data-db-0")).toEqual(["StatefulSet db"]);
  });

  it("keeps no more revisions than its limit, beside those in use", async () => {
    const world = await cluster(1, { revisionHistoryLimit: 1 });
    for (const image of ["web:2", "web:3", "web:4"]) {
      await world.converge();
      await setImage(world, image);
    }
    await world.converge();
    expect((await world.list(ControllerRevisions)).map(({ revision }) => revision).sort()).toEqual([3, 4]);
  });
});
