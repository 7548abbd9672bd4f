import { describe, expect, test } from "vitest";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import { nodeResourcesFit } from "../../../src/scheduler/plugins/node-resources-fit.ts";
import { taintToleration } from "../../../src/scheduler/plugins/taint-toleration.ts";
import { podInfo } from "../../../src/scheduler/pod-info.ts";
import { SchedulingQueue } from "../../../src/scheduler/queue.ts";
import { node, pod } from "./objects.ts";

function setup() {
  const clock = new FakeClock();
  let calls = 0;
  const queue = new SchedulingQueue(clock, [nodeResourcesFit, taintToleration], () => calls++);
  const add = (p: Pod): void => queue.set(podInfo(p), true);
  const next = (): string => queue.pop()?.pod.pod.metadata.name ?? "-";
  /** Pops the only pod and says that no node took it. */
  const refuse = (by: string): void => {
    const entry = queue.pop();
    if (entry) queue.unschedulable(entry, new Set([by]));
  };
  return { clock, queue, add, next, refuse, calls: () => calls };
}

const withPriority = (name: string, priority: number) => pod(name, { spec: { priority } });

test("the higher priority first, then who came first", () => {
  const { add, next, clock } = setup();
  add(withPriority("early", 0));
  add(withPriority("early too", 0));
  clock.advance(10);
  add(withPriority("important", 100));
  add(withPriority("late", 0));
  expect([next(), next(), next(), next(), next()]).toEqual(["important", "early", "early too", "late", "-"]);
});

describe("a pod that no node took", () => {
  test("waits for an event that helps", () => {
    const { clock, queue, add, next, refuse } = setup();
    add(pod("big", { requests: { cpu: "8" } }));
    refuse("NodeResourcesFit");
    queue.happened({ type: "node", node: node("small"), old: undefined });
    clock.advance(20_000);
    expect(next()).toBe("-");
    queue.happened({ type: "node", node: node("large", { allocatable: { cpu: "16" } }), old: undefined });
    expect(next()).toBe("big");
  });

  test("comes after those that were not tried a moment ago, but waits for nobody else", () => {
    const { queue, add, next, refuse } = setup();
    add(pod("first"));
    refuse("NodeResourcesFit");
    queue.happened({ type: "pod", pod: undefined, old: pod("gone") });
    add(pod("second"));
    expect([next(), next(), next()]).toEqual(["second", "first", "-"]);
  });

  test("whose attempt failed backs off 1, 2, 4, 8, 10, 10 seconds", () => {
    const { clock, queue, add } = setup();
    add(pod("p"));
    for (const seconds of [1, 2, 4, 8, 10, 10]) {
      const entry = queue.pop();
      if (entry) queue.failed(entry);
      clock.advance(seconds * 1000 - 1);
      expect(queue.length).toBe(0);
      clock.advance(1);
      expect(queue.length).toBe(1);
    }
  });

  test("is tried again after five minutes in any case", () => {
    const { clock, add, next, refuse } = setup();
    add(pod("p"));
    refuse("TaintToleration");
    clock.advance(299_999);
    expect(next()).toBe("-");
    clock.advance(1);
    expect(next()).toBe("p");
  });

  test("is tried again when it is changed itself, unless only its status changed", () => {
    const { clock, queue, next, add, refuse } = setup();
    add(pod("p"));
    refuse("NodeResourcesFit");
    clock.advance(20_000);
    queue.set(podInfo(pod("p")), false);
    expect(next()).toBe("-");
    queue.set(podInfo(pod("p", { labels: { changed: "yes" } })), true);
    expect(next()).toBe("p");
  });

  test("is forgotten when it is deleted while being tried", () => {
    const { clock, queue, add, next } = setup();
    add(pod("p"));
    const entry = queue.pop();
    queue.remove("p");
    if (entry) queue.failed(entry);
    clock.advance(600_000);
    expect(next()).toBe("-");
  });
});

test("scheduling gates hold a pod until they are gone", () => {
  const { clock, queue, add, next } = setup();
  add(pod("p", { spec: { schedulingGates: [{ name: "example.com/quota" }] } }));
  queue.happened({ type: "pod", pod: undefined, old: pod("gone") });
  clock.advance(600_000);
  expect(next()).toBe("-");
  add(pod("p"));
  expect(next()).toBe("p");
});
