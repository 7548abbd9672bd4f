import { describe, expect, it } from "vitest";
import type { DaemonSet } from "../../../src/api/types/apps.v1.ts";
import type { Node, Pod, Taint } from "../../../src/api/types/core.v1.ts";
import { ControllerRevisions, DaemonSets, Nodes, Pods } from "../../../src/api/types/resources.ts";
import { belongsOn, daemonTolerations, targetNode } from "../../../src/controllers/daemonset/daemon-pod.ts";
import { allowances } from "../../../src/controllers/daemonset/plan.ts";
import { templatePatch } from "../../../src/controllers/history.ts";
import { template, World } from "./world.ts";

const labels = { app: "agent" };
const spec = (more: Partial<DaemonSet["spec"]> = {}): DaemonSet["spec"] => ({
  selector: { matchLabels: labels },
  template: template(labels),
  updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
  revisionHistoryLimit: 10,
  ...more,
});

async function cluster(nodes: number, more: Partial<DaemonSet["spec"]> = {}): Promise<World> {
  const world = new World("daemonset");
  for (let i = 1; i <= nodes; i++) await addNode(world, `n${i}`);
  await world.create(DaemonSets, { metadata: { name: "agent" }, spec: spec(more) });
  await world.converge();
  return world;
}
const addNode = (world: World, name: string, taints: Taint[] = []) =>
  world.create(Nodes, { metadata: { name, labels: { zone: name } }, spec: { taints } });

/** The image that runs on each node. */
async function images(world: World): Promise<Record<string, string>> {
  const pods = (await world.list(Pods)).filter(({ metadata }) => !metadata.deletionTimestamp);
  return Object.fromEntries(pods.map((pod) => [targetNode(pod), pod.spec.containers[0]?.image]).sort());
}
const setImage = (world: World, image: string) => world.change(DaemonSets, "agent", (set) => (set.spec.template = template(labels, image)));

describe("a DaemonSet", () => {
  it("runs a pod on each node, also on one that comes later, and none on one that is gone", async () => {
    const world = await cluster(2);
    const [revision] = await world.list(ControllerRevisions);
    const hash = revision?.metadata.labels?.["controller-revision-hash"];
    expect(revision?.metadata.name).toBe(`agent-${hash}`);
    for (const pod of await world.list(Pods)) expect(pod.metadata.labels).toEqual({ ...labels, "controller-revision-hash": hash });
    await addNode(world, "n3");
    expect(await images(world)).toEqual({ n1: "web:1", n2: "web:1", n3: "web:1" });
    await world.client.delete(Nodes, { name: "n3" });
    await world.settle();
    expect(await images(world)).toEqual({ n1: "web:1", n2: "web:1" });
    expect((await world.get(DaemonSets, "agent")).status).toEqual({
      currentNumberScheduled: 2,
      desiredNumberScheduled: 2,
      numberMisscheduled: 0,
      numberReady: 2,
      numberAvailable: 2,
      updatedNumberScheduled: 2,
      observedGeneration: 1,
    });
  });

  it("follows node labels and taints, and pays no attention to heartbeats", async () => {
    const world = await cluster(2, { template: { ...template(labels), spec: { ...template(labels).spec, nodeSelector: { gpu: "yes" } } } });
    expect(await images(world)).toEqual({});
    await world.change(Nodes, "n1", (node) => (node.metadata.labels = { gpu: "yes" }));
    expect(Object.keys(await images(world))).toEqual(["n1"]);
    await world.change(Nodes, "n1", (node) => (node.metadata.labels = {}));
    expect(await images(world)).toEqual({});
  });

  it("replaces pods that have failed, at first soon, then later and later", async () => {
    const world = await cluster(1);
    const fail = async () => {
      const [pod] = await world.list(Pods);
      await world.setPod(pod?.metadata.name ?? "", "Failed");
      await world.settle();
      const [after] = await world.list(Pods);
      return after?.metadata.name !== pod?.metadata.name;
    };
    expect(await fail()).toBe(true);
    expect(await world.events()).toContainEqual(
      expect.stringMatching(/^Warning FailedDaemonPod Found failed daemon pod a\/agent-\w+ on node n1, will try to kill it$/),
    );
    await world.converge();
    expect(await fail()).toBe(false);
    await world.pass(1);
    expect(await world.list(Pods)).toMatchObject([{ status: { phase: "Pending" } }]);
  });

  it("updates node by node and waits for each new pod to be available", async () => {
    const world = await cluster(3);
    await setImage(world, "web:2");
    const going = async () => (await world.list(Pods)).filter(({ metadata }) => metadata.deletionTimestamp).length;
    expect(await going()).toBe(1);
    await world.reap();
    expect(await going()).toBe(0);
    await world.converge();
    expect(await images(world)).toEqual({ n1: "web:2", n2: "web:2", n3: "web:2" });
    expect((await world.list(ControllerRevisions)).map(({ revision }) => revision).sort()).toEqual([1, 2]);
  });

  it("rolls back without touching the pods that were not replaced yet", async () => {
    const world = await cluster(3);
    const before = (await world.list(Pods)).map(({ metadata }) => metadata.name);
    await setImage(world, "bad:1");
    await world.reap();
    await setImage(world, "web:1");
    await world.reap();
    await world.converge();
    expect(await images(world)).toEqual({ n1: "web:1", n2: "web:1", n3: "web:1" });
    const kept = (await world.list(Pods)).filter(({ metadata }) => before.includes(metadata.name));
    expect(kept).toHaveLength(2);
    expect((await world.list(ControllerRevisions)).map(({ revision }) => revision).sort()).toEqual([2, 3]);
  });

  it("with surge starts the new pod first and ends the old one when the new is available", async () => {
    const world = await cluster(2, { updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } });
    await setImage(world, "web:2");
    expect(await world.list(Pods)).toHaveLength(3);
    await world.converge();
    expect(await world.list(Pods)).toHaveLength(2);
    expect(await images(world)).toEqual({ n1: "web:2", n2: "web:2" });
  });

  it("with OnDelete replaces only what the user deletes", async () => {
    const world = await cluster(2, { updateStrategy: { type: "OnDelete" } });
    await setImage(world, "web:2");
    await world.converge();
    expect(await images(world)).toEqual({ n1: "web:1", n2: "web:1" });
    const [first] = await world.list(Pods);
    await world.client.delete(Pods, first?.metadata ?? { name: "" });
    await world.reap();
    expect(Object.values(await images(world)).sort()).toEqual(["web:1", "web:2"]);
  });
});

describe("where daemon pods belong", () => {
  const set = (podSpec: Partial<Pod["spec"]> = {}): DaemonSet => ({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent", namespace: "a", uid: "u", resourceVersion: "1", creationTimestamp: "" },
    spec: spec({ template: { spec: { containers: [], ...podSpec } } }),
    status: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
  });
  const node = (...taints: Taint[]) =>
    ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "n", uid: "u", resourceVersion: "1", creationTimestamp: "" },
      spec: { taints },
      status: {},
    }) as Node;
  const required = (key: string, operator: "In", values: string[]) => ({
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [{ key, operator, values }] }] } },
  });

  it.each<[string, Partial<Pod["spec"]>, Taint[], boolean, boolean]>([
    ["a plain node", {}, [], true, true],
    ["a cordoned node", {}, [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }], true, true],
    ["a node that is not ready", {}, [{ key: "node.kubernetes.io/not-ready", effect: "NoExecute" }], true, true],
    ["a node without network", {}, [{ key: "node.kubernetes.io/network-unavailable", effect: "NoSchedule" }], false, true],
    [
      "a node without network, for the host's",
      { hostNetwork: true },
      [{ key: "node.kubernetes.io/network-unavailable", effect: "NoSchedule" }],
      true,
      true,
    ],
    ["a reserved node", {}, [{ key: "team", value: "red", effect: "NoSchedule" }], false, true],
    ["a node that drives away", {}, [{ key: "team", value: "red", effect: "NoExecute" }], false, false],
    [
      "a reserved node that is tolerated",
      { tolerations: [{ key: "team", operator: "Exists" }] },
      [{ key: "team", effect: "NoExecute" }],
      true,
      true,
    ],
    ["another than the named node", { nodeName: "other" }, [], false, false],
    ["the node of an affinity", { affinity: required("metadata.name", "In", ["n"]) }, [], true, true],
    ["another than the affinity's", { affinity: required("metadata.name", "In", ["x"]) }, [], false, false],
  ])("%s", (_, podSpec, taints, shouldRun, mayStay) => {
    expect(belongsOn(set(podSpec), node(...taints))).toEqual({ shouldRun, mayStay });
  });

  it("tolerates what kubectl describe shows", () => {
    expect(daemonTolerations(set()).map(({ key, effect }) => `${key}:${effect}`)).toEqual([
      "node.kubernetes.io/not-ready:NoExecute",
      "node.kubernetes.io/unreachable:NoExecute",
      "node.kubernetes.io/disk-pressure:NoSchedule",
      "node.kubernetes.io/memory-pressure:NoSchedule",
      "node.kubernetes.io/pid-pressure:NoSchedule",
      "node.kubernetes.io/unschedulable:NoSchedule",
    ]);
  });

  it.each([
    [{ maxUnavailable: 1 }, { unavailable: 1, surge: 0 }],
    [{ maxUnavailable: "25%" }, { unavailable: 3, surge: 0 }],
    [
      { maxUnavailable: 0, maxSurge: "10%" },
      { unavailable: 0, surge: 1 },
    ],
    [
      { maxUnavailable: 0, maxSurge: 0 },
      { unavailable: 1, surge: 0 },
    ],
  ])("allows with %o of ten nodes %o", (rollingUpdate, expected) => {
    const owner = set();
    owner.spec.updateStrategy = { type: "RollingUpdate", rollingUpdate };
    expect(allowances(owner, 10)).toEqual(expected);
  });
});

describe("a ControllerRevision's data", () => {
  it("is Go's JSON of the template: sorted, with the structs that are always written", () => {
    const data = templatePatch({
      spec: {
        restartPolicy: "Always",
        containers: [{ name: "b", image: "x", env: [{ value: "1", name: "A" }] }],
        dnsPolicy: "ClusterFirst",
      },
      metadata: { labels: { b: "2", a: "1" } },
    });
    expect(JSON.stringify(data)).toBe(
      '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"1","b":"2"}},"spec":{"containers":[{"env":[{"name":"A","value":"1"}],"image":"x","name":"b","resources":{}}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always"}}}}',
    );
  });
});
