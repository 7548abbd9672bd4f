import { describe, expect, it } from "vitest";
import type { Change } from "../../../src/client/cache.ts";
import { createCaches } from "../../../src/client/caches.ts";
import { Client } from "../../../src/client/client.ts";
import type { ConfigMap } from "../../../src/api/types/core.v1.ts";
import { ConfigMaps, Pods } from "../../../src/api/types/resources.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import { MemoryAPI } from "./memory-api.ts";

function setup() {
  const clock = new FakeClock();
  const api = new MemoryAPI(clock);
  const client = new Client(api);
  const caches = createCaches(api, clock, silentLogger);
  const add = (name: string, data: Record<string, string> = {}) =>
    client.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "a", name }, data });
  return { clock, api, client, caches, add };
}

/** "+x" for an add, "~x" for a change, "-x" for a delete. */
function record(log: string[]): (change: Change<ConfigMap>) => void {
  return ({ object, old }) => log.push(`${object && old ? "~" : object ? "+" : "-"}${(object ?? old)?.metadata.name}`);
}

describe("a shared cache", () => {
  it("holds what was there at the start and follows every change, in order", async () => {
    const { caches, client, add } = setup();
    await add("x");
    const cache = caches.of(ConfigMaps);
    await caches.synced();
    const log: string[] = [];
    const end = cache.onChange(record(log));
    const y = await add("y", { k: "1" });
    await client.update(ConfigMaps, { ...y, data: { k: "2" } });
    await client.delete(ConfigMaps, { namespace: "a", name: "x" });
    expect(log).toEqual(["+x", "+y", "~y", "-x"]);
    expect(cache.get("a", "y")?.data).toEqual({ k: "2" });
    expect(cache.byKey("a/y")).toBe(cache.get("a", "y"));
    expect(cache.list().map((o) => o.metadata.name)).toEqual(["y"]);
    expect(cache.list("b")).toEqual([]);
    end();
    await add("z");
    expect(log).toHaveLength(4);
  });

  it("is one watch for all who ask, and another for a field selector where the whole is not watched yet", async () => {
    const { api, caches } = setup();
    expect(caches.of(Pods, { fieldSelector: "spec.nodeName=n" })).not.toBe(caches.of(Pods));
    expect(caches.of(Pods)).toBe(caches.of(Pods));
    expect(api.watches).toBe(2);
  });

  it("shows a thousand nodes their pods with one watch, and wakes only the node concerned", async () => {
    const { api, caches, client } = setup();
    const whole = caches.of(Pods);
    const woken: string[] = [];
    const views = Array.from({ length: 1000 }, (_, i) => {
      const view = caches.of(Pods, { fieldSelector: `spec.nodeName=n${i}` });
      view.onChange(({ object, old }) => woken.push(`n${i} ${old ? (object ? "~" : "-") : "+"}${(object ?? old)?.metadata.name}`));
      return view;
    });
    const create = (name: string, nodeName: string) =>
      client.create(Pods, { apiVersion: "v1", kind: "Pod", metadata: { namespace: "a", name }, spec: { nodeName, containers: [] } });
    const pod = await create("x", "n7");
    await create("y", "n8");
    const changed = await client.update(Pods, { ...pod, metadata: { ...pod.metadata, labels: { a: "b" } } });
    expect(woken).toEqual(["n7 +x", "n8 +y", "n7 ~x"]);
    expect(api.watches).toBe(1);
    expect(views[7]?.list().map((p) => p.metadata.name)).toEqual(["x"]);
    expect(views[7]?.get("a", "y")).toBeUndefined();
    expect(views[8]?.byKey("a/y")).toBe(whole.byKey("a/y"));
    await client.update(Pods, { ...changed, spec: { ...pod.spec, nodeName: "n9" } });
    await client.delete(Pods, { namespace: "a", name: "y" }, { gracePeriodSeconds: 0 });
    expect(woken.slice(3)).toEqual(["n7 -x", "n9 +x", "n8 -y"]);
    const late: string[] = [];
    views[9]?.onChange(({ object }) => late.push(object?.metadata.name ?? ""))();
    expect(late).toEqual(["x"]);
    expect(views[7]?.list("a")).toEqual([]);
  });

  it("keeps indexes current, also those added later", async () => {
    const { caches, client, add } = setup();
    const cache = caches.of(ConfigMaps);
    await add("x", { team: "red" });
    cache.addIndex("team", (o) => (o.data?.team ? [o.data.team] : []));
    const y = await add("y", { team: "red" });
    expect(cache.byIndex("team", "red").map((o) => o.metadata.name)).toEqual(["x", "y"]);
    await client.update(ConfigMaps, { ...y, data: { team: "blue" } });
    await client.delete(ConfigMaps, { namespace: "a", name: "x" });
    expect(cache.byIndex("team", "red")).toEqual([]);
    expect(cache.byIndex("team", "blue").map((o) => o.metadata.name)).toEqual(["y"]);
    expect(() => cache.byIndex("colour", "red")).toThrow("no index colour");
  });

  it("resumes a broken watch from where it was and misses nothing", async () => {
    const { api, clock, caches, client, add } = setup();
    await add("x");
    const cache = caches.of(ConfigMaps);
    const log: string[] = [];
    cache.onChange(record(log));
    api.breakWatches(new Error("connection lost"));
    await add("y");
    await client.delete(ConfigMaps, { namespace: "a", name: "x" });
    expect(cache.get("a", "y")).toBeUndefined();
    clock.advance(100);
    expect(log).toEqual(["+x", "+y", "-x"]);
  });

  it("starts over when its revision is too old, and tells only the differences", async () => {
    const { api, clock, caches, client, add } = setup();
    const [, y] = [await add("x"), await add("y"), await add("z")];
    const cache = caches.of(ConfigMaps);
    const log: string[] = [];
    cache.onChange(record(log));
    log.length = 0;
    api.breakWatches();
    await client.delete(ConfigMaps, { namespace: "a", name: "x" });
    await client.update(ConfigMaps, { ...y, data: { k: "new" } });
    await add("w");
    await client.delete(ConfigMaps, { namespace: "a", name: "z" });
    await add("z");
    api.compact();
    clock.advance(0);
    clock.advance(0);
    expect(log.sort()).toEqual(["+w", "+z", "-x", "-z", "~y"]);
    expect(cache.hasSeen(String(cache.get("a", "z")?.metadata.resourceVersion))).toBe(true);
  });

  it("waits longer and longer for a server that is gone", async () => {
    const { api, clock, caches } = setup();
    caches.of(ConfigMaps);
    const begun: number[] = [];
    const { watch } = api;
    api.watch = (...args) => {
      begun.push(clock.now());
      const stop = watch.apply(api, args);
      api.breakWatches(new Error("refused"));
      return stop;
    };
    const start = clock.now();
    api.breakWatches(new Error("refused"));
    clock.advance(1500);
    expect(begun.map((at) => at - start)).toEqual([100, 300, 700, 1500]);
  });

  it("goes on telling the others when one handler throws", async () => {
    const { caches, add } = setup();
    const cache = caches.of(ConfigMaps);
    const log: string[] = [];
    cache.onChange(() => {
      throw new Error("a defect");
    });
    cache.onChange(record(log));
    await add("x");
    expect(log).toEqual(["+x"]);
  });

  it("is silent after stop", async () => {
    const { api, clock, caches, add } = setup();
    const cache = caches.of(ConfigMaps);
    caches.stop();
    await add("x");
    api.breakWatches(new Error("gone"));
    clock.advance(100_000);
    expect(cache.list()).toEqual([]);
    expect(api.watches).toBe(1);
  });
});
