import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { Events } from "../../../src/api/types/resources.ts";
import { Client } from "../../../src/client/client.ts";
import { createEventRecorder, EventMemory } from "../../../src/client/event-recorder.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import { MemoryAPI } from "./memory-api.ts";

function setup(nodes: readonly string[]) {
  const clock = new FakeClock();
  const client = new Client(new MemoryAPI(clock));
  const memory = new EventMemory();
  const recorders = nodes.map((host) => createEventRecorder(client, clock, silentLogger, { component: "kubelet", host }, memory));
  const pod = (name: string) => ({ apiVersion: "v1", kind: "Pod", metadata: { namespace: "a", name, uid: name, resourceVersion: "1" } });
  const told = async () => {
    for (let i = 0; i < 50; i++) await turn();
    const { items } = await client.list(Events, { namespace: "a" });
    return items.map((e) => `${e.source?.host} ${e.involvedObject.name} ${e.message} x${e.count}`);
  };
  return { clock, recorders, pod, told };
}

it("recorders that share a memory speak for themselves", async () => {
  const { recorders, pod, told } = setup(["n1", "n2"]);
  recorders[0]?.event(pod("x"), "Normal", "Started", "Started");
  recorders[1]?.event(pod("y"), "Normal", "Started", "Started");
  recorders[0]?.event(pod("x"), "Normal", "Started", "Started");
  expect(await told()).toEqual(["n1 x Started x2", "n2 y Started x1"]);
});

it("a message that comes again after a long silence is still counted with the first", async () => {
  const { clock, recorders, pod, told } = setup(["n"]);
  recorders[0]?.event(pod("x"), "Warning", "BackOff", "again");
  await told();
  clock.advance(3_600_000);
  recorders[0]?.event(pod("x"), "Warning", "BackOff", "again");
  expect(await told()).toEqual(["n x again x2"]);
});

it("a flood of messages that differ becomes one event, and is over after a silence", async () => {
  const { clock, recorders, pod, told } = setup(["n"]);
  for (let i = 0; i < 13; i++) recorders[0]?.event(pod("x"), "Warning", "Failed", `attempt ${i}`);
  const flood = await told();
  expect(flood.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => `n x attempt ${i} x1`));
  expect(flood.slice(10)).toEqual(["n x (combined from similar events): attempt 12 x3"]);
  clock.advance(3_600_000);
  recorders[0]?.event(pod("x"), "Warning", "Failed", "later");
  expect((await told()).at(-1)).toBe("n x later x1");
});
