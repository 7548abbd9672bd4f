import { expect, it } from "vitest";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import { replicaMatters } from "../../../src/controllers/pod-state.ts";

const pod = (change: { spec?: object; status?: object; metadata?: object } = {}): Pod =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "a", name: "x", uid: "x", resourceVersion: "1", labels: { app: "a" }, ...change.metadata },
    spec: { containers: [], ...change.spec },
    status: { phase: "Pending", ...change.status },
  }) as unknown as Pod; // only what the function looks at
const ready = (status: string, lastTransitionTime = "2026-01-01T00:00:00Z") => ({
  conditions: [{ type: "Ready", status, lastTransitionTime }],
});

it.each([
  ["it comes", undefined, pod(), true],
  ["it goes", pod(), undefined, true],
  ["it is bound", pod(), pod({ spec: { nodeName: "n" } }), false],
  ["it gets an address", pod(), pod({ status: { podIP: "10.0.0.1", phase: "Running" } }), false],
  ["it becomes ready", pod({ status: ready("False") }), pod({ status: ready("True") }), true],
  ["it is ready anew", pod({ status: ready("True") }), pod({ status: ready("True", "2026-01-01T00:01:00Z") }), true],
  ["it ends", pod(), pod({ status: { phase: "Failed" } }), true],
  ["it is being deleted", pod(), pod({ metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }), true],
  ["it is labelled", pod(), pod({ metadata: { labels: { app: "b" } } }), true],
  ["it is adopted", pod(), pod({ metadata: { ownerReferences: [{ uid: "o" }] } }), true],
])("the owner of equal pods looks at a pod when %s", (_what, old, object, matters) => {
  expect(replicaMatters({ old, object })).toBe(matters);
});
