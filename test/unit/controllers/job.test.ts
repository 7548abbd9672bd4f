import { describe, expect, it } from "vitest";
import type { Job } from "../../../src/api/types/batch.v1.ts";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import { Jobs, Pods } from "../../../src/api/types/resources.ts";
import { formatIndexes, parseIndexes } from "../../../src/controllers/job/indexes.ts";
import { judgeFailure, judgeSuccess } from "../../../src/controllers/job/policies.ts";
import { backoffLeft } from "../../../src/controllers/job/tally.ts";
import { template, World } from "./world.ts";

const labels = { "job-name": "sum" };
const finalizer = "batch.kubernetes.io/job-tracking";
const indexKey = "batch.kubernetes.io/job-completion-index";
const spec = (more: Partial<Job["spec"]> = {}): Job["spec"] => ({
  parallelism: 1,
  completions: 1,
  backoffLimit: 6,
  completionMode: "NonIndexed",
  selector: { matchLabels: labels },
  template: template(labels),
  suspend: false,
  podReplacementPolicy: "TerminatingOrFailed",
  ...more,
});

async function start(more: Partial<Job["spec"]> = {}): Promise<World> {
  const world = new World("job", "ttl-after-finished");
  await world.create(Jobs, { metadata: { name: "sum" }, spec: spec(more) });
  return world;
}
const status = async (world: World) => (await world.get(Jobs, "sum")).status;
/** The conditions as "Type=Status Reason". */
const conditions = async (world: World) =>
  ((await status(world)).conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);
const pods = async (world: World, phase: Pod["status"]["phase"] = "Pending") =>
  (await world.list(Pods)).filter((pod) => pod.status.phase === phase);
/** Ends one pod, of that index if given. */
async function end(
  world: World,
  phase: "Succeeded" | "Failed",
  { index, more = {} }: { index?: number; more?: Partial<Pod["status"]> } = {},
): Promise<void> {
  const waiting = (await pods(world)).find(({ metadata }) => index === undefined || metadata.annotations?.[indexKey] === String(index));
  if (!waiting) throw new Error("there is no pod to end");
  await world.setPod(waiting.metadata.name, phase, false, more);
  await world.settle();
}
const exited = (exitCode: number): Partial<Pod["status"]> => ({
  containerStatuses: [{ name: "web", image: "", imageID: "", ready: false, restartCount: 0, state: { terminated: { exitCode } } }],
});

describe("a Job", () => {
  it("runs a pod to its end and says so as kubectl shows it", async () => {
    const world = await start();
    const [pod] = await pods(world);
    expect(pod?.metadata).toMatchObject({
      finalizers: [finalizer],
      labels,
      ownerReferences: [{ kind: "Job", name: "sum", controller: true }],
    });
    expect(await status(world)).toMatchObject({ active: 1, ready: 0, startTime: "2026-01-01T00:00:00Z" });
    await end(world, "Succeeded");
    expect(await status(world)).toMatchObject({ succeeded: 1, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
    expect(await status(world)).not.toHaveProperty("active");
    expect((await status(world)).completionTime).toMatch(/^2026-01-01T00:00:0/);
    expect(await conditions(world)).toEqual(["SuccessCriteriaMet=True CompletionsReached", "Complete=True CompletionsReached"]);
    expect((await world.list(Pods)).map(({ metadata }) => metadata.finalizers)).toEqual([undefined]);
    expect(await world.events()).toEqual([`Normal SuccessfulCreate Created pod: ${pod?.metadata.name}`, "Normal Completed Job completed"]);
  });

  it("keeps to parallelism and to what is missing", async () => {
    const world = await start({ parallelism: 3, completions: 4 });
    expect(await pods(world)).toHaveLength(3);
    await end(world, "Succeeded");
    expect(await pods(world)).toHaveLength(3);
    await end(world, "Succeeded");
    expect(await pods(world)).toHaveLength(2);
    await world.change(Jobs, "sum", (job) => (job.spec.parallelism = 1));
    expect(await pods(world)).toHaveLength(1);
  });

  it("counts a pod once also when everything is interrupted after the status was written", async () => {
    const world = await start({ parallelism: 2, completions: 2 });
    world.api.beforeWrite = (verb, { resource }) => {
      if (verb === "patch" && resource.plural === "pods") throw new Error("interrupted");
    };
    await end(world, "Succeeded");
    expect((await status(world)).uncountedTerminatedPods?.succeeded).toHaveLength(1);
    world.api.beforeWrite = () => {};
    await world.pass(60);
    expect(await status(world)).toMatchObject({ succeeded: 1, uncountedTerminatedPods: {} });
  });

  it("replaces failed pods later and later, up to the limit", async () => {
    const world = await start({ backoffLimit: 1 });
    await end(world, "Failed");
    expect(await pods(world)).toHaveLength(0);
    await world.pass(10);
    expect(await pods(world)).toHaveLength(1);
    await end(world, "Failed");
    await world.pass(60);
    expect(await pods(world)).toHaveLength(0);
    expect(await conditions(world)).toEqual(["FailureTarget=True BackoffLimitExceeded", "Failed=True BackoffLimitExceeded"]);
    expect(await status(world)).toMatchObject({ failed: 2 });
    expect(await world.events()).toContain("Warning BackoffLimitExceeded Job has reached the specified backoff limit");
  });

  it("counts restarts of containers when they restart on failure", async () => {
    const podTemplate = template(labels);
    const world = await start({ backoffLimit: 2, template: { ...podTemplate, spec: { ...podTemplate.spec, restartPolicy: "OnFailure" } } });
    const [pod] = await pods(world);
    const containerStatuses = [{ name: "web", image: "", imageID: "", ready: false, restartCount: 2 }];
    await world.setPod(pod?.metadata.name ?? "", "Running", false, { containerStatuses });
    await world.settle();
    expect(await conditions(world)).toContain("Failed=True BackoffLimitExceeded");
    expect(await world.list(Pods)).toEqual([]);
  });

  it("ends at its deadline", async () => {
    const world = await start({ activeDeadlineSeconds: 30 });
    await world.pass(30);
    expect(await conditions(world)).toEqual(["FailureTarget=True DeadlineExceeded", "Failed=True DeadlineExceeded"]);
    expect(await pods(world)).toHaveLength(0);
  });

  it("does nothing while suspended, and starts its time anew when resumed", async () => {
    const world = await start({ suspend: true });
    expect(await pods(world)).toHaveLength(0);
    expect(await conditions(world)).toEqual(["Suspended=True JobSuspended"]);
    expect(await status(world)).not.toHaveProperty("startTime");
    await world.change(Jobs, "sum", (job) => (job.spec.suspend = false));
    expect(await pods(world)).toHaveLength(1);
    expect(await conditions(world)).toEqual(["Suspended=False JobResumed"]);
    await world.change(Jobs, "sum", (job) => (job.spec.suspend = true));
    expect(await pods(world)).toHaveLength(0);
    expect(await world.events()).toEqual(expect.arrayContaining(["Normal Suspended Job suspended", "Normal Resumed Job resumed"]));
  });

  it("as a work queue makes no new pods after the first success", async () => {
    const world = await start({ parallelism: 2, completions: undefined as never });
    await end(world, "Succeeded");
    expect(await pods(world)).toHaveLength(1);
    await end(world, "Succeeded");
    expect(await conditions(world)).toContain("Complete=True CompletionsReached");
  });

  it("is deleted, with its pods, when its time to live after the end is over", async () => {
    const world = await start({ ttlSecondsAfterFinished: 100 });
    await end(world, "Succeeded");
    await world.pass(98);
    expect(await world.list(Jobs)).toHaveLength(1);
    await world.pass(3);
    expect((await world.list(Jobs))[0]?.metadata).toMatchObject({ finalizers: ["foregroundDeletion"] });
  });

  it("adopts orphans and releases what no longer matches, with or without its finalizer", async () => {
    const world = await start();
    const [pod] = await pods(world);
    const name = pod?.metadata.name ?? "";
    await world.change(Pods, name, ({ metadata }) => {
      delete metadata.ownerReferences;
      delete metadata.finalizers;
    });
    expect((await world.get(Pods, name)).metadata).toMatchObject({ ownerReferences: [{ name: "sum" }], finalizers: [finalizer] });
    await world.change(Pods, name, ({ metadata }) => (metadata.labels = { "job-name": "other" }));
    const released = await world.get(Pods, name);
    expect(released.metadata.ownerReferences).toBeUndefined();
    expect(released.metadata.finalizers).toBeUndefined();
    expect(await pods(world)).toHaveLength(2);
  });

  it("frees pods that were left when their Job was deleted", async () => {
    const world = new World("job");
    await world.create(Pods, { metadata: { name: "left", labels, finalizers: [finalizer, "other/one"] }, spec: template(labels).spec });
    expect((await world.get(Pods, "left")).metadata.finalizers).toEqual(["other/one"]);
  });

  it("lets go of its pods when it is gone itself", async () => {
    const world = await start();
    await world.client.delete(Jobs, { namespace: "a", name: "sum" });
    await world.settle();
    expect((await world.list(Pods)).map(({ metadata }) => metadata.finalizers)).toEqual([undefined]);
  });
});

describe("an indexed Job", () => {
  const indexed = { completionMode: "Indexed" as const, completions: 3, parallelism: 3 };

  it("gives each pod its index and completes each once", async () => {
    const world = await start(indexed);
    const [pod] = await pods(world);
    expect(pod?.metadata).toMatchObject({ labels: { [indexKey]: "0" }, annotations: { [indexKey]: "0" } });
    expect(pod?.metadata.name).toMatch(/^sum-0-/);
    expect(pod?.spec.hostname).toBe("sum-0");
    expect(pod?.spec.containers[0]?.env).toEqual([
      { name: "JOB_COMPLETION_INDEX", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: `metadata.labels['${indexKey}']` } } },
    ]);
    await end(world, "Succeeded", { index: 0 });
    await end(world, "Succeeded", { index: 2 });
    expect(await status(world)).toMatchObject({ succeeded: 2, completedIndexes: "0,2" });
    await end(world, "Failed", { index: 1 });
    await world.pass(10);
    await end(world, "Succeeded", { index: 1 });
    expect(await status(world)).toMatchObject({ succeeded: 3, failed: 1, completedIndexes: "0-2" });
    expect(await conditions(world)).toContain("Complete=True CompletionsReached");
  });

  it("counts failures for each index, and fails in the end when one has failed", async () => {
    const world = await start({ ...indexed, completions: 2, backoffLimitPerIndex: 1, backoffLimit: 2 ** 31 - 1 });
    await end(world, "Failed", { index: 0 });
    await world.pass(10);
    const again = (await pods(world)).find(({ metadata }) => metadata.annotations?.[indexKey] === "0");
    expect(again?.metadata.annotations).toMatchObject({ "batch.kubernetes.io/job-index-failure-count": "1" });
    await end(world, "Failed", { index: 0 });
    await world.pass(600);
    expect(await status(world)).toMatchObject({ failedIndexes: "0", failed: 2 });
    await end(world, "Succeeded", { index: 1 });
    expect(await conditions(world)).toEqual(["FailureTarget=True FailedIndexes", "Failed=True FailedIndexes"]);
    expect(await status(world)).toMatchObject({ completedIndexes: "1", succeeded: 1 });
  });

  it("stops when more indexes have failed than it may", async () => {
    const world = await start({ ...indexed, backoffLimitPerIndex: 0, maxFailedIndexes: 0 });
    await end(world, "Failed", { index: 1 });
    expect(await conditions(world)).toContain("Failed=True MaxFailedIndexesExceeded");
    expect(await pods(world)).toHaveLength(0);
  });

  it("ends early when its success policy is fulfilled", async () => {
    const world = await start({ ...indexed, successPolicy: { rules: [{ succeededIndexes: "1" }] } });
    for (const pod of await pods(world))
      if (pod.metadata.annotations?.[indexKey] === "2") await world.setPod(pod.metadata.name, "Running", true);
    await end(world, "Succeeded", { index: 1 });
    expect(await status(world)).not.toHaveProperty("failed");
    expect(await conditions(world)).toEqual(["SuccessCriteriaMet=True SuccessPolicy", "Complete=True SuccessPolicy"]);
    expect(await status(world)).toMatchObject({ completedIndexes: "1", succeeded: 1 });
    expect(await pods(world)).toHaveLength(0);
  });
});

describe("a pod failure policy", () => {
  const policy: Job["spec"]["podFailurePolicy"] = {
    rules: [
      { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
      { action: "FailJob", onExitCodes: { containerName: "web", operator: "In", values: [42] } },
      { action: "Count", onExitCodes: { operator: "NotIn", values: [1, 2] } },
    ],
  };

  it("fails the Job at once", async () => {
    const world = await start({ podFailurePolicy: policy, podReplacementPolicy: "Failed", parallelism: 2, completions: 2 });
    await end(world, "Failed", { more: exited(42) });
    await world.reap();
    expect(await conditions(world)).toContain("Failed=True PodFailurePolicy");
    const { conditions: [first] = [] } = await status(world);
    expect(first?.message).toMatch(/^Container web for pod a\/sum-\w+ failed with exit code 42 matching FailJob rule at index 1$/);
  });

  it("does not count what it ignores", async () => {
    const world = await start({ podFailurePolicy: policy, podReplacementPolicy: "Failed", backoffLimit: 0 });
    await end(world, "Failed", { more: { conditions: [{ type: "DisruptionTarget", status: "True" }] } });
    expect(await pods(world)).toHaveLength(1);
    expect(await status(world)).not.toHaveProperty("failed");
  });

  it.each([
    [42, "FailJob"],
    [7, "Count"],
    [1, "Count"],
  ])("for exit code %i says %s", (code, action) => {
    const pod = { metadata: { namespace: "a", name: "p" }, status: exited(code) } as Pod;
    expect(judgeFailure({ spec: spec({ podFailurePolicy: policy }) } as Job, pod).action).toBe(action);
  });
});

describe("sets of indexes", () => {
  it.each([
    ["", []],
    ["3", [3]],
    ["1,2", [1, 2]],
    ["1,3-5,7", [1, 3, 4, 5, 7]],
    ["0-2,10,11", [0, 1, 2, 10, 11]],
  ])("%s", (text, indexes) => {
    expect(formatIndexes(new Set(indexes))).toBe(text);
    expect([...parseIndexes(text)]).toEqual(indexes);
  });

  it("end at the number of completions", () => expect([...parseIndexes("2-9,x", 4)]).toEqual([2, 3]));

  it.each([
    [[{ succeededCount: 2 }], [0, 5], "Matched rules at index 0"],
    [[{ succeededCount: 2 }], [5], undefined],
    [[{ succeededIndexes: "0,1", succeededCount: 1 }], [1], "Matched rules at index 0"],
    [[{ succeededIndexes: "0-2" }, { succeededIndexes: "3" }], [3], "Matched rules at index 1"],
  ])("fulfil a success policy %#", (rules, succeeded, message) => {
    expect(judgeSuccess({ spec: spec({ successPolicy: { rules }, completions: 6 }) } as Job, new Set(succeeded))).toBe(message);
  });
});

describe("back-off", () => {
  it.each([
    [0, 0],
    [1, 10_000],
    [2, 20_000],
    [6, 320_000],
    [9, 600_000],
  ])("after %i failures is %i ms", (failures, wait) => expect(backoffLeft({ failures, last: 1000 }, 1000)).toBe(wait));
});
