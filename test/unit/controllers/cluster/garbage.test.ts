import { describe, expect, it } from "vitest";
import type { OwnerReference } from "../../../../src/api/types/meta.v1.ts";
import { ConfigMaps, CustomResourceDefinitions, Secrets } from "../../../../src/api/types/resources.ts";
import type { Resource } from "../../../../src/api/resource.ts";
import type { KubeObject } from "../../../../src/api/meta/object.ts";
import { type GraphNode, type OwnerState, verdict } from "../../../../src/controllers/garbage-collector/graph.ts";
import { Cluster } from "./cluster.ts";

const make = (cluster: Cluster, name: string, ...owners: (KubeObject & { block?: boolean })[]) =>
  cluster.create(ConfigMaps, {
    metadata: {
      name,
      ownerReferences: owners.map((o) => ({
        apiVersion: o.apiVersion,
        kind: o.kind,
        name: o.metadata.name ?? "",
        uid: o.metadata.uid ?? "",
        ...(o.block ? { blockOwnerDeletion: true } : {}),
      })),
    },
  });
const names = async (cluster: Cluster) => (await cluster.list(ConfigMaps)).map((m) => m.metadata.name).sort();
const remove = async (cluster: Cluster, name: string, propagationPolicy: "Background" | "Foreground" = "Background") => {
  await cluster.client.delete(ConfigMaps, { namespace: "a", name }, { propagationPolicy });
  await cluster.settle();
};

describe("garbage", () => {
  it("background: what has lost its owner goes, and what has lost that", async () => {
    const cluster = new Cluster(["garbage-collector"]);
    const owner = await make(cluster, "owner");
    const child = await make(cluster, "child", owner);
    await make(cluster, "grandchild", child);
    await make(cluster, "stranger");
    await remove(cluster, "owner");
    expect(await names(cluster)).toEqual(["stranger"]);
  });

  it("what still has another owner stays, without the reference", async () => {
    const cluster = new Cluster(["garbage-collector"]);
    const [one, two] = [await make(cluster, "one"), await make(cluster, "two")];
    await make(cluster, "child", one, two);
    await remove(cluster, "one");
    expect((await cluster.get(ConfigMaps, "child")).metadata.ownerReferences?.map((o) => o.name)).toEqual(["two"]);
  });

  it("foreground: the owner waits for the dependents that block it", async () => {
    const cluster = new Cluster(["garbage-collector"]);
    const owner = await make(cluster, "owner");
    const child = await make(cluster, "child", { ...owner, block: true });
    await cluster.change(ConfigMaps, "child", (m) => (m.metadata.finalizers = ["example.com/wait"]));
    await remove(cluster, "owner", "Foreground");
    expect((await cluster.get(ConfigMaps, "owner")).metadata.finalizers).toEqual(["foregroundDeletion"]);
    expect((await cluster.get(ConfigMaps, "child")).metadata.deletionTimestamp).toBeDefined();
    expect(child.metadata.deletionTimestamp).toBeUndefined();
    await cluster.change(ConfigMaps, "child", (m) => (m.metadata.finalizers = []));
    expect(await names(cluster)).toEqual([]);
  });

  it("orphan: the dependents stay, all without their owner", async () => {
    const cluster = new Cluster(["garbage-collector"]);
    const owner = await make(cluster, "owner");
    for (let i = 0; i < 12; i++) await make(cluster, `child${i}`, owner);
    await cluster.change(ConfigMaps, "owner", (m) => (m.metadata.finalizers = ["orphan"]));
    await remove(cluster, "owner");
    const left = await cluster.list(ConfigMaps);
    expect(left).toHaveLength(12);
    for (const map of left) expect(map.metadata.ownerReferences ?? []).toEqual([]);
  });

  it("objects that own each other go together", async () => {
    const cluster = new Cluster(["garbage-collector"]);
    const a = await make(cluster, "a");
    const b = await make(cluster, "b", { ...a, block: true });
    await cluster.change(ConfigMaps, "a", (m) => {
      m.metadata.ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "b", uid: b.metadata.uid, blockOwnerDeletion: true }];
    });
    await remove(cluster, "a", "Foreground");
    expect(await names(cluster)).toEqual([]);
  });

  it("an owner of that name but another uid is no owner; one of a kind that nobody serves is left alone", async () => {
    const cluster = new Cluster(["garbage-collector"]);
    const owner = await cluster.create(Secrets, { metadata: { name: "owner" } });
    await make(cluster, "stale", { ...owner, metadata: { ...owner.metadata, uid: "of-a-former-one" } });
    await make(cluster, "unknown", { apiVersion: "example.com/v1", kind: "Thing", metadata: { name: "x", uid: "x" } });
    await cluster.settle();
    expect(await names(cluster)).toEqual(["unknown"]);
  });

  it("custom resources own and are owned as well", async () => {
    const cluster = new Cluster(["garbage-collector"]);
    const things: Resource<KubeObject> = {
      group: "example.com",
      version: "v1",
      groupVersion: "example.com/v1",
      plural: "things",
      singular: "thing",
      kind: "Thing",
      namespaced: true,
      verbs: [],
      shortNames: [],
      categories: [],
      type: undefined,
      subresources: {},
    };
    await cluster.create(CustomResourceDefinitions, {
      metadata: { name: "things.example.com" },
      spec: {
        group: "example.com",
        scope: "Namespaced",
        names: { plural: "things", kind: "Thing" },
        versions: [{ name: "v1", served: true, storage: true }],
      },
      status: { conditions: [{ type: "Established", status: "True" }] },
    });
    const thing = await cluster.create(things, { metadata: { name: "thing" } });
    await make(cluster, "child", thing);
    await cluster.client.delete(things, { namespace: "a", name: "thing" });
    await cluster.settle();
    expect(await names(cluster)).toEqual([]);
  });
});

describe("what becomes of an object, by the states of its owners", () => {
  const owner = (uid: string): OwnerReference => ({ apiVersion: "v1", kind: "ConfigMap", name: uid, uid });
  const node = (finalizers: string[], deleting = false): GraphNode => ({
    uid: "n",
    resource: ConfigMaps,
    namespace: "a",
    name: "n",
    owners: [owner("x"), owner("y")],
    finalizers,
    deleting,
  });
  const busy = node(["foregroundDeletion"], true);
  it.each<[OwnerState[], string[], GraphNode[], object]>([
    [["solid", "solid"], [], [], { do: "nothing" }],
    [["solid", "dangling"], [], [], { do: "release", uids: ["y"] }],
    [["waiting", "solid"], [], [], { do: "release", uids: ["x"] }],
    [["dangling", "dangling"], [], [], { do: "delete", policy: "Background", unblock: false }],
    [["waiting", "dangling"], [], [], { do: "delete", policy: "Background", unblock: false }],
    [["waiting", "dangling"], [], [node([])], { do: "delete", policy: "Foreground", unblock: false }],
    [["waiting", "waiting"], [], [busy], { do: "delete", policy: "Foreground", unblock: true }],
    [["dangling", "dangling"], ["orphan"], [node([])], { do: "delete", policy: "Orphan", unblock: false }],
    [["dangling", "dangling"], ["foregroundDeletion"], [node([])], { do: "delete", policy: "Foreground", unblock: false }],
  ])("%j with %j", (states, finalizers, dependents, expected) => expect(verdict(node(finalizers), states, dependents)).toEqual(expected));
});
