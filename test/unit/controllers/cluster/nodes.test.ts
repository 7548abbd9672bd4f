import { describe, expect, it } from "vitest";
import type { Node, NodeCondition, Pod, Taint } from "../../../../src/api/types/core.v1.ts";
import { Leases, Nodes, Pods } from "../../../../src/api/types/resources.ts";
import { subnet } from "../../../../src/controllers/node-ipam.ts";
import { wantedTaints } from "../../../../src/controllers/node-lifecycle.ts";
import { toleratedFor } from "../../../../src/controllers/taint-eviction.ts";
import { Cluster } from "./cluster.ts";

const conditions = (ready: string, more: NodeCondition[] = [], lastHeartbeatTime = "2026-01-01T00:00:00Z"): NodeCondition[] => [
  { type: "Ready", status: ready, reason: "KubeletReady", lastHeartbeatTime },
  ...more,
];
const addNode = (cluster: Cluster, name: string, ready = "True") =>
  cluster.create(Nodes, { metadata: { name }, spec: {}, status: { conditions: conditions(ready) } });
const taints = (node: Node) => (node.spec.taints ?? []).map((t) => `${t.key}:${t.effect}`);
const readiness = (node: Node) => node.status.conditions?.find((c) => c.type === "Ready");

/** A sign of life of the node, as its kubelet gives every ten seconds. */
async function renew(cluster: Cluster, name: string): Promise<void> {
  const ref = { namespace: "kube-node-lease", name };
  const spec = { renewTime: new Date(cluster.clock.now()).toISOString() };
  await cluster.client
    .patch(Leases, ref, { type: "merge", body: { spec } })
    .catch(() => cluster.client.create(Leases, { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: ref, spec }));
  await cluster.settle();
}

/** The kubelet writes the node's status. */
async function report(cluster: Cluster, name: string): Promise<void> {
  const body = { status: { conditions: conditions("True", [], new Date(cluster.clock.now()).toISOString()) } };
  await cluster.client.patch(Nodes, { name }, { type: "merge", body });
}

describe("node ranges", () => {
  it.each([
    ["10.42.0.0/16", 24, 0, "10.42.0.0/24"],
    ["10.42.0.0/16", 24, 255, "10.42.255.0/24"],
    ["10.42.0.0/16", 24, 256, undefined],
    ["172.16.128.0/17", 26, 5, "172.16.129.64/26"],
  ])("%s by /%i, part %i", (cidr, size, i, expected) => expect(subnet(cidr, size, i)).toBe(expected));

  it("each node gets its own, also what it had before, and gives it back", async () => {
    const cluster = new Cluster(["node-ipam"]);
    await cluster.create(Nodes, { metadata: { name: "old" }, spec: { podCIDR: "10.42.0.0/24", podCIDRs: ["10.42.0.0/24"] } });
    await Promise.all(["a", "b"].map((name) => cluster.create(Nodes, { metadata: { name }, spec: {} })));
    const ranges = (await cluster.list(Nodes)).map((n) => n.spec.podCIDR);
    expect(ranges.toSorted()).toEqual(["10.42.0.0/24", "10.42.1.0/24", "10.42.2.0/24"]);
    await cluster.client.delete(Nodes, { name: "old" });
    await cluster.settle();
    await cluster.create(Nodes, { metadata: { name: "new" }, spec: {} });
    expect((await cluster.get(Nodes, "new")).spec.podCIDR).toBe("10.42.0.0/24");
  });
});

describe("a silent node", () => {
  async function two(): Promise<Cluster> {
    const cluster = new Cluster(["node-lifecycle"]);
    await addNode(cluster, "n1");
    await addNode(cluster, "n2");
    await renew(cluster, "n1");
    await renew(cluster, "n2");
    return cluster;
  }

  it("is NotReady after 40 seconds, tainted, and its pods serve nobody; when it speaks again all is well", async () => {
    const cluster = await two();
    await cluster.create(Pods, {
      metadata: { name: "p" },
      spec: { nodeName: "n2", containers: [] },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    });
    for (let i = 0; i < 3; i++) {
      await cluster.pass(13);
      await renew(cluster, "n1");
    }
    expect(taints(await cluster.get(Nodes, "n2"))).toEqual([]);
    await cluster.pass(2);
    const silent = await cluster.get(Nodes, "n2");
    expect(readiness(silent)).toMatchObject({
      status: "Unknown",
      reason: "NodeStatusUnknown",
      message: "Kubelet stopped posting node status.",
    });
    expect(taints(silent)).toEqual(["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"]);
    expect((await cluster.get(Pods, "p")).status.conditions).toMatchObject([{ type: "Ready", status: "False" }]);
    expect(taints(await cluster.get(Nodes, "n1"))).toEqual([]);
    await report(cluster, "n2");
    await renew(cluster, "n2");
    expect(taints(await cluster.get(Nodes, "n2"))).toEqual([]);
  });

  it("is not evicted when no node at all is heard of: the fault is here", async () => {
    const cluster = await two();
    await cluster.pass(41);
    await cluster.pass(1);
    for (const node of await cluster.list(Nodes)) expect(taints(node)).toEqual(["node.kubernetes.io/unreachable:NoSchedule"]);
    await report(cluster, "n1");
    await renew(cluster, "n1");
    expect(taints(await cluster.get(Nodes, "n2"))).toContain("node.kubernetes.io/unreachable:NoExecute");
  });
});

describe("taints by condition", () => {
  const node = (status: string, more: NodeCondition[] = [], spec: Node["spec"] = {}): Node => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n", uid: "n", resourceVersion: "1", creationTimestamp: "" },
    spec,
    status: { conditions: conditions(status, more) },
  });
  const key = (t: Taint) => `${t.key.replace("node.kubernetes.io/", "")}:${t.effect}`;
  const own: Taint = { key: "dedicated", value: "db", effect: "NoSchedule" };
  it.each<[string, Node, boolean, string[]]>([
    ["well", node("True"), true, []],
    ["not ready", node("False"), true, ["not-ready:NoSchedule", "not-ready:NoExecute"]],
    ["not ready, without eviction", node("False"), false, ["not-ready:NoSchedule"]],
    ["short of memory", node("True", [{ type: "MemoryPressure", status: "True" }]), true, ["memory-pressure:NoSchedule"]],
    ["cordoned", node("True", [], { unschedulable: true }), true, ["unschedulable:NoSchedule"]],
    ["uncordoned", node("True", [], { taints: [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }] }), true, []],
    ["people's own taints stay", node("False", [], { taints: [own] }), false, ["dedicated:NoSchedule", "not-ready:NoSchedule"]],
  ])("%s", (_name, n, evict, expected) => expect(wantedTaints(n, evict, "now").map(key)).toEqual(expected));
});

describe("eviction by taint", () => {
  const evicting: Taint[] = [
    { key: "k", effect: "NoExecute" },
    { key: "l", effect: "NoExecute" },
  ];
  const pod = (tolerations: Pod["spec"]["tolerations"]) => ({ spec: { tolerations } }) as Pod;
  it.each<[string, Pod["spec"]["tolerations"], number]>([
    ["tolerates none", [], 0],
    ["tolerates one of two", [{ key: "k", operator: "Exists" }], 0],
    ["tolerates all for ever", [{ operator: "Exists" }], Number.POSITIVE_INFINITY],
    [
      "the shortest time counts",
      [
        { key: "k", operator: "Exists", tolerationSeconds: 300 },
        { key: "l", operator: "Exists", tolerationSeconds: 60 },
      ],
      60_000,
    ],
  ])("%s", (_name, tolerations, expected) => expect(toleratedFor(pod(tolerations), evicting)).toBe(expected));

  it("pods go when their time is over, unless the taint goes first", async () => {
    const cluster = new Cluster(["taint-eviction"]);
    await addNode(cluster, "n1");
    const tolerations = (tolerationSeconds?: number) => [{ key: "k", operator: "Exists" as const, tolerationSeconds }];
    const add = (name: string, t?: Pod["spec"]["tolerations"]) =>
      cluster.create(Pods, { metadata: { name }, spec: { nodeName: "n1", containers: [], tolerations: t } });
    await add("none");
    await add("some", tolerations(60));
    await add("all", tolerations());
    await cluster.change(Nodes, "n1", (node) => (node.spec.taints = [{ key: "k", effect: "NoExecute" }]));
    const leaving = async () => (await cluster.list(Pods)).filter((p) => p.metadata.deletionTimestamp).map((p) => p.metadata.name);
    expect(await leaving()).toEqual(["none"]);
    expect((await cluster.get(Pods, "none")).status.conditions).toMatchObject([
      { type: "DisruptionTarget", status: "True", reason: "DeletionByTaintManager" },
    ]);
    await cluster.pass(30);
    await cluster.change(Nodes, "n1", (node) => (node.spec.taints = []));
    await cluster.change(Nodes, "n1", (node) => (node.spec.taints = [{ key: "k", effect: "NoExecute" }]));
    await cluster.pass(31);
    expect(await leaving()).toEqual(["none"]);
    await cluster.pass(31);
    expect(await leaving()).toEqual(["none", "some"]);
  });
});

describe("pods that no kubelet will remove", () => {
  it("of a node that is gone go after 40 seconds", async () => {
    const cluster = new Cluster(["pod-garbage-collector"]);
    await addNode(cluster, "n1");
    await cluster.create(Pods, { metadata: { name: "p" }, spec: { nodeName: "n1", containers: [] }, status: { phase: "Running" } });
    await cluster.client.delete(Nodes, { name: "n1" });
    await cluster.settle();
    await cluster.pass(30);
    expect(await cluster.list(Pods)).toHaveLength(1);
    await cluster.pass(11);
    expect(await cluster.list(Pods)).toEqual([]);
  });

  it("of a node that is out of service go at once when they are being deleted", async () => {
    const cluster = new Cluster(["pod-garbage-collector"]);
    await addNode(cluster, "n1", "Unknown");
    for (const name of ["staying", "leaving"]) await cluster.create(Pods, { metadata: { name }, spec: { nodeName: "n1", containers: [] } });
    await cluster.client.delete(Pods, { namespace: "a", name: "leaving" });
    await cluster.change(Nodes, "n1", (node) => (node.spec.taints = [{ key: "node.kubernetes.io/out-of-service", effect: "NoExecute" }]));
    expect((await cluster.list(Pods)).map((p) => p.metadata.name)).toEqual(["staying"]);
  });
});
