import { describe, expect, it } from "vitest";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import type { PodDisruptionBudget } from "../../../src/api/types/policy.v1.ts";
import { Deployments, PodDisruptionBudgets, Pods, ReplicaSets } from "../../../src/api/types/resources.ts";
import { budgetStatus, desiredHealthy } from "../../../src/controllers/disruption.ts";
import { template, World } from "./world.ts";

const labels = { app: "web" };
const now = Date.UTC(2026, 0, 1);
const pod = (name: string, ready = true, deleted = false): Pod =>
  ({
    metadata: { name, namespace: "a", uid: name, ...(deleted ? { deletionTimestamp: "x" } : {}) },
    spec: {},
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  }) as Pod;
const budget = (spec: PodDisruptionBudget["spec"], status = {}): PodDisruptionBudget =>
  ({ metadata: { name: "b", namespace: "a", generation: 3 }, spec, status }) as PodDisruptionBudget;

describe("a budget", () => {
  it.each([
    [{ minAvailable: 2 }, 2, 4],
    [{ minAvailable: "50%" }, 5, 10],
    [{ minAvailable: "33%" }, 4, 10],
    [{ maxUnavailable: 1 }, 9, 10],
    [{ maxUnavailable: "25%" }, 7, 10],
    [{ maxUnavailable: 20 }, 0, 10],
    [{}, 0, 4],
  ])("of %o with 4 pods of 10 wanted keeps %i of %i healthy", (spec, desired, count) => {
    const pods = ["1", "2", "3", "4"].map((name) => pod(name));
    expect(desiredHealthy(budget(spec), pods, { count: 10, unmanaged: [] })).toEqual({ desired, count });
  });

  it.each([
    ["all healthy", [pod("1"), pod("2"), pod("3")], {}, 3, 1],
    ["one not ready", [pod("1"), pod("2"), pod("3", false)], {}, 2, 0],
    ["one being deleted", [pod("1"), pod("2"), pod("3", true, true)], {}, 2, 0],
    ["one just evicted", [pod("1"), pod("2"), pod("3")], { disruptedPods: { 3: "2025-12-31T23:59:00Z" } }, 2, 0],
    ["one evicted long ago", [pod("1"), pod("2"), pod("3")], { disruptedPods: { 3: "2025-12-31T23:57:00Z" } }, 3, 1],
  ])("with %s", (_, pods, status, currentHealthy, disruptionsAllowed) => {
    const result = budgetStatus(budget({ minAvailable: 2 }, status), pods, { count: 3, unmanaged: [] }, now);
    expect(result).toMatchObject({ currentHealthy, desiredHealthy: 2, disruptionsAllowed, expectedPods: 3, observedGeneration: 3 });
    const reason = disruptionsAllowed ? "SufficientPods" : "InsufficientPods";
    expect(result.conditions).toMatchObject([
      { type: "DisruptionAllowed", status: disruptionsAllowed ? "True" : "False", reason, observedGeneration: 3 },
    ]);
  });
});

describe("the disruption controller", () => {
  it("reckons from what the owner of the pods wants, and follows the pods", async () => {
    const world = new World("disruption", "deployment", "replicaset");
    await world.create(Deployments, {
      metadata: { name: "web" },
      spec: { replicas: 4, selector: { matchLabels: labels }, template: template(labels) },
    });
    await world.create(PodDisruptionBudgets, { metadata: { name: "b" }, spec: { maxUnavailable: 1, selector: { matchLabels: labels } } });
    expect((await world.get(PodDisruptionBudgets, "b")).status).toMatchObject({
      expectedPods: 4,
      desiredHealthy: 3,
      currentHealthy: 0,
      disruptionsAllowed: 0,
    });
    await world.runPods();
    expect((await world.get(PodDisruptionBudgets, "b")).status).toMatchObject({ currentHealthy: 4, disruptionsAllowed: 1 });
  });

  it("says when pods have no owner, or one that is unknown", async () => {
    const world = new World("disruption");
    await world.create(Pods, { metadata: { name: "bare", labels }, spec: template(labels).spec });
    await world.create(PodDisruptionBudgets, { metadata: { name: "b" }, spec: { maxUnavailable: 1, selector: { matchLabels: labels } } });
    expect(await world.events()).toEqual([
      expect.stringContaining("Warning UnmanagedPods Pods selected by this PodDisruptionBudget (selector: app=web)"),
    ]);
    await world.create(ReplicaSets, { metadata: { name: "other" }, spec: { selector: {}, replicas: 0 } });
    await world.change(
      Pods,
      "bare",
      (bare) => (bare.metadata.ownerReferences = [{ apiVersion: "x/v1", kind: "X", name: "x", uid: "x", controller: true }]),
    );
    const { status } = await world.get(PodDisruptionBudgets, "b");
    expect(status).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [{ status: "False", reason: "SyncFailed", message: 'found no controllers for pod "bare"' }],
    });
  });

  it("says when it selects nothing", async () => {
    const world = new World("disruption");
    await world.create(PodDisruptionBudgets, { metadata: { name: "b" }, spec: { minAvailable: 1, selector: { matchLabels: labels } } });
    expect(await world.events()).toEqual(["Normal NoPods No matching pods found"]);
  });
});
