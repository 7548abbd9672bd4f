import { beforeEach, describe, expect, test } from "vitest";
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
