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
  return { clock, client, recorders, pod, told };
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

it("a message that repeats is one event; an object has 25 at once, and one more each five minutes", async () => {
  const { clock, recorders, pod, told } = setup(["n"]);
  for (let i = 0; i < 40; i++) recorders[0]?.event(pod("x"), "Warning", "BackOff", "again");
  recorders[0]?.event(pod("y"), "Warning", "BackOff", "again");
  expect(await told()).toEqual(["n x again x25", "n y again x1"]);
  clock.advance(299_000);
  recorders[0]?.event(pod("x"), "Warning", "BackOff", "again");
  expect((await told())[0]).toBe("n x again x25");
  clock.advance(1000);
  for (let i = 0; i < 2; i++) recorders[0]?.event(pod("x"), "Warning", "BackOff", "again");
  expect((await told())[0]).toBe("n x again x26");
});

it("sources that tell of an object at the same moment do not lose each other's events", async () => {
  const { client, clock, recorders, pod, told } = setup(["n1"]);
  recorders[0]?.event(pod("x"), "Normal", "Started", "Started");
  createEventRecorder(client, clock, silentLogger, { component: "scheduler", host: "n0" }).event(pod("x"), "Normal", "Scheduled", "To n1");
  expect(await told()).toEqual(["n1 x Started x1", "n0 x To n1 x1"]);
});

it("no event is lost of thousands of objects that are written about faster than the store commits", async () => {
  const clock = new FakeClock();
  const api = new MemoryAPI(clock);
  const create = api.create.bind(api);
  api.create = async (...request) => {
    await turn(); // A commit.
    return create(...request);
  };
  const recorder = createEventRecorder(new Client(api), clock, silentLogger, { component: "default-scheduler" });
  for (let i = 0; i < 3000; i++) {
    const metadata = { namespace: "a", name: `p-${i}`, uid: `${i}` };
    recorder.event({ apiVersion: "v1", kind: "Pod", metadata }, "Normal", "Scheduled", "Successfully assigned");
    if (i % 100 === 0) await turn();
  }
  await expect.poll(async () => (await new Client(api).list(Events, { namespace: "a" })).items.length).toBe(3000);
});

it("an event says about what it is, who tells it and when it was told first and last", async () => {
  const { clock, client, recorders, pod, told } = setup(["n"]);
  const first = new Date(clock.now()).toISOString().replace(".000", "");
  for (let i = 0; i < 2; i++) {
    recorders[0]?.event(pod("x"), "Normal", "Pulled", "Pulled it", "spec.containers{c}");
    await told();
    clock.advance(60_000);
  }
  const last = new Date(clock.now() - 60_000).toISOString().replace(".000", "");
  expect((await client.list(Events, { namespace: "a" })).items).toMatchObject([
    {
      metadata: { name: expect.stringMatching(/^x\.[0-9a-f]+$/), namespace: "a" },
      involvedObject: {
        apiVersion: "v1",
        kind: "Pod",
        namespace: "a",
        name: "x",
        uid: "x",
        resourceVersion: "1",
        fieldPath: "spec.containers{c}",
      },
      ...{ type: "Normal", reason: "Pulled", message: "Pulled it", count: 2, firstTimestamp: first, lastTimestamp: last },
      source: { component: "kubelet", host: "n" },
      reportingComponent: "kubelet",
      reportingInstance: "n",
    },
  ]);
});
