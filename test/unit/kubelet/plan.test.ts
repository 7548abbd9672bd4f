import { describe, expect, test } from "vitest";
import { planPod, type ProbeView } from "../../../src/kubelet/pods/plan.ts";
import { container, exited, pod, sandbox, state } from "./pods.ts";

const healthy: ProbeView = { started: () => true, failed: () => undefined };
const c = (name: string, more = {}) => ({ name, image: "i", ...more });
const sidecar = (name: string) => c(name, { restartPolicy: "Always" });

/** The plan in short: what is started, what is ended. */
function plan(...[p, s, probes = healthy]: [Parameters<typeof planPod>[0], Parameters<typeof planPod>[1], ProbeView?]) {
  const { createSandbox, start, kill, finished } = planPod(p, s, probes);
  return { createSandbox, start: start.map((x) => x.container.name), kill: kill.map((k) => k.container.name), finished };
}

describe("a plan for a pod", () => {
  test("begins with a sandbox", () => {
    expect(plan(pod({ containers: [c("a")] }), state([], []))).toEqual({ createSandbox: true, start: [], kill: [], finished: false });
  });

  test("starts all app containers at once, and leaves running ones alone", () => {
    expect(plan(pod({ containers: [c("a"), c("b")] }), state([container("a")])).start).toEqual(["b"]);
  });

  test("starts init containers one after the other, each when the one before has succeeded", () => {
    const p = pod({ initContainers: [c("i1"), c("i2")], containers: [c("a")] });
    expect(plan(p, state()).start).toEqual(["i1"]);
    expect(plan(p, state([container("i1")])).start).toEqual([]);
    expect(plan(p, state([exited("i1", 0)])).start).toEqual(["i2"]);
    expect(plan(p, state([exited("i1", 1)])).start).toEqual(["i1"]);
    expect(plan(p, state([exited("i1", 0), exited("i2", 0)])).start).toEqual(["a"]);
  });

  test("waits for a sidecar to have started before what follows it, and restarts it beside the others", () => {
    const p = pod({ initContainers: [sidecar("side")], containers: [c("a")] });
    expect(plan(p, state([container("side")]), { ...healthy, started: () => false }).start).toEqual([]);
    expect(plan(p, state([container("side")])).start).toEqual(["a"]);
    expect(plan(p, state([exited("side", 0), container("a")])).start).toEqual(["side"]);
  });

  test.each([
    ["Always", 0, true],
    ["Always", 1, true],
    ["OnFailure", 0, false],
    ["OnFailure", 1, true],
    ["Never", 1, false],
  ] as const)("with restartPolicy %s and exit code %d restarts: %s", (restartPolicy, code, restarts) => {
    const result = plan(pod({ restartPolicy, containers: [c("a")] }), state([exited("a", code)]));
    expect(result.start).toEqual(restarts ? ["a"] : []);
    expect(result.finished).toBe(!restarts);
  });

  test("follows a container's own restart rules before the pod's policy", () => {
    const rules = [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }];
    const p = pod({ restartPolicy: "Never", containers: [c("a", { restartPolicyRules: rules })] });
    expect(plan(p, state([exited("a", 42)])).start).toEqual(["a"]);
    expect(plan(p, state([exited("a", 1)])).finished).toBe(true);
  });

  test("ends a container whose image has changed, or whose probe says so", () => {
    const p = pod({ containers: [c("a", { image: "other" }), c("b")] });
    const result = planPod(p, state([container("a"), container("b")]), {
      ...healthy,
      failed: (id) => (id === "b-0" ? "liveness" : undefined),
    });
    expect(result.kill.map((k) => k.message)).toEqual([
      "Container a definition changed, will be restarted",
      "Container b failed liveness probe, will be restarted",
    ]);
  });

  test("ends what runs in a sandbox that has died, before a new one is made", () => {
    const p = pod({ containers: [c("a")] });
    const dead = sandbox({ running: false });
    expect(plan(p, state([container("a")], [dead]))).toMatchObject({ createSandbox: false, kill: ["a"] });
    expect(plan(p, state([exited("a", 137)], [dead]))).toMatchObject({ createSandbox: true, kill: [] });
  });

  test("runs init containers again in a new sandbox", () => {
    const p = pod({ initContainers: [c("i")], containers: [c("a")] });
    const result = plan(p, state([exited("a", 1, { sandboxId: "old" }), exited("i", 0, { sandboxId: "old" })], [sandbox({ attempt: 1 })]));
    expect(result.start).toEqual(["i"]);
  });

  test("is finished when an init container has failed for good", () => {
    expect(plan(pod({ restartPolicy: "Never", initContainers: [c("i")], containers: [c("a")] }), state([exited("i", 1)])).finished).toBe(
      true,
    );
  });

  test("starts an ephemeral container once and never again", () => {
    const p = pod({ containers: [c("a")], ephemeralContainers: [c("dbg")] });
    expect(plan(p, state([container("a")])).start).toEqual(["dbg"]);
    expect(plan(p, state([container("a"), exited("dbg", 1)])).start).toEqual([]);
  });

  test("takes a container that was created but never started as not there", () => {
    expect(plan(pod({ containers: [c("a")] }), state([container("a", { state: "created" })])).start).toEqual(["a"]);
  });
});
