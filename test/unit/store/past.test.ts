import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/lib/clock.ts";
import { openStore, type StoreOptions } from "../../../src/store/open.ts";
import { NotKept } from "../../../src/store/past.ts";
import type { Sealing } from "../../../src/store/sealed-log.ts";
import type { Key, Store } from "../../../src/store/store.ts";

const resource = "/configmaps";
const key = (name: string, namespace = "default"): Key => ({ resource, namespace, name });
const minute = 60_000;
const window = { milliseconds: 60 * minute, bytes: 2 ** 30 };

let folder: string;
let clock: FakeClock;
let store: Store;
const open = (options: Partial<StoreOptions> = {}): Promise<Store> =>
  openStore({ path: join(folder, "state.db"), clock, past: window, ...options });
const put = async (at: Key, value: string): Promise<number> => {
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: at.name, namespace: at.namespace }, data: { value } };
  return (await store.write({ key: at, expect: store.latest(at)?.revision ?? 0, object })).revision;
};
const remove = async (at: Key): Promise<number> =>
  (await store.write({ key: at, expect: store.latest(at)?.revision ?? 0, object: undefined })).revision;
/** The namespaced names and values of that revision, as a list shows them. */
const shown = async (revision: number, wanted: { namespace?: string; name?: string } = {}): Promise<Record<string, string>> => {
  const { objects } = (await store.past.at(revision, { resource, ...wanted })).list({ resource });
  return Object.fromEntries(objects.map(({ key: of, text }) => [`${of.namespace}/${of.name}`, JSON.parse(text).data.value]));
};
/** Enough that it is worth to compact the disk, too. */
const churn = async (writes = 1100): Promise<void> => {
  for (let i = 0; i < writes; i++) await put({ resource: "/noise", namespace: "", name: "n" }, `${i} ${"x".repeat(500)}`);
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hue-past-"));
  clock = new FakeClock();
  store = await open();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

/** The states of a cluster at each revision it went through, as they were seen then. */
async function live(): Promise<Map<number, Record<string, string>>> {
  const seen = new Map<number, Record<string, string>>();
  const now: Record<string, string> = {};
  for (let i = 0; i < 60; i++) {
    const at = key(`c-${(i * 7) % 9}`, i % 2 ? "default" : "other");
    const id = `${at.namespace}/${at.name}`;
    const removed = id in now && i % 3 === 0;
    const revision = removed ? await remove(at) : await put(at, `v${i}`);
    if (removed) delete now[id];
    else now[id] = `v${i}`;
    seen.set(revision, { ...now });
    clock.advance(1000);
  }
  return seen;
}

describe("the past on the disk", () => {
  test("every revision reads as it was, whether it is in memory, in the log, or taken off it; also after a restart and a compaction at the end", async () => {
    const seen = await live();
    const all = async (): Promise<void> => {
      for (const [revision, state] of seen) expect(await shown(revision), `at ${revision}`).toEqual(state);
    };
    await all();
    await store.compact(store.revision);
    await all();
    await churn();
    await store.compact(store.revision);
    expect(store.oldestRevision).toBe(store.revision);
    await all();
    await store.close();
    store = await open();
    await all();
    await churn();
    await store.compact(store.revision - 10);
    await all();
    const some = [...seen.keys()].at(30) ?? 0;
    const there = Object.entries(seen.get(some) ?? {});
    expect(await shown(some, { namespace: "other" })).toEqual(Object.fromEntries(there.filter(([id]) => id.startsWith("other/"))));
    expect(await shown(some, { name: "c-3" })).toEqual(Object.fromEntries(there.filter(([id]) => id.endsWith("/c-3"))));
  });

  test("compaction in steps, with reads between them, shows the same at each moment", async () => {
    const seen = await live();
    await churn(3000);
    const [revision = 0, state] = [...seen].at(20) ?? [];
    let compacting = true;
    const done = store.compact(store.revision).finally(() => {
      compacting = false;
    });
    let reads = 0;
    for (; compacting || reads < 3; reads++) expect(await shown(revision)).toEqual(state);
    await done;
    expect(reads).toBeGreaterThan(3);
  });

  test("a list of the past is in order, in pages, and an object can be got", async () => {
    for (const name of ["a", "c", "b"]) await put(key(name), "1");
    const { revision } = store;
    await remove(key("a"));
    await churn();
    await store.compact(store.revision);
    const past = await store.past.at(revision, { resource });
    const first = past.list({ resource, limit: 2 });
    expect([first.objects.map((o) => o.key.name), first.remaining, first.revision]).toEqual([["a", "b"], 1, revision]);
    const rest = past.list({ resource, limit: 2, after: key("b") });
    expect([rest.objects.map((o) => o.key.name), rest.remaining]).toEqual([["c"], 0]);
    expect(past.get(key("a"))?.object.metadata).toMatchObject({ name: "a", resourceVersion: "2" });
    expect(past.get(key("x"))).toBeUndefined();
  });

  test("a time is the end of its second; before the first one nothing is kept, and the first one is named", async () => {
    const start = clock.now();
    const one = await put(key("a"), "1");
    clock.advance(400);
    const two = await put(key("a"), "2");
    clock.advance(5 * minute);
    const three = await put(key("a"), "3");
    const at = (...milliseconds: number[]): number[] => milliseconds.map((more) => store.past.revisionAt(start + more));
    const check = (): void => {
      expect(at(0, 999, 1000, 4 * minute, 5 * minute, 60 * minute)).toEqual([two, two, two, two, three, store.revision]);
      expect(store.past.timeOf(one)).toBe(start);
      expect(store.past.timeOf(three)).toBe(start + 5 * minute);
      expect(() => store.past.revisionAt(start - 1)).toThrow(NotKept);
    };
    check();
    await store.close();
    store = await open();
    check();
    expect(store.past.facts().since).toBe(start);
  });

  test("a clock that was put back shows what it showed last", async () => {
    const start = clock.now();
    await put(key("a"), "1");
    clock.advance(30 * minute);
    await put(key("a"), "2");
    clock.advance(-20 * minute);
    const three = await put(key("a"), "3");
    expect(store.past.revisionAt(start + 5 * minute)).toBe(2);
    expect(store.past.revisionAt(start + 15 * minute)).toBe(three);
  });

  test("what ended before the window is not told any more, and leaves the disk with later compactions", async () => {
    const early = await put(key("secret"), "early");
    await remove(key("secret"));
    clock.advance(50 * minute);
    const late = await put(key("a"), "1");
    await put(key("a"), "2");
    await churn();
    await store.compact(store.revision);
    expect(await shown(early)).toEqual({ "default/secret": "early" });
    clock.advance(20 * minute);
    await expect(shown(early)).rejects.toThrow(NotKept);
    expect(await shown(late)).toEqual({ "default/a": "1" });
    const { bytes } = store.past.facts();
    clock.advance(60 * minute);
    await churn();
    await store.compact(store.revision);
    expect(store.past.facts().bytes).toBeLessThan(bytes * 1.1);
    await store.close();
    store = await open({ past: { milliseconds: 10_000 * minute, bytes: 2 ** 30 } });
    await expect(shown(late)).rejects.toThrow(NotKept);
  });

  test("the bytes are bounded: the oldest goes first", async () => {
    await store.close();
    store = await open({ past: { ...window, bytes: 200_000 } });
    const early = await put(key("a"), "1");
    await put(key("a"), "2");
    for (let i = 0; i < 4; i++) {
      await churn();
      await store.compact(store.revision);
      expect(store.past.facts().bytes).toBeLessThan(200_000);
    }
    const { oldest, bytes } = store.past.facts();
    expect(bytes).toBeGreaterThan(150_000);
    await expect(shown(early)).rejects.toThrow(NotKept);
    await expect(shown(oldest - 1)).rejects.toThrow(NotKept);
    expect(await shown(oldest)).toEqual({ "default/a": "2" });
    expect(await shown(store.revision)).toEqual({ "default/a": "2" });
  });

  test("without a window only what is in memory can be read; what was kept before goes", async () => {
    const early = await put(key("a"), "1");
    await put(key("a"), "2");
    await churn();
    await store.compact(store.revision - 5);
    expect(store.past.facts().bytes).toBeGreaterThan(500_000);
    await store.close();
    store = await open({ past: { milliseconds: 0, bytes: 0 } });
    await expect(shown(early)).rejects.toThrow(NotKept);
    await churn();
    expect(await shown(store.revision - 1)).toEqual({ "default/a": "2" });
    await store.compact(store.revision);
    await store.close();
    store = await open();
    await expect(shown(early)).rejects.toThrow(NotKept);
    expect(store.past.facts().bytes).toBeLessThan(1000);
  });

  test("of lazy writes the past has what came to the disk", async () => {
    await store.close();
    store = await open({ lazy: ({ resource: of }) => of === resource });
    await put(key("a"), "1");
    await put({ resource: "/noise", namespace: "", name: "n" }, "brings it to the disk");
    const { revision } = store;
    await put(key("a"), "2");
    await put(key("a"), "3");
    await store.compact(store.revision);
    expect(await shown(revision)).toEqual({ "default/a": "1" });
    expect(await shown(store.revision)).toEqual({ "default/a": "3" });
  });
});

test("a store in memory has the past that it has history of", async () => {
  const memory = await openStore({ path: "memory", clock, past: window });
  await store.close();
  store = memory;
  const start = clock.now();
  const one = await put(key("a"), "1");
  clock.advance(minute);
  const two = await put(key("a"), "2");
  expect(await shown(store.past.revisionAt(start))).toEqual({ "default/a": "1" });
  await store.compact(two);
  await expect(shown(one)).rejects.toThrow(NotKept);
  expect(() => store.past.revisionAt(start - 1)).toThrow(NotKept);
  expect(store.past.facts().since).toBe(start + minute);
});

describe("with encryption at rest", () => {
  /** Turns a text around, and says with which key. */
  const sealing = (writer: string): Sealing => ({
    writer: () => writer,
    seal: (_, text) => `k8s:enc:${writer}:${[...text].reverse().join("")}`,
    unseal(_, stored) {
      const [, by, sealed = ""] = /^k8s:enc:(\w+):(.*)$/s.exec(stored) ?? [];
      return by === undefined ? { text: stored, writer: "" } : { text: [...sealed].reverse().join(""), writer: by };
    },
    refusal: () => undefined,
    follow: () => {},
  });
  const onDisk = (): string => ["", "-wal"].map((suffix) => readFileSync(join(folder, `state.db${suffix}`), "latin1")).join("");

  test("the past is sealed as it was written, and can be read", async () => {
    await store.close();
    store = await open({ sealing: sealing("one") });
    const early = await put(key("a"), "secret-early");
    await put(key("a"), "late");
    await churn();
    await store.compact(store.revision);
    expect(store.past.facts().bytes).toBeGreaterThan(500_000);
    expect(await shown(early)).toEqual({ "default/a": "secret-early" });
    expect(onDisk()).not.toContain("secret-early");
  });

  test("what was written anew with another key takes the past with it", async () => {
    const plain = await put(key("a"), "secret-plain");
    await churn(20);
    await store.close();
    store = await open({ sealing: sealing("one") });
    expect(await shown(plain)).toEqual({ "default/a": "secret-plain" });
    await put(key("a"), "sealed");
    await put(key("b"), "more");
    await store.compact(store.revision);
    await expect(shown(plain)).rejects.toThrow(NotKept);
    expect(store.past.facts().bytes).toBe(0);
    await store.close();
    store = await open({ sealing: sealing("one") });
    expect(await shown(store.revision)).toEqual({ "default/a": "sealed", "default/b": "more" });
  });
});
