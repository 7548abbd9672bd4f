import { describe, expect, test } from "vitest";
import type { PodAffinityTerm, PodSpec, TopologySpreadConstraint } from "../../../src/api/types/core.v1.ts";
import { cluster, node, pod, selector } from "./objects.ts";

const anywhere = expect.stringMatching(/^[a-z]\w*$/);

describe("where a pod may go", () => {
  const gpu = node("gpu", { labels: { accelerator: "yes", generation: "7" }, allocatable: { "nvidia.com/gpu": "2" } });
  const plain = node("plain", { labels: { generation: "3" } });
  const required = (...matchExpressions: object[]): Partial<PodSpec> =>
    ({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } } },
    }) as Partial<PodSpec>;
  const byName = (name: string): Partial<PodSpec> => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [name] }] }],
        },
      },
    },
  });
  const mismatch = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";
  test.each<[string, Partial<PodSpec>, string]>([
    ["nodeSelector", { nodeSelector: { accelerator: "yes" } }, "gpu"],
    ["nodeSelector nobody has", { nodeSelector: { accelerator: "no" } }, mismatch],
    ["In", required({ key: "accelerator", operator: "In", values: ["yes", "maybe"] }), "gpu"],
    ["NotIn also matches nodes without the label", required({ key: "accelerator", operator: "NotIn", values: ["yes"] }), "plain"],
    ["DoesNotExist", required({ key: "accelerator", operator: "DoesNotExist" }), "plain"],
    ["Gt", required({ key: "generation", operator: "Gt", values: ["3"] }), "gpu"],
    ["Lt", required({ key: "generation", operator: "Lt", values: ["7"] }), "plain"],
    [
      "nodeSelector and affinity that contradict each other",
      { nodeSelector: { accelerator: "yes" }, ...required({ key: "accelerator", operator: "DoesNotExist" }) },
      mismatch,
    ],
    ["a node by its name", byName("plain"), "plain"],
    ["a term without requirements matches nothing", required(), mismatch],
  ])("%s", (_name, spec, expected) => {
    expect(cluster([gpu, plain]).place(pod("p", { spec }))).toBe(expected);
  });

  test("preferred affinity decides between nodes that fit", () => {
    const preference = { matchExpressions: [{ key: "accelerator", operator: "Exists" as const }] };
    const spec: Partial<PodSpec> = {
      affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference }] } },
    };
    expect(cluster([plain, gpu]).place(pod("p", { spec }))).toBe("gpu");
  });
});

describe("taints and cordons", () => {
  const tainted = node("tainted", { spec: { taints: [{ key: "dedicated", value: "db", effect: "NoSchedule" }] } });
  const soft = node("soft", { spec: { taints: [{ key: "busy", effect: "PreferNoSchedule" }] } });
  const cordoned = node("cordoned", { spec: { unschedulable: true } });
  const refused = "0/1 nodes are available: 1 node(s) had untolerated taint(s).";
  test.each<[string, PodSpec["tolerations"], string]>([
    ["no toleration", [], refused],
    ["Equal", [{ key: "dedicated", operator: "Equal", value: "db", effect: "NoSchedule" }], "tainted"],
    ["Equal is the default", [{ key: "dedicated", value: "db" }], "tainted"],
    ["another value", [{ key: "dedicated", value: "web" }], refused],
    ["Exists", [{ key: "dedicated", operator: "Exists" }], "tainted"],
    ["everything", [{ operator: "Exists" }], "tainted"],
    ["another effect", [{ key: "dedicated", operator: "Exists", effect: "NoExecute" }], refused],
  ])("%s", (_name, tolerations, expected) => {
    expect(cluster([tainted]).place(pod("p", { spec: { tolerations } }))).toBe(expected);
  });

  test("PreferNoSchedule is avoided, not forbidden", () => {
    expect(cluster([soft, node("free")]).place(pod("p"))).toBe("free");
    expect(cluster([soft]).place(pod("p"))).toBe("soft");
  });

  test("a cordoned node takes only pods that tolerate it", () => {
    expect(cluster([cordoned]).place(pod("p"))).toBe("0/1 nodes are available: 1 node(s) were unschedulable.");
    const tolerations = [{ key: "node.kubernetes.io/unschedulable", operator: "Exists" as const, effect: "NoSchedule" as const }];
    expect(cluster([cordoned]).place(pod("p", { spec: { tolerations } }))).toBe("cordoned");
  });
});

describe("resources", () => {
  test.each<[string, Record<string, string>, Partial<PodSpec>, string]>([
    ["fits exactly", { cpu: "3", memory: "7Gi" }, {}, "a"],
    ["too much CPU", { cpu: "3001m" }, {}, "0/1 nodes are available: 1 Insufficient cpu."],
    ["too much of both", { cpu: "5", memory: "9Gi" }, {}, "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."],
    ["an extended resource nobody has", { "example.com/fpga": "1" }, {}, "0/1 nodes are available: 1 Insufficient example.com/fpga."],
    ["overhead counts", { cpu: "2900m" }, { overhead: { cpu: "200m" } }, "0/1 nodes are available: 1 Insufficient cpu."],
    [
      "the largest init container counts",
      { cpu: "1" },
      { initContainers: [{ name: "i", resources: { requests: { cpu: "3500m" } } }] },
      "0/1 nodes are available: 1 Insufficient cpu.",
    ],
    [
      "init containers run one after the other",
      { cpu: "1" },
      { initContainers: [0, 1].map((i) => ({ name: `i${i}`, resources: { requests: { cpu: "2500m" } } })) },
      "a",
    ],
    [
      "sidecars run beside",
      { cpu: "2" },
      { initContainers: [{ name: "s", restartPolicy: "Always", resources: { requests: { cpu: "1500m" } } }] },
      "0/1 nodes are available: 1 Insufficient cpu.",
    ],
    ["pod-level requests replace the containers'", { cpu: "4" }, { resources: { requests: { cpu: "1" } } }, "a"],
  ])("%s", (_name, requests, spec, expected) => {
    const there = pod("there", { requests: { cpu: "1", memory: "1Gi" }, spec: { nodeName: "a" } });
    expect(cluster([node("a")], [there]).place(pod("p", { requests, spec }))).toBe(expected);
  });

  test("ended pods take no room, and the number of pods is limited", () => {
    const small = node("a", { allocatable: { pods: "1", cpu: "1" } });
    const running = pod("r", { requests: { cpu: "1" }, spec: { nodeName: "a" } });
    expect(cluster([small], [running]).place(pod("p"))).toBe("0/1 nodes are available: 1 Too many pods.");
    expect(cluster([small], [{ ...running, status: { phase: "Succeeded" } }]).place(pod("p", { requests: { cpu: "1" } }))).toBe("a");
  });

  test("the emptier node is preferred, also for pods that ask for nothing", () => {
    expect(
      cluster([node("a"), node("b")], [pod("x", { requests: { cpu: "2" }, spec: { nodeName: "a" } })]).place(
        pod("p", { requests: { cpu: "1" } }),
      ),
    ).toBe("b");
    expect(cluster([node("a"), node("b")], [pod("x", { spec: { nodeName: "a" } })]).place(pod("p"))).toBe("b");
  });
});

test("host ports: 0.0.0.0 conflicts with every address of the same protocol", () => {
  const withPort = (name: string, hostPort: number, hostIP?: string, protocol: "TCP" | "UDP" = "TCP") =>
    pod(name, { spec: { containers: [{ name: "c", ports: [{ containerPort: 80, hostPort, hostIP, protocol }] }] } });
  const there = withPort("there", 8080, "127.0.0.1");
  const c = cluster([node("a")], [{ ...there, spec: { ...there.spec, nodeName: "a" } }]);
  const refused = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
  expect(c.place(withPort("p", 8080))).toBe(refused);
  expect(c.place(withPort("p", 8080, "127.0.0.1"))).toBe(refused);
  expect(c.place(withPort("p", 8080, "127.0.0.2"))).toBe("a");
  expect(c.place(withPort("p", 8080, "127.0.0.1", "UDP"))).toBe("a");
});

test("images that are there attract pods", () => {
  const withImage = node("b");
  withImage.status.images = [{ names: ["registry/app:latest"], sizeBytes: 900_000_000 }];
  const spec = { containers: [{ name: "c", image: "registry/app" }] };
  expect(cluster([node("a"), withImage]).place(pod("p", { spec }))).toBe("b");
});

describe("topology spread", () => {
  const zones = ["za", "zb"].map((z) => node(z, { labels: { zone: z } }));
  const spread = (over: Partial<TopologySpreadConstraint> = {}): Partial<PodSpec> => ({
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule", labelSelector: selector({ app: "x" }), ...over },
    ],
  });
  const at = (name: string, nodeName: string, labels = { app: "x" }) => pod(name, { labels, spec: { nodeName } });
  const refused = (n: number) => `0/${n} nodes are available: ${n} node(s) didn't match pod topology spread constraints.`;

  test("a full domain is refused, a soft one avoided", () => {
    const c = cluster(zones, [at("1", "za")]);
    expect(c.place(pod("p", { labels: { app: "x" }, spec: spread() }))).toBe("zb");
    expect(c.place(pod("p", { labels: { app: "x" }, spec: spread({ whenUnsatisfiable: "ScheduleAnyway" }) }))).toBe("zb");
  });
  test("nodes without the label are out", () => {
    expect(cluster([node("bare")]).place(pod("p", { labels: { app: "x" }, spec: spread() }))).toBe(
      "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label).",
    );
  });
  test("minDomains makes missing domains count as empty", () => {
    const c = cluster(zones, [at("1", "za"), at("2", "zb")]);
    expect(c.place(pod("p", { labels: { app: "x" }, spec: spread() }))).toEqual(anywhere);
    expect(c.place(pod("p", { labels: { app: "x" }, spec: spread({ minDomains: 3 }) }))).toBe(refused(2));
  });
  test("matchLabelKeys counts only pods of the same revision", () => {
    const c = cluster(zones, [at("1", "za", { app: "x", hash: "old" } as { app: string })]);
    const labels = { app: "x", hash: "new" };
    expect(c.place(pod("p", { labels, spec: { ...spread({ matchLabelKeys: ["hash"] }), nodeSelector: { zone: "za" } } }))).toBe("za");
  });
  test("tainted nodes count unless the policy honours taints", () => {
    const tainted = node("zc", { labels: { zone: "zc" }, spec: { taints: [{ key: "t", effect: "NoSchedule" }] } });
    const c = cluster([...zones, tainted], [at("1", "za"), at("2", "zb")]);
    expect(c.place(pod("p", { labels: { app: "x" }, spec: spread() }))).toContain("2 node(s) didn't match pod topology spread constraints");
    expect(c.place(pod("p", { labels: { app: "x" }, spec: spread({ nodeTaintsPolicy: "Honor" }) }))).toEqual(anywhere);
  });
  test("pods of one service or controller spread without being asked to", () => {
    const crowded = cluster([node("a"), node("b", { allocatable: { cpu: "3900m" } })], [at("1", "a"), at("2", "a")], {
      controller: selector({ app: "x" }),
    });
    expect(crowded.place(pod("p", { labels: { app: "x" } }))).toBe("b");
  });
});

describe("pod affinity", () => {
  const zones = ["za", "zb"].map((z) => node(z, { labels: { zone: z } }));
  const term = (labels: Record<string, string>, more: Partial<PodAffinityTerm> = {}) => ({
    topologyKey: "zone",
    labelSelector: selector(labels),
    ...more,
  });
  const near = (...terms: PodAffinityTerm[]): Partial<PodSpec> => ({
    affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
  });
  const apart = (...terms: PodAffinityTerm[]): Partial<PodSpec> => ({
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
  });
  const db = pod("db", { labels: { app: "db" }, spec: { nodeName: "zb" } });

  test.each<[string, Parameters<typeof cluster>[1], Parameters<typeof pod>[1], string]>([
    ["goes where its friend is", [db], { spec: near(term({ app: "db" })) }, "zb"],
    [
      "without its friend nowhere",
      [],
      { spec: near(term({ app: "db" })) },
      "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.",
    ],
    ["the first of a group that likes itself goes anywhere", [], { labels: { app: "db" }, spec: near(term({ app: "db" })) }, "za"],
    ["keeps away", [db], { spec: apart(term({ app: "db" })) }, "za"],
    [
      "does not see other namespaces",
      [db],
      { namespace: "other", spec: near(term({ app: "db" })) },
      "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.",
    ],
    ["unless it names them", [db], { namespace: "other", spec: near(term({ app: "db" }, { namespaces: ["default"] })) }, "zb"],
    [
      "or selects them",
      [db],
      { namespace: "other", spec: near(term({ app: "db" }, { namespaceSelector: selector({ team: "a" }) })) },
      "zb",
    ],
    [
      "those that are there are asked, too",
      [{ ...db, spec: { ...db.spec, ...apart(term({ app: "web" })) } }],
      { labels: { app: "web" } },
      "za",
    ],
  ])("%s", (_name, pods, options, expected) => {
    expect(cluster(zones, pods, { namespaces: { default: { team: "a" } } }).place(pod("p", options))).toBe(expected);
  });

  test("all rules must hold: the reasons are told apart", () => {
    const hermit = { ...db, spec: { ...db.spec, ...apart(term({ app: "web" })) } };
    const c = cluster(zones, [hermit, pod("z", { labels: { app: "z" }, spec: { nodeName: "za" } })]);
    expect(c.place(pod("p", { labels: { app: "web" }, spec: apart(term({ app: "z" })) }))).toBe(
      "0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    );
  });

  test("preferences of both sides count", () => {
    const wish: Partial<PodSpec> = {
      affinity: {
        podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term({ app: "db" }) }] },
      },
    };
    expect(cluster(zones, [db]).place(pod("p", { spec: wish }))).toBe("zb");
    expect(cluster(zones, [{ ...db, spec: { ...db.spec, ...wish } }]).place(pod("p", { labels: { app: "db" } }))).toBe("zb");
  });
});
