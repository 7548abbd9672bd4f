import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { conflict, forbidden, notFound } from "../../../src/api/errors.ts";
import { ConfigMaps, Events, Leases } from "../../../src/api/types/resources.ts";
import { createCaches } from "../../../src/client/caches.ts";
import { Client } from "../../../src/client/client.ts";
import { watch } from "../../../src/client/controller.ts";
import { createEventRecorder } from "../../../src/client/event-recorder.ts";
import { acquireLease, keepNodeLease, nextLeaseSpec, releaseLease, standForElection } from "../../../src/client/leases.ts";
import { runController } from "../../../src/client/runner.ts";
import { Written } from "../../../src/client/written.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import { MemoryAPI } from "./memory-api.ts";

function setup() {
  const clock = new FakeClock();
  const api = new MemoryAPI(clock);
  const client = new Client(api);
  return { clock, api, client, caches: createCaches(api, clock, silentLogger) };
}
const configMap = (name: string) => ({ apiVersion: "v1" as const, kind: "ConfigMap" as const, metadata: { namespace: "a", name } });

describe("runController", () => {
  it("starts when its caches are synced, reconciles what is there and what changes, for old and new keys, until stopped", async () => {
    const { clock, client, caches } = setup();
    const calls: string[] = [];
    await client.create(ConfigMaps, { ...configMap("x"), data: { owner: "one" } });
    const controller = {
      name: "test",
      watches: [watch(caches.of(ConfigMaps), (o) => (o.data?.owner ? [o.data.owner] : []))],
      start: () => calls.push("start"),
      stop: () => calls.push("stop"),
      reconcile: async (key: string) => void calls.push(key),
    };
    const running = runController(controller, { clock, log: silentLogger });
    await turn();
    expect(calls).toEqual(["start", "one"]);
    const x = await client.get(ConfigMaps, { namespace: "a", name: "x" });
    await client.update(ConfigMaps, { ...x, data: { owner: "two" } });
    await turn();
    expect(calls.slice(2)).toEqual(["one", "two"]);
    await running.stop();
    await client.delete(ConfigMaps, { namespace: "a", name: "x" });
    await turn();
    expect(calls.slice(4)).toEqual(["stop"]);
  });

  it("logs what a reconcile fails of, but not what passes by itself: lost races, a namespace that goes, an object just deleted", async () => {
    const { clock, client, caches } = setup();
    const terminating = forbidden({ kind: "configmaps", name: "x" }, "no");
    terminating.status.details = { causes: [{ reason: "NamespaceTerminating" }] };
    const errors = [conflict({ kind: "configmaps", name: "x" }, "again"), terminating, notFound({ kind: "configmaps", name: "x" })];
    const logged: unknown[] = [];
    const log = { ...silentLogger, warn: (fields: object) => void logged.push(fields) };
    const controller = {
      name: "test",
      watches: [watch(caches.of(ConfigMaps), () => ["k"])],
      reconcile: () => Promise.reject(errors.length > 1 ? errors.shift() : errors[0]),
    };
    await client.create(ConfigMaps, configMap("x"));
    const running = runController(controller, { clock, log });
    const fail = async (): Promise<void> => {
      await turn();
      clock.advance(1000);
      await turn();
    };
    for (let i = 0; i < 3; i++) await fail();
    expect(logged).toEqual([]);
    await fail();
    expect(logged).toMatchObject([{ key: "k", retries: 5, error: 'configmaps "x" not found' }]);
    await running.stop();
  });
});

describe("Written", () => {
  it("holds a key up until the cache shows what was written, and not for ever", async () => {
    const { clock, api, client, caches } = setup();
    const cache = caches.of(ConfigMaps);
    const written = new Written(clock);
    api.breakWatches(new Error("slow network"));
    const x = await client.create(ConfigMaps, configMap("x"));
    written.wrote("k", cache, x);
    expect(written.behind("k")).toBe(30_000);
    expect(written.behind("other")).toBeUndefined();
    clock.advance(100);
    expect(cache.get("a", "x")).toBe(x);
    expect(written.behind("k")).toBeUndefined();

    api.breakWatches(new Error("slow network"));
    await client.delete(ConfigMaps, { namespace: "a", name: "x" });
    written.deleted("k", cache, x);
    expect(written.behind("k")).toBe(30_000);
    clock.advance(200);
    expect(written.behind("k")).toBeUndefined();

    caches.stop();
    written.wrote("k", cache, await client.create(ConfigMaps, configMap("y")));
    clock.advance(29_999);
    expect(written.behind("k")).toBe(1);
    clock.advance(1);
    expect(written.behind("k")).toBeUndefined();
  });
});

describe("the event recorder", () => {
  async function recorder() {
    const { clock, api, client } = setup();
    const object = await client.create(ConfigMaps, configMap("x"));
    const events = createEventRecorder(client, clock, silentLogger, { component: "test-controller" });
    const list = async () => {
      for (let i = 0; i < 30; i++) await turn();
      return (await client.list(Events, { namespace: "a" })).items;
    };
    return { clock, api, client, object, events, list };
  }

  it("writes an Event as kubectl describe shows it", async () => {
    const { object, events, list } = await recorder();
    events.event(object, "Normal", "Created", "Created thing", "spec.containers{web}");
    const [event] = await list();
    expect(event).toMatchObject({
      metadata: { namespace: "a", name: expect.stringMatching(/^x\.[0-9a-f]{16}$/) },
      involvedObject: { apiVersion: "v1", kind: "ConfigMap", namespace: "a", name: "x", fieldPath: "spec.containers{web}" },
      type: "Normal",
      reason: "Created",
      message: "Created thing",
      source: { component: "test-controller" },
      reportingComponent: "test-controller",
      count: 1,
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:00:00Z",
    });
    expect(event?.involvedObject).toMatchObject({ uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion });
  });

  it("counts a repeated event, also when its Event has expired meanwhile", async () => {
    const { clock, client, object, events, list } = await recorder();
    events.event(object, "Warning", "Failed", "no");
    clock.advance(5000);
    events.event(object, "Warning", "Failed", "no");
    const [event, ...others] = await list();
    expect(others).toEqual([]);
    expect(event).toMatchObject({ count: 2, firstTimestamp: "2026-01-01T00:00:00Z", lastTimestamp: "2026-01-01T00:00:05Z" });
    await client.delete(Events, { namespace: "a", name: event?.metadata.name ?? "" });
    events.event(object, "Warning", "Failed", "no");
    expect((await list()).map((e) => e.count)).toEqual([3]);
  });

  it("combines similar events and holds back a flood from one object", async () => {
    const { object, events, list } = await recorder();
    for (let i = 0; i < 40; i++) events.event(object, "Warning", "Failed", `attempt ${i}`);
    const written = await list();
    expect(written).toHaveLength(11);
    expect(written.at(-1)).toMatchObject({ message: "(combined from similar events): attempt 24", count: 15 });
  });
});

describe("leases", () => {
  const options = { namespace: "kube-system", name: "l", identity: "me", durationSeconds: 15 };
  const now = Date.UTC(2026, 0, 1);
  const good = { holderIdentity: "you", leaseDurationSeconds: 15, renewTime: "2025-12-31T23:59:50.000000Z", leaseTransitions: 3 };

  it.each([
    ["nobody holds it", undefined, { holderIdentity: "me", leaseTransitions: 0, acquireTime: "2026-01-01T00:00:00.000000Z" }],
    ["another's is good", good, undefined],
    ["another's has ended", { ...good, renewTime: "2025-12-31T23:59:44.000000Z" }, { holderIdentity: "me", leaseTransitions: 4 }],
    ["it was given up", { ...good, holderIdentity: "" }, { holderIdentity: "me", leaseTransitions: 4 }],
    ["it is ours", { ...good, holderIdentity: "me" }, { leaseTransitions: 3, renewTime: "2026-01-01T00:00:00.000000Z" }],
  ])("when %s", (_, spec, expected) => {
    const next = nextLeaseSpec(spec, options, now);
    if (expected) expect(next).toMatchObject(expected);
    else expect(next).toBeUndefined();
  });

  it("are held by one, and free again when released", async () => {
    const { clock, client } = setup();
    expect(await acquireLease(client, options, clock.now())).toBeDefined();
    const other = { ...options, identity: "you" };
    expect(await acquireLease(client, other, clock.now())).toBeUndefined();
    await releaseLease(client, other, clock.now());
    expect(await acquireLease(client, other, clock.now())).toBeUndefined();
    await releaseLease(client, options, clock.now());
    expect((await acquireLease(client, other, clock.now()))?.spec.holderIdentity).toBe("you");
  });

  it("make one leader, and the next when it gives up or vanishes", async () => {
    const { clock, client } = setup();
    const log: string[] = [];
    const stand = (identity: string) =>
      standForElection({
        ...options,
        identity,
        client,
        clock,
        log: silentLogger,
        started: () => log.push(`+${identity}`),
        stopped: () => void log.push(`-${identity}`),
      });
    const a = stand("a");
    await turn();
    const b = stand("b");
    await turn();
    expect(log).toEqual(["+a"]);
    await a.stop();
    clock.advance(2000);
    await turn();
    expect(log).toEqual(["+a", "-a", "+b"]);
    await b.stop();
  });

  it("carry a node's heartbeat, with the node as owner", async () => {
    const { clock, client } = setup();
    const owner = { apiVersion: "v1", kind: "Node", name: "n", uid: "u" };
    const beat = keepNodeLease({ client, clock, log: silentLogger }, () => owner, "n");
    const lease = () => client.get(Leases, { namespace: "kube-node-lease", name: "n" });
    await turn();
    expect((await lease()).spec).toEqual({ holderIdentity: "n", leaseDurationSeconds: 40, renewTime: "2026-01-01T00:00:00.000000Z" });
    expect((await lease()).metadata.ownerReferences).toEqual([owner]);
    // Nodes that begin together do not beat together: the first wait is a share of the others.
    clock.advance(10_000);
    await turn();
    expect((await lease()).spec.renewTime).toMatch(/^2026-01-01T00:00:0\d/);
    clock.advance(10_000);
    await turn();
    expect((await lease()).spec.renewTime).toBe("2026-01-01T00:00:20.000000Z");
    await client.delete(Leases, { namespace: "kube-node-lease", name: "n" });
    clock.advance(10_000);
    await turn();
    clock.advance(1000);
    await turn();
    expect((await lease()).spec.renewTime).toBe("2026-01-01T00:00:31.000000Z");
    beat.stop();
  });
});
