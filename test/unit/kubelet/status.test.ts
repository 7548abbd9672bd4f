import { describe, expect, test } from "vitest";
import type { Pod, PodStatus } from "../../../src/api/types/core.v1.ts";
import { podStatus, type StatusInput } from "../../../src/kubelet/pods/status.ts";
import { statusPatch } from "../../../src/kubelet/pods/status-writer.ts";
import { container, exited, pod, sandbox, state } from "./pods.ts";

const now = Date.UTC(2026, 0, 1, 12);
const c = (name: string, more = {}) => ({ name, image: "i", ...more });

function status(p: Pod, s = state(), more: Partial<StatusInput> = {}): PodStatus {
  return podStatus({
    pod: p,
    state: s,
    now,
    hostIPs: ["192.168.1.1"],
    waiting: new Map(),
    terminationMessages: new Map(),
    ready: () => true,
    started: () => true,
    terminating: false,
    ...more,
  });
}

const condition = (s: PodStatus, type: string) => s.conditions?.find((x) => x.type === type);

describe("a pod's status", () => {
  test("of a pod that runs: addresses, phase, all conditions true", () => {
    const s = status(pod({ containers: [c("a")] }), state([container("a")]));
    expect(s).toMatchObject({
      phase: "Running",
      podIP: "10.42.0.2",
      hostIP: "192.168.1.1",
      qosClass: "BestEffort",
      startTime: "2026-01-01T12:00:00Z",
    });
    expect(s.conditions?.map((x) => [x.type, x.status])).toEqual([
      ["PodReadyToStartContainers", "True"],
      ["Initialized", "True"],
      ["Ready", "True"],
      ["ContainersReady", "True"],
      ["PodScheduled", "True"],
    ]);
    expect(s.containerStatuses?.[0]).toMatchObject({
      ready: true,
      started: true,
      restartCount: 0,
      containerID: "docker://a-0",
      state: { running: {} },
    });
  });

  test("lists containers by their names, init containers as they run", () => {
    const p = pod({ containers: [{ name: "web" }, { name: "app" }], initContainers: [{ name: "second" }, { name: "first" }] });
    const { containerStatuses, initContainerStatuses } = status(p, state());
    expect(containerStatuses?.map(({ name }) => name)).toEqual(["app", "web"]);
    expect(initContainerStatuses?.map(({ name }) => name)).toEqual(["second", "first"]);
  });

  test("names the init containers that are not through, and what the others wait for", () => {
    const s = status(pod({ initContainers: [c("init1"), c("init2")], containers: [c("a")] }), state([exited("init1", 1)]));
    expect(s.phase).toBe("Pending");
    expect(condition(s, "Initialized")).toMatchObject({
      status: "False",
      reason: "ContainersNotInitialized",
      message: "containers with incomplete status: [init1 init2]",
    });
    expect(s.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: "PodInitializing" } });
  });

  test("clears reason and message of a condition that became true", () => {
    const p = pod({ containers: [c("a")] });
    const before = status(p, state([container("a")]), { ready: () => false });
    expect(condition(before, "Ready")).toMatchObject({ reason: "ContainersNotReady", message: "containers with unready status: [a]" });
    const after = status({ ...p, status: before }, state([container("a")]));
    expect(condition(after, "Ready")).toMatchObject({ status: "True", reason: undefined, message: undefined });
  });

  test.each([
    ["Never", [0, 0], "Succeeded"],
    ["Never", [0, 3], "Failed"],
    ["OnFailure", [0, 0], "Succeeded"],
    ["OnFailure", [0, 3], "Running"],
    ["Always", [0, 3], "Running"],
  ] as const)("with restartPolicy %s and exit codes %j is %s", (restartPolicy, [a, b], phase) => {
    const p = pod({ restartPolicy, containers: [c("a"), c("b")] });
    expect(status(p, state([exited("a", a), exited("b", b)])).phase).toBe(phase);
  });

  test("has not ended before its last sidecar has, and never comes back from its end", () => {
    const p = pod({ restartPolicy: "Never", initContainers: [c("s", { restartPolicy: "Always" })], containers: [c("a")] });
    expect(status(p, state([exited("a", 0), container("s")])).phase).toBe("Running");
    expect(status({ ...p, status: { phase: "Succeeded" } }, state([container("a")])).phase).toBe("Succeeded");
  });

  test("tells how a container ended, and its last words", () => {
    const p = pod({ restartPolicy: "Never", containers: [c("a"), c("b"), c("d")] });
    const containers = [exited("a", 0), exited("b", 137, { oomKilled: true }), exited("d", 127, { error: "no such file", startedAt: 0 })];
    const ends = status(p, state(containers), { terminationMessages: new Map([["a-0", "bye"]]) }).containerStatuses?.map(
      (s) => s.state?.terminated,
    );
    expect(ends?.map((e) => [e?.reason, e?.exitCode, e?.message])).toEqual([
      ["Completed", 0, "bye"],
      ["OOMKilled", 137, undefined],
      ["StartError", 128, "no such file"],
    ]);
  });

  test("shows the end before this run, and counts restarts also when containers were removed", () => {
    const p = pod({ containers: [c("a")] });
    const s = status(p, state([container("a", { attempt: 3 }), exited("a", 9, { attempt: 2 })]));
    expect(s.containerStatuses?.[0]).toMatchObject({ restartCount: 3, lastState: { terminated: { exitCode: 9 } } });
    const later = status({ ...p, status: s }, state([container("a", { attempt: 3 })]));
    expect(later.containerStatuses?.[0]).toMatchObject({ restartCount: 3, lastState: { terminated: { exitCode: 9 } } });
  });

  test("shows back-off as waiting, with the end that led to it", () => {
    const waiting = new Map([["a", { reason: "CrashLoopBackOff", message: "back-off 10s" }]]);
    const s = status(pod({ containers: [c("a")] }), state([exited("a", 1)]), { waiting });
    expect(s.phase).toBe("Running");
    expect(s.containerStatuses?.[0]).toMatchObject({
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode: 1 } },
    });
  });

  test("keeps an init container's success when the runtime has removed it", () => {
    const p = pod({ initContainers: [c("i")], containers: [c("a")] });
    const before = status(p, state([container("a"), exited("i", 0)]));
    const after = status({ ...p, status: before }, state([container("a")]));
    expect(after.initContainerStatuses?.[0]).toMatchObject({ ready: true, state: { terminated: { exitCode: 0 } } });
  });

  test("of a pod that was ended: Failed when it had never begun, else as its containers ended", () => {
    const p = pod({ containers: [c("a")] });
    const never = status(p, state([], []), { terminating: true, ended: true });
    expect(never).toMatchObject({
      phase: "Failed",
      containerStatuses: [{ state: { terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } } }],
    });
    expect(status(p, state([exited("a", 0)], []), { terminating: true, ended: true }).phase).toBe("Succeeded");
    expect(status(p, state([exited("a", 137)], []), { terminating: true, ended: true }).phase).toBe("Failed");
  });

  test.each([
    ["that failed in its init container", [exited("i", 1)], "Error", undefined],
    ["deleted before anything began", [], "ContainerStatusUnknown", undefined],
    ["whose container vanished after its init container", [exited("i", 0)], "Completed", "ContainerStatusUnknown"],
  ] as const)("of a pod %s tells what never began as waiting", (_, containers, first, own) => {
    const p = pod({ restartPolicy: "Never", initContainers: [c("i"), c("j")].slice(0, own ? 1 : 2), containers: [c("a")] });
    const s = status(p, state([...containers], []), { terminating: true, ended: true });
    const ends = [...(s.initContainerStatuses ?? []), ...(s.containerStatuses ?? [])].map((x) => x.state?.terminated?.reason);
    expect(ends).toEqual(own ? [first, own] : [first, undefined, undefined]);
    expect(s).toMatchObject({ phase: "Failed" });
    if (!own) expect(s.containerStatuses).toMatchObject([{ state: { waiting: { reason: "PodInitializing" } } }]);
  });

  test("waits for readiness gates", () => {
    const p = pod({ containers: [c("a")], readinessGates: [{ conditionType: "example.com/x" }] });
    const s = status(p, state([container("a")]));
    expect(condition(s, "ContainersReady")?.status).toBe("True");
    expect(condition(s, "Ready")).toMatchObject({
      reason: "ReadinessGatesNotReady",
      message: `corresponding condition of pod readiness gate "example.com/x" does not exist.`,
    });
  });

  test("is not ready while it ends, and Failed with a reason when the node ended it", () => {
    const p = pod({ containers: [c("a")] });
    expect(condition(status(p, state([container("a")]), { terminating: true }), "Ready")?.status).toBe("False");
    const failure = { reason: "DeadlineExceeded", message: "too long" };
    expect(status(p, state([exited("a", 137)], [sandbox({ running: false })]), { failure })).toMatchObject({ phase: "Failed", ...failure });
  });
});

describe("the patch to a status", () => {
  test("says nothing when nothing has changed", () => {
    const p = pod({ containers: [c("a")] });
    const s = status(p, state([container("a")]));
    expect(statusPatch({ ...p, status: s }, status({ ...p, status: s }, state([container("a")])))).toBeUndefined();
  });

  test("carries changed fields and conditions only, and takes away what is gone", () => {
    const p = pod({ containers: [c("a")] });
    const before = status(p, state([container("a")]));
    const own = { type: "example.com/own", status: "True" };
    const stored = { ...p, status: { ...before, conditions: [...(before.conditions ?? []), own] } };
    const patch = statusPatch(stored, status(stored, state([container("a")]), { ready: () => false }));
    expect(patch?.metadata).toEqual({ uid: "u1" });
    expect(Object.keys(patch?.status ?? {}).sort()).toEqual(["conditions", "containerStatuses"]);
    expect(patch?.status["conditions"]).toMatchObject([{ type: "Ready" }, { type: "ContainersReady" }]);
    expect(statusPatch({ ...p, status: { ...before, reason: "Old" } }, before)?.status).toEqual({ reason: null });
  });

  test("takes the condition of a resize away when it is over, and shows until then what was promised before", () => {
    const small = { requests: { cpu: "100m" } };
    const runs = state([container("a", { resources: { cpuShares: 102, cpuQuota: 0, cpuPeriod: 100_000, memory: 0 } })]);
    const before = status(pod({ containers: [c("a", { resources: small })] }), runs);
    const p = pod({ containers: [c("a", { resources: { requests: { cpu: "9" } } })] }, { status: before });
    const resize = { type: "PodResizePending", reason: "Deferred", message: "later" };
    const pending = status(p, runs, { resize });
    expect(condition(pending, "PodResizePending")).toMatchObject({ status: "True", reason: "Deferred", message: "later" });
    expect(pending.containerStatuses?.[0]).toMatchObject({ allocatedResources: small.requests, resources: small });
    const patch = statusPatch({ ...p, status: pending }, status({ ...p, status: pending }, runs));
    expect(patch?.status["conditions"]).toEqual([{ type: "PodResizePending", $patch: "delete" }]);
  });
});
