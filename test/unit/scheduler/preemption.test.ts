import { describe, expect, test } from "vitest";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import type { PodDisruptionBudget } from "../../../src/api/types/policy.v1.ts";
import { podInfo } from "../../../src/scheduler/pod-info.ts";
import { cluster, node, pod, selector } from "./objects.ts";

const at = (name: string, nodeName: string, priority: number, cpu = "2", more: { app?: string; startTime?: string } = {}): Pod =>
  pod(name, { labels: { app: more.app ?? name }, requests: { cpu }, spec: { nodeName, priority }, status: { startTime: more.startTime } });
const preemptor = (cpu = "2", spec: Partial<Pod["spec"]> = {}) =>
  pod("preemptor", { requests: { cpu }, spec: { priority: 1000, ...spec } });

const budget = (app: string, disruptionsAllowed: number): PodDisruptionBudget => ({
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: { name: app, namespace: "default", uid: app, resourceVersion: "1", creationTimestamp: "" },
  spec: { selector: selector({ app }) },
  status: { disruptionsAllowed },
});

function victims(c: ReturnType<typeof cluster>, p: Pod, budgets: PodDisruptionBudget[] = []): string {
  const { candidate } = c.preempt(p, budgets);
  return candidate ? `${candidate.node.name}: ${candidate.victims.map((v) => v.pod.metadata.name).join(" ")}` : "none";
}

describe("who has to leave", () => {
  test.each<[string, Pod[], Pod, PodDisruptionBudget[], string]>([
    ["only as many as needed, the least important", [at("low", "a", 1), at("mid", "a", 2)], preemptor(), [], "a: low"],
    [
      "the younger of equals",
      [at("old", "a", 1, "2", { startTime: "2026-01-01T00:00:00Z" }), at("new", "a", 1, "2", { startTime: "2026-01-02T00:00:00Z" })],
      preemptor(),
      [],
      "a: new",
    ],
    ["nobody of the same priority", [at("x", "a", 1000), at("y", "a", 1000)], preemptor(), [], "none"],
    ["the node whose highest victim is lowest", [at("x", "a", 500, "4"), at("y", "b", 10, "4")], preemptor(), [], "b: y"],
    ["fewer victims", [at("x", "a", 5, "4"), at("y", "b", 5), at("z", "b", 5)], preemptor("4"), [], "a: x"],
    ["a budget protects", [at("x", "a", 1), at("y", "a", 2)], preemptor(), [budget("x", 0)], "a: y"],
    ["budgets are broken only when nothing else helps", [at("x", "a", 1, "4")], preemptor(), [budget("x", 0)], "a: x"],
    ["a node without broken budget is better", [at("x", "a", 1, "4"), at("y", "b", 9, "4")], preemptor(), [budget("x", 0)], "b: y"],
  ])("%s", (_name, pods, p, budgets, expected) => {
    const names = new Set(pods.map((there) => there.spec.nodeName ?? ""));
    expect(
      victims(
        cluster(
          [...names].map((name) => node(name)),
          pods,
        ),
        p,
        budgets,
      ),
    ).toBe(expected);
  });

  test("anti-affinity is lifted by removing the pod that causes it", () => {
    const terms = [{ topologyKey: "kubernetes.io/hostname", labelSelector: selector({ app: "rival" }) }];
    const spec = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } } };
    expect(victims(cluster([node("a")], [at("rival", "a", 1, "1"), at("other", "a", 1, "1")]), preemptor("1", spec))).toBe("a: rival");
  });

  test("looking changes nothing", () => {
    const c = cluster([node("a")], [at("x", "a", 1, "4")]);
    victims(c, preemptor());
    expect(c.world.node("a")?.requested.cpu).toBe(4000);
    expect(c.place(preemptor())).toBe("0/1 nodes are available: 1 Insufficient cpu.");
  });
});

describe("room is kept for the preemptor", () => {
  test("a pod of lower priority cannot take it, one of higher priority can", () => {
    const c = cluster([node("a")]);
    c.world.nominate(podInfo(preemptor("4")), "a");
    expect(c.place(pod("low", { requests: { cpu: "1" } }))).toBe("0/1 nodes are available: 1 Insufficient cpu.");
    expect(c.place(pod("high", { requests: { cpu: "1" }, spec: { priority: 2000 } }))).toBe("a");
    expect(c.place(preemptor("4"))).toBe("a");
  });

  test("while the victims leave, nobody else is removed", () => {
    const leaving = at("x", "a", 1, "4");
    leaving.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
    leaving.status = { conditions: [{ type: "DisruptionTarget", status: "True", reason: "PreemptionByScheduler" }] };
    const c = cluster([node("a"), node("b")], [leaving, at("y", "b", 1, "4")]);
    c.world.nominate(podInfo(preemptor()), "a");
    expect(c.preempt(preemptor()).message).toBe("not eligible due to a terminating pod on the nominated node.");
  });
});

describe("what users read", () => {
  const small = node("small", { allocatable: { cpu: "1" } });
  const tainted = node("tainted", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } });
  test.each<[string, Pod, string]>([
    [
      "removing pods would not help",
      pod("p", { requests: { cpu: "2" } }),
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
    ],
    [
      "nobody to remove",
      pod("p", { requests: { cpu: "1" } }),
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.",
    ],
    [
      "the pod's policy forbids it",
      pod("p", { requests: { cpu: "1" }, spec: { preemptionPolicy: "Never" } }),
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.",
    ],
  ])("%s", (_name, p, expected) => {
    const there = pod("there", { requests: { cpu: "500m" }, spec: { nodeName: "small" } });
    expect(cluster([small, tainted], [there]).message(p)).toBe(expected);
  });
});
