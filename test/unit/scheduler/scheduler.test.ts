import { afterEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/api/meta/object.ts";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import { Nodes, Pods } from "../../../src/api/types/resources.ts";
import { createCaches } from "../../../src/client/caches.ts";
import { Client } from "../../../src/client/client.ts";
import type { Target } from "../../../src/client/transport.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import { createScheduler, type Scheduler } from "../../../src/scheduler/scheduler.ts";
import { MemoryAPI } from "../client/memory-api.ts";
import { node, pod } from "./objects.ts";
import { eventually } from "../../support/eventually.ts";

/** With the binding subresource. */
class API extends MemoryAPI {
  override create(target: Target, object: unknown): Promise<KubeObject> {
    if (target.subresource !== "binding") return super.create(target, object);
    this.beforeWrite("bind", target, object);
    const { target: to } = object as { target: { name: string } };
    return this.patch({ ...target, subresource: undefined }, "merge", { spec: { nodeName: to.name } });
  }
}

const running: Scheduler[] = [];
afterEach(async () => {
  for (const scheduler of running.splice(0)) await scheduler.stop();
});

async function setup(nodes = [node("a")]) {
  const clock = new FakeClock();
  const api = new API(clock);
  const client = new Client(api);
  const caches = createCaches(api, clock, silentLogger);
  const told: string[] = [];
  const events = {
    event: (object: KubeObject, type: string, reason: string, message: string) =>
      told.push(`${object.metadata.name} ${type} ${reason}: ${message}`),
  };
  const scheduler = createScheduler({ client, caches, clock, log: silentLogger, events }, { random: () => 0 });
  running.push(scheduler);
  for (const n of nodes) await client.create(Nodes, n);
  await scheduler.start();
  const get = (name: string): Promise<Pod> => client.get(Pods, { namespace: "default", name });
  const placed = (name: string, nodeName: string) => eventually(async () => expect((await get(name)).spec.nodeName).toBe(nodeName));
  const refused = (name: string) =>
    eventually(async () => {
      const condition = (await get(name)).status.conditions?.find((c) => c.type === "PodScheduled");
      expect(condition).toMatchObject({ status: "False", reason: "Unschedulable", observedGeneration: 1 });
      return condition?.message;
    });
  return { clock, api, client, told, get, placed, refused };
}

const big = (name: string, spec: Partial<Pod["spec"]> = {}) => pod(name, { requests: { cpu: "3" }, spec });

describe("scheduler", () => {
  test("binds a pod and says so", async () => {
    const { client, placed, told } = await setup();
    await client.create(Pods, pod("web"));
    await placed("web", "a");
    expect(told).toEqual(["web Normal Scheduled: Successfully assigned default/web to a"]);
  });

  test("leaves pods of other schedulers alone", async () => {
    const { client, placed, get } = await setup();
    await client.create(Pods, pod("theirs", { spec: { schedulerName: "theirs" } }));
    await client.create(Pods, pod("ours", { spec: { schedulerName: "default-scheduler" } }));
    await placed("ours", "a");
    expect((await get("theirs")).spec.nodeName).toBeUndefined();
  });

  test("counts pods that are being bound: two never share room for one", async () => {
    const { client, placed, refused } = await setup();
    await Promise.all([client.create(Pods, big("one")), client.create(Pods, big("two"))]);
    await placed("one", "a");
    expect(await refused("two")).toBe(
      "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    );
  });

  test("a waiting pod takes the room of one that ends", async () => {
    const { clock, client, placed, refused } = await setup();
    await client.create(Pods, big("one"));
    await placed("one", "a");
    await client.create(Pods, big("two"));
    await refused("two");
    clock.advance(10_000);
    await client.patch(Pods, { namespace: "default", name: "one" }, { type: "merge", body: { status: { phase: "Succeeded" } } });
    await placed("two", "a");
  });

  test("without nodes it waits for one", async () => {
    const { clock, client, placed, refused } = await setup([]);
    await client.create(Pods, pod("web"));
    expect(await refused("web")).toBe("no nodes available to schedule pods");
    clock.advance(10_000);
    await client.create(Nodes, node("late"));
    await placed("web", "late");
  });

  test("when binding fails the room is free again and the pod is tried later", async () => {
    const { clock, api, client, placed, told } = await setup();
    let failures = 1;
    api.beforeWrite = (verb) => {
      if (verb === "bind" && failures-- > 0) throw new Error("the wire is cut");
    };
    await client.create(Pods, big("web"));
    await eventually(() => expect(told[0]).toBe("web Warning FailedScheduling: binding rejected: the wire is cut"));
    clock.advance(1_000);
    await placed("web", "a");
  });

  test("a more important pod removes another, keeps the place, and gets it when the victim is gone", async () => {
    const { clock, client, placed, get, told } = await setup();
    await client.create(Pods, big("low"));
    await placed("low", "a");
    await client.create(Pods, big("high", { priority: 1000 }));
    const low = await eventually(async () => {
      const victim = await get("low");
      expect(victim.metadata.deletionTimestamp).toBeDefined();
      return victim;
    });
    expect(low.status.conditions).toMatchObject([
      {
        type: "DisruptionTarget",
        status: "True",
        reason: "PreemptionByScheduler",
        message: "default-scheduler: preempting to accommodate a higher priority pod",
      },
    ]);
    expect((await get("high")).status.nominatedNodeName).toBe("a");
    expect(told).toContain(`low Normal Preempted: Preempted by pod ${(await get("high")).metadata.uid} on node a`);
    // A pod of the victim's priority must not slip in.
    await client.create(Pods, big("again"));
    await client.delete(Pods, { namespace: "default", name: "low" }, { gracePeriodSeconds: 0 });
    clock.advance(10_000);
    await placed("high", "a");
    expect((await get("again")).spec.nodeName).toBeUndefined();
  });
});
