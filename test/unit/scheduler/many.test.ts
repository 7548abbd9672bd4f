import { expect, it } from "vitest";
import { FakeClock } from "../../../src/lib/clock.ts";
import type { Plugin } from "../../../src/scheduler/framework.ts";
import { podInfo } from "../../../src/scheduler/pod-info.ts";
import { SchedulingQueue } from "../../../src/scheduler/queue.ts";
import { schedule } from "../../../src/scheduler/schedule.ts";
import { cluster, node, pod } from "./objects.ts";

it("of 5,000 nodes a tenth is looked at for each pod, and all get their turn", () => {
  const { world } = cluster(Array.from({ length: 5000 }, (_, i) => node(`n${i}`)));
  let looks = 0;
  const looking: Plugin = { name: "Looking", filter: () => ({ check: () => void looks++ }), wakes: () => false };
  const framework = { plugins: [looking], world, random: () => 0, offset: 0 };
  const chosen = new Set<string>();
  for (let i = 0; i < 10; i++) chosen.add(schedule(podInfo(pod(`p${i}`)), framework).node?.name ?? "");
  expect(looks).toBe(10 * 500);
  expect(chosen.size).toBe(10);
});

it("an event asks only those pods that wait for one, however many are to be tried", () => {
  let asked = 0;
  const asking: Plugin = { name: "Asking", wakes: () => ++asked < 0 };
  const queue = new SchedulingQueue(new FakeClock(), [asking], () => {});
  queue.set(podInfo(pod("waiting")), true);
  const entry = queue.pop();
  if (entry) queue.unschedulable(entry, new Set(["Asking"]));
  for (let i = 0; i < 1000; i++) queue.set(podInfo(pod(`p${i}`)), true);
  queue.happened({ type: "node", node: node("n"), old: undefined });
  expect(asked).toBe(1);
  expect(queue.length).toBe(1000);
});

it("a node that comes back has its pods again", () => {
  const { world } = cluster([node("a"), node("b")], [pod("x", { spec: { nodeName: "a" }, requests: { cpu: "1" } })]);
  world.removeNode("a");
  world.setPod(pod("y", { spec: { nodeName: "a" }, requests: { cpu: "2" } }));
  world.setPod(pod("z", { spec: { nodeName: "a" }, requests: { cpu: "4" } }));
  world.removePod("z");
  world.setNode(node("a"));
  expect([...(world.node("a")?.pods.keys() ?? [])]).toEqual(["x", "y"]);
  expect(world.node("a")?.requested.cpu).toBe(3000);
});
