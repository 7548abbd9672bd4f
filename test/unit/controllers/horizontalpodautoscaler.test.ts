import { describe, expect, it } from "vitest";
import type { Resource } from "../../../src/api/resource.ts";
import type { HorizontalPodAutoscaler } from "../../../src/api/types/autoscaling.v2.ts";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import type { PodMetrics } from "../../../src/api/types/metrics.v1beta1.ts";
import { Deployments, HorizontalPodAutoscalers, Pods } from "../../../src/api/types/resources.ts";
import { limit, type Memory, remember } from "../../../src/controllers/horizontalpodautoscaler/limits.ts";
import { proposeReplicas, type Sample } from "../../../src/controllers/horizontalpodautoscaler/replicas.ts";
import { template, World } from "./world.ts";

const now = Date.UTC(2026, 0, 1);
const at = (secondsAgo: number): string => new Date(now - secondsAgo * 1000).toISOString();

interface Shape {
  /** Millicores in use; undefined: no metrics. */
  use?: number | undefined;
  ready?: boolean;
  phase?: Pod["status"]["phase"];
  age?: number;
}
function sample(shapes: Shape[], more: Partial<Sample> = {}): Sample {
  const pods = shapes.map(({ ready = true, phase = "Running", age = 3600 }, i) => ({
    metadata: { name: `p${i}` },
    spec: { containers: [{ name: "c", resources: { requests: { cpu: "100m" } } }] },
    status: {
      phase,
      startTime: at(age),
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: at(age / 2) }],
    },
  })) as unknown as Pod[];
  const metrics = shapes.flatMap(({ use }, i) =>
    use === undefined
      ? []
      : [
          {
            metadata: { name: `p${i}` },
            timestamp: at(1),
            window: "15s",
            containers: [{ name: "c", usage: { cpu: `${use}m` } }],
          } as unknown as PodMetrics,
        ],
  );
  const target = { type: "Utilization", averageUtilization: 50 };
  return { resource: "cpu", target, pods, metrics, current: shapes.length, now, ...more };
}
const times = (count: number, shape: Shape): Shape[] => Array.from({ length: count }, () => shape);

describe("what a metric asks for", () => {
  it.each<[string, Shape[], number, number]>([
    ["twice the target doubles", times(2, { use: 100 }), 4, 100],
    ["half of it halves", times(4, { use: 25 }), 2, 25],
    ["a tenth off is left alone", times(4, { use: 54 }), 4, 54],
    ["exactly 1.2 times rounds up", times(5, { use: 60 }), 6, 60],
    ["pods without metrics are idle when scaling up", [...times(3, { use: 100 }), { use: undefined }], 6, 100],
    ["and at their request when scaling down", [...times(3, { use: 10 }), { use: undefined }], 3, 10],
    ["pods that wait are idle when scaling up", [...times(2, { use: 100 }), ...times(2, { use: 100, phase: "Pending" })], 4, 100],
    ["starting pods' CPU does not count", [{ use: 100 }, { use: 500, ready: false, age: 60 }], 2, 100],
    ["failed pods do not count", [...times(2, { use: 100 }), { use: 100, phase: "Failed" }], 4, 100],
  ])("%s", (_, shapes, replicas, averageUtilization) => {
    expect(proposeReplicas(sample(shapes))).toMatchObject({ replicas, averageUtilization });
  });

  it("may be a value instead of a percentage", () => {
    expect(proposeReplicas(sample(times(2, { use: 300 }), { target: { type: "AverageValue", averageValue: "100m" } }))).toEqual({
      replicas: 6,
      averageValue: 300,
    });
  });

  it("cannot be reckoned without metrics or requests", () => {
    expect(() => proposeReplicas(sample(times(2, {})))).toThrow("did not receive metrics for targeted pods (pods might be unready)");
    const bare = sample(times(1, { use: 1 }));
    bare.pods = bare.pods.map((pod) => ({ ...pod, spec: { containers: [{ name: "c" }] } }) as Pod);
    expect(() => proposeReplicas(bare)).toThrow("missing request for cpu in container c of Pod p0");
  });
});

describe("limits", () => {
  const hpa = (more: Partial<HorizontalPodAutoscaler["spec"]> = {}) =>
    ({
      spec: { minReplicas: 2, maxReplicas: 20, scaleTargetRef: { kind: "Deployment", name: "web" }, ...more },
    }) as HorizontalPodAutoscaler;
  const fresh = (): Memory => ({ recommendations: [], changes: [] });

  it.each([
    [4, 6, 6, "DesiredWithinRange"],
    [4, 19, 8, "ScaleUpLimit"],
    [15, 40, 20, "TooManyReplicas"],
    [4, 1, 2, "TooFewReplicas"],
    [1, 9, 5, "ScaleUpLimit"],
  ])("from %i the wish for %i becomes %i: %s", (current, desired, replicas, reason) => {
    expect(limit(hpa(), fresh(), { current, desired, now })).toMatchObject({ replicas, limited: { reason } });
  });

  it("scale down only to the highest recommendation of five minutes", () => {
    const memory = fresh();
    limit(hpa(), memory, { current: 10, desired: 10, now });
    expect(limit(hpa(), memory, { current: 10, desired: 3, now: now + 60_000 })).toMatchObject({
      replicas: 10,
      able: { reason: "ScaleDownStabilized" },
    });
    expect(limit(hpa(), memory, { current: 10, desired: 3, now: now + 301_000 })).toMatchObject({
      replicas: 3,
      able: { reason: "ReadyForNewScale" },
    });
  });

  it("count what a policy's period has seen already, and may forbid a direction", () => {
    const memory = fresh();
    remember(memory, 3, now - 10_000);
    const policies = [{ type: "Pods", value: 4, periodSeconds: 60 }];
    expect(limit(hpa({ behavior: { scaleUp: { policies } } }), memory, { current: 5, desired: 12, now }).replicas).toBe(6);
    expect(limit(hpa({ behavior: { scaleUp: { selectPolicy: "Disabled" } } }), fresh(), { current: 5, desired: 12, now }).replicas).toBe(5);
  });
});

describe("a HorizontalPodAutoscaler", () => {
  const labels = { app: "web" };
  const podMetrics = {
    group: "metrics.k8s.io",
    groupVersion: "metrics.k8s.io/v1beta1",
    plural: "pods",
    kind: "PodMetrics",
    namespaced: true,
  } as Resource<PodMetrics>;

  async function start(replicas: number, cpu: string): Promise<World> {
    const world = new World("horizontalpodautoscaler", "deployment", "replicaset");
    const podTemplate = template(labels);
    const containers = [{ name: "web", image: "web:1", resources: { requests: { cpu: "100m" } } }];
    const spec = { replicas, selector: { matchLabels: labels }, template: { ...podTemplate, spec: { containers } } };
    await world.create(Deployments, { metadata: { name: "web" }, spec });
    await world.runPods();
    for (const { metadata } of await world.list(Pods)) {
      await world.setPod(metadata.name, "Running", true, { startTime: at(600) });
      const containers = [{ name: "web", usage: { cpu } }];
      await world.create(podMetrics, {
        metadata: { name: metadata.name },
        timestamp: new Date(world.clock.now()).toISOString(),
        window: "15s",
        containers,
      });
    }
    await world.pass(400);
    const metrics = [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } }];
    const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
    await world.create(HorizontalPodAutoscalers, {
      metadata: { name: "web" },
      spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 5, metrics },
    });
    return world;
  }
  const condition = async (world: World, type: string) =>
    (await world.get(HorizontalPodAutoscalers, "web")).status.conditions?.find((c) => c.type === type);

  it("scales its target and says why", async () => {
    const world = await start(2, "90m");
    expect((await world.get(Deployments, "web")).spec.replicas).toBe(4);
    expect(await world.events()).toContain(
      "Normal SuccessfulRescale New size: 4; reason: cpu resource utilization (percentage of request) above target",
    );
    expect((await world.get(HorizontalPodAutoscalers, "web")).status).toMatchObject({
      currentReplicas: 2,
      desiredReplicas: 4,
      currentMetrics: [{ type: "Resource", resource: { name: "cpu", current: { averageUtilization: 90, averageValue: "90m" } } }],
      lastScaleTime: expect.stringMatching(/^2026-01-01T00:06:/),
    });
    expect(await condition(world, "AbleToScale")).toMatchObject({
      status: "True",
      reason: "SucceededRescale",
      message: "the HPA controller was able to update the target scale to 4",
    });
    expect(await condition(world, "ScalingActive")).toMatchObject({ status: "True", reason: "ValidMetricFound" });
  });

  it("looks again every 15 seconds", async () => {
    const world = await start(2, "50m");
    expect((await world.get(Deployments, "web")).spec.replicas).toBe(2);
    for (const metric of await world.list(podMetrics))
      await world.client.update(podMetrics, { ...metric, containers: [{ name: "web", usage: { cpu: "100m" } }] });
    await world.pass(15);
    expect((await world.get(Deployments, "web")).spec.replicas).toBe(4);
  });

  it("says what it lacks", async () => {
    const world = await start(0, "1m");
    expect(await condition(world, "ScalingActive")).toMatchObject({ status: "False", reason: "ScalingDisabled" });
    const blind = await start(1, "1m");
    for (const { metadata } of await blind.list(podMetrics)) await blind.client.delete(podMetrics, metadata);
    await blind.pass(15);
    const why = "failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)";
    expect(await condition(blind, "ScalingActive")).toMatchObject({
      status: "False",
      reason: "FailedGetResourceMetric",
      message: `the HPA was unable to compute the replica count: ${why}`,
    });
    expect((await blind.events()).slice(-2)).toEqual([
      `Warning FailedGetResourceMetric ${why}`,
      `Warning FailedComputeMetricsReplicas invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${why}`,
    ]);
    const other = new World("horizontalpodautoscaler");
    await other.create(HorizontalPodAutoscalers, {
      metadata: { name: "web" },
      spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "gone" }, maxReplicas: 2 },
    });
    expect(await condition(other, "AbleToScale")).toMatchObject({ status: "False", reason: "FailedGetScale" });
  });
});
