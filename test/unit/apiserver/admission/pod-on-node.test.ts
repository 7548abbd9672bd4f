import { beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../../../src/api/meta/object.ts";
import type { PodSpec } from "../../../../src/api/types/core.v1.ts";
import { Nodes, Pods } from "../../../../src/api/types/resources.ts";
import { AdmissionHarness } from "./harness.ts";

let admission: AdmissionHarness;
beforeEach(() => {
  admission = new AdmissionHarness();
});

describe("topology labels", () => {
  const topology = { "topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r" };
  beforeEach(() => {
    admission.objects.put(Nodes, { metadata: { name: "n", labels: { ...topology, other: "o" } } });
    admission.objects.put(Nodes, { metadata: { name: "plain", labels: { other: "o" } } });
  });
  const bind = async (target: object) =>
    (await admission.write(Pods, { metadata: { name: "p" }, target }, { subresource: "binding" })).object.metadata.labels;

  test("come with a Binding to a node", async () => {
    expect(await bind({ kind: "Node", name: "n" })).toEqual(topology);
    expect(await bind({ kind: "Node", name: "plain" })).toBeUndefined();
    expect(await bind({ kind: "Node", name: "gone" })).toBeUndefined();
    expect(await bind({ name: "n" })).toBeUndefined();
  });

  test("come to a pod that is created with its node, over its own", async () => {
    const labels = { app: "a", "topology.kubernetes.io/zone": "mine" };
    const create = async (nodeName?: string) => {
      const spec = { containers: [{ name: "a", image: "x" }], ...(nodeName ? { nodeName } : {}) };
      return (await admission.write(Pods, { metadata: { name: "p", labels }, spec })).object.metadata.labels;
    };
    expect(await create("n")).toEqual({ app: "a", ...topology });
    for (const nodeName of ["plain", "gone", undefined]) expect(await create(nodeName)).toEqual(labels);
  });
});

describe("a change of a pod that has its node", () => {
  const linux = { "kubernetes.io/os": "linux" };
  const node = (name: string, labels: object, status: object = {}) =>
    admission.objects.put(Nodes, { metadata: { name, labels }, status: { allocatable: { cpu: "2", memory: "1Gi" }, ...status } });
  const requests = (cpu: string, memory: string) => ({ requests: { cpu, memory } });
  const on = (nodeName: string | undefined, spec: Partial<PodSpec>, generation = 2) =>
    ({
      metadata: { name: "p", generation },
      spec: { containers: [{ name: "c" }], ...(nodeName ? { nodeName } : {}), ...spec },
    }) as unknown as KubeObject;
  const change = (nodeName: string | undefined, spec: Partial<PodSpec>, { old = {}, generation = 2, subresource = "resize" } = {}) =>
    admission.write(Pods, on(nodeName, spec, generation), { operation: "UPDATE", subresource, old: on(nodeName, old, 1) }).then(
      () => undefined,
      (error) => error,
    );
  const needs = (cpu: string, memory = "1Mi") => ({ containers: [{ name: "c", resources: requests(cpu, memory) }] });

  test("goes to a size that the node has", async () => {
    node("n", linux);
    node("nameless", {});
    for (const name of ["n", "nameless"]) expect(await change(name, needs("2", "1Gi"))).toBeUndefined();
    const error = await change("n", needs("2500m", "2Gi"));
    expect(error.message).toBe(
      'pods "p" is forbidden: node didn\'t have enough allocatable resources: cpu, requested: 2500, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824',
    );
    expect(error.status).toMatchObject({ code: 403, reason: "Forbidden", details: { name: "p", causes: [{ reason: "NodeCapacity" }] } });
    // Sidecars, pod-level requests and the overhead count as the scheduler counts them.
    expect((await change("n", { ...needs("1500m"), overhead: { cpu: "600m" } })).message).toContain(
      "cpu, requested: 2100, allocatable: 2000",
    );
  });

  test("is refused where the node is gone, or does not run Linux", async () => {
    node("w", { "kubernetes.io/os": "windows" });
    expect((await change("gone", needs("1"))).message).toBe('pods "p" is forbidden: node "gone" not found');
    const error = await change("w", needs("1"));
    expect(error.message).toBe('pods "p" is forbidden: pod resize is only supported on linux nodes, node "w" is "windows"');
    expect(error.status.details.causes).toEqual([{ reason: "UnsupportedPlatform" }]);
  });

  test("is nobody's business before the pod has a node, when nothing changes, and elsewhere than in a resize", async () => {
    expect(await change(undefined, needs("9"))).toBeUndefined();
    expect(await change("gone", needs("9"), { generation: 1 })).toBeUndefined();
    expect(await change("gone", needs("9"), { subresource: "" })).toBeUndefined();
  });

  test("needs a node that declares that it can make it", async () => {
    const init = (cpu: string, restartPolicy?: "Always") => ({
      initContainers: [{ name: "i", resources: requests(cpu, "1Mi"), ...(restartPolicy ? { restartPolicy } : {}) }],
    });
    const both = (cpu: string) => ({ ...init(cpu), resources: requests(cpu, "1Mi") });
    node("old", linux);
    node("new", linux, { declaredFeatures: ["InPlacePodVerticalScalingInitContainers"] });
    const refused = 'pods "p" is forbidden: pod update requires features';
    expect((await change("old", both("2"), { old: both("1") })).message).toBe(
      `${refused} InPlacePodLevelResourcesVerticalScaling, InPlacePodVerticalScalingInitContainers which are not available on node "old"`,
    );
    expect((await change("new", both("2"), { old: both("1") })).message).toBe(
      `${refused} InPlacePodLevelResourcesVerticalScaling which are not available on node "new"`,
    );
    expect(await change("new", init("2"), { old: init("1") })).toBeUndefined();
    expect(await change("old", init("2", "Always"), { old: init("1", "Always") })).toBeUndefined();
    expect(await change("old", { ...both("1"), ...needs("1") }, { old: both("1") })).toBeUndefined();
    expect((await change("gone", init("2"), { old: init("1"), subresource: "" })).message).toContain('node "gone" not found');
  });
});
