import { describe, expect, it } from "vitest";
import { folderToRemove, localPathProvisioner } from "../../../../src/api/core/local-path.ts";
import type { PersistentVolumeClaimSpec, PersistentVolumeSpec } from "../../../../src/api/types/core.v1.ts";
import {
  Nodes,
  PersistentVolumeClaims,
  PersistentVolumes,
  Pods,
  StorageClasses,
  VolumeAttributesClasses,
} from "../../../../src/api/types/resources.ts";
import { isProvisionedFolder, localPathCleaner } from "../../../../src/kubelet/volumes/local-path-cleaner.ts";
import { Cluster } from "./cluster.ts";

const binder = () => new Cluster(["persistentvolume-binder", "persistentvolumeclaim-protection", "persistentvolume-protection"]);
const addClaim = (cluster: Cluster, name: string, spec: Partial<PersistentVolumeClaimSpec> = {}) =>
  cluster.create(PersistentVolumeClaims, {
    metadata: { name },
    spec: { storageClassName: "", accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
  });
const addVolume = (cluster: Cluster, name: string, storage: string, spec: Partial<PersistentVolumeSpec> = {}) =>
  cluster.create(PersistentVolumes, {
    metadata: { name },
    spec: { storageClassName: "", accessModes: ["ReadWriteOnce"], capacity: { storage }, ...spec },
  });
/** "claim phase volume" of each claim, then "volume phase claim" of each volume. */
async function state(cluster: Cluster): Promise<string[]> {
  const claims = (await cluster.list(PersistentVolumeClaims)).map(
    (c) => `${c.metadata.name} ${c.status.phase} ${c.spec.volumeName ?? "-"}`,
  );
  const volumes = (await cluster.list(PersistentVolumes)).map(
    (v) => `${v.metadata.name} ${v.status.phase} ${v.spec.claimRef?.name ?? "-"}`,
  );
  return [...claims, ...volumes];
}

describe("a claim", () => {
  it("gets the smallest volume that is large enough, whichever comes first", async () => {
    const cluster = binder();
    await addClaim(cluster, "data");
    expect(await state(cluster)).toEqual(["data Pending -"]);
    expect(await cluster.events()).toContain(
      "Normal FailedBinding no persistent volumes available for this claim and no storage class is set",
    );
    await Promise.all([addVolume(cluster, "tiny", "1Mi"), addVolume(cluster, "right", "2Gi")]);
    await addVolume(cluster, "large", "100Gi");
    expect(await state(cluster)).toEqual(["data Bound right", "tiny Available -", "right Bound data", "large Available -"]);
    const claim = await cluster.get(PersistentVolumeClaims, "data");
    expect(claim.status).toMatchObject({ accessModes: ["ReadWriteOnce"], capacity: { storage: "2Gi" } });
    expect(claim.metadata.annotations).toMatchObject({
      "pv.kubernetes.io/bind-completed": "yes",
      "pv.kubernetes.io/bound-by-controller": "yes",
    });
    expect(claim.metadata.finalizers).toEqual(["kubernetes.io/pvc-protection"]);
  });

  it("two claims never get the same volume", async () => {
    const cluster = binder();
    await addVolume(cluster, "only", "1Gi");
    await Promise.all([addClaim(cluster, "one"), addClaim(cluster, "two")]);
    expect((await state(cluster)).filter((s) => s.includes("Bound only"))).toHaveLength(1);
  });

  it.each<[string, Partial<PersistentVolumeClaimSpec>, Partial<PersistentVolumeSpec>, string]>([
    ["class", { storageClassName: "fast" }, {}, "Pending"],
    ["mode", { volumeMode: "Block" }, {}, "Pending"],
    ["access modes", { accessModes: ["ReadWriteMany"] }, {}, "Pending"],
    ["labels", { selector: { matchLabels: { tier: "gold" } } }, {}, "Pending"],
    ["a reservation for another claim", {}, { claimRef: { namespace: "a", name: "other" } }, "Pending"],
    ["a reservation for this claim", {}, { claimRef: { namespace: "a", name: "data" } }, "Bound"],
    ["its volume by name", { volumeName: "v" }, {}, "Bound"],
  ])("respects %s", async (_name, claim, volume, phase) => {
    const cluster = binder();
    await addVolume(cluster, "v", "1Gi", volume);
    await addClaim(cluster, "data", claim);
    expect((await cluster.get(PersistentVolumeClaims, "data")).status.phase).toBe(phase);
  });

  it("is lost when its volume is gone", async () => {
    const cluster = new Cluster(["persistentvolume-binder"]);
    await addVolume(cluster, "v", "1Gi");
    await addClaim(cluster, "data");
    await cluster.client.delete(PersistentVolumes, { name: "v" });
    await cluster.settle();
    expect(await state(cluster)).toEqual(["data Lost v"]);
    expect(await cluster.events()).toContain("Warning ClaimLost Bound claim has lost its PersistentVolume. Data on the volume is lost!");
  });

  it("that a pod uses stays until the pod has ended", async () => {
    const cluster = binder();
    await addClaim(cluster, "data");
    const spec = { nodeName: "n1", containers: [], volumes: [{ name: "v", persistentVolumeClaim: { claimName: "data" } }] };
    await cluster.create(Pods, { metadata: { name: "p" }, spec, status: { phase: "Running" } });
    await cluster.client.delete(PersistentVolumeClaims, { namespace: "a", name: "data" });
    await cluster.settle();
    expect(await state(cluster)).toHaveLength(1);
    await cluster.setPod("p", "Succeeded");
    await cluster.settle();
    expect(await state(cluster)).toEqual([]);
  });
});

describe("a volume whose claim is gone", () => {
  it("is released and kept, and protected only as long as it is bound", async () => {
    const cluster = binder();
    await addVolume(cluster, "v", "1Gi", { persistentVolumeReclaimPolicy: "Retain" });
    await addClaim(cluster, "data");
    await cluster.client.delete(PersistentVolumes, { name: "v" });
    await cluster.settle();
    expect(await state(cluster)).toEqual(["data Bound v", "v Bound data"]);
    await cluster.client.delete(PersistentVolumeClaims, { namespace: "a", name: "data" });
    await cluster.settle();
    expect(await state(cluster)).toEqual([]);
  });
});

describe("a class of volume attributes that is being deleted", () => {
  it("stays until no claim uses it", async () => {
    const cluster = new Cluster(["volumeattributesclass-protection"]);
    await cluster.create(VolumeAttributesClasses, {
      metadata: { name: "fast" },
      driverName: "example.com/disk",
      parameters: { iops: "9" },
    });
    await addClaim(cluster, "data", { volumeAttributesClassName: "fast" });
    await cluster.client.delete(VolumeAttributesClasses, { name: "fast" });
    await cluster.settle();
    expect(await cluster.list(VolumeAttributesClasses)).toHaveLength(1);
    await cluster.change(PersistentVolumeClaims, "data", (claim) => (claim.spec.volumeAttributesClassName = "slow"));
    await cluster.settle();
    expect(await cluster.list(VolumeAttributesClasses)).toEqual([]);
  });
});

describe("local-path", () => {
  async function cluster(): Promise<Cluster> {
    const c = new Cluster(["persistentvolume-binder", "persistentvolumeclaim-protection", "persistentvolume-protection", "local-path"]);
    await c.create(Nodes, { metadata: { name: "n1", labels: { "kubernetes.io/hostname": "host1" } }, spec: {} });
    await c.create(StorageClasses, {
      metadata: { name: "local-path" },
      provisioner: localPathProvisioner,
      volumeBindingMode: "WaitForFirstConsumer",
    });
    return c;
  }
  const choose = (c: Cluster) =>
    c.change(
      PersistentVolumeClaims,
      "data",
      (claim) => (claim.metadata.annotations = { ...claim.metadata.annotations, "volume.kubernetes.io/selected-node": "n1" }),
    );

  it("waits for the first pod", async () => {
    const c = await cluster();
    await addClaim(c, "data", { storageClassName: "local-path" });
    expect(await state(c)).toEqual(["data Pending -"]);
    expect(await c.events()).toContain("Normal WaitForFirstConsumer waiting for first consumer to be created before binding");
  });

  it("makes a folder on the chosen node, and has that node remove it", async () => {
    const c = await cluster();
    await addClaim(c, "data", { storageClassName: "local-path" });
    await choose(c);
    const { metadata } = await c.get(PersistentVolumeClaims, "data");
    const name = `pvc-${metadata.uid}`;
    expect(await state(c)).toEqual([`data Bound ${name}`, `${name} Bound data`]);
    const volume = await c.get(PersistentVolumes, name);
    expect(volume.spec).toMatchObject({
      hostPath: { path: `/data/storage/${name}_a_data`, type: "DirectoryOrCreate" },
      persistentVolumeReclaimPolicy: "Delete",
      capacity: { storage: "1Gi" },
    });
    expect(folderToRemove(volume, "host1")).toBeUndefined();
    await c.client.delete(PersistentVolumeClaims, { namespace: "a", name: "data" });
    await c.settle();
    const released = await c.get(PersistentVolumes, name);
    expect(folderToRemove(released, "host1")).toBe(`/data/storage/${name}_a_data`);
    expect(folderToRemove(released, "host2")).toBeUndefined();
    // The node has removed the folder.
    await c.change(PersistentVolumes, name, (v) => (v.metadata.finalizers = []));
    expect(await state(c)).toEqual([]);
  });

  it("the node removes only the folder that is named after the volume, then the volume goes", async () => {
    const c = await cluster();
    const removed: string[] = [];
    const cleaner = localPathCleaner({ hostname: "host1", remove: async (path) => void removed.push(path) });
    c.run(cleaner);
    await addClaim(c, "data", { storageClassName: "local-path" });
    await choose(c);
    const [volume] = await c.list(PersistentVolumes);
    await c.client.delete(PersistentVolumeClaims, { namespace: "a", name: "data" });
    await c.settle();
    expect(removed).toEqual([volume?.spec.hostPath?.path]);
    expect(await state(c)).toEqual([]);
    if (!volume) throw new Error("no volume");
    for (const path of ["/etc", `${removed[0]}/..`, `/data/../${volume.metadata.name}_x`, "relative"])
      expect(isProvisionedFolder(volume, path)).toBe(false);
  });

  it("a node that is gone holds nothing up", async () => {
    const c = await cluster();
    await addClaim(c, "data", { storageClassName: "local-path" });
    await choose(c);
    await c.client.delete(PersistentVolumeClaims, { namespace: "a", name: "data" });
    await c.client.delete(Nodes, { name: "n1" });
    await c.settle();
    expect(await state(c)).toEqual([]);
  });
});
