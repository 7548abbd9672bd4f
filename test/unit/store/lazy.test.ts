import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test, vi } from "vitest";
import { FakeClock } from "../../../src/lib/clock.ts";
import type { Log, LogRecord } from "../../../src/store/log.ts";
import { memoryLog } from "../../../src/store/memory-log.ts";
import { openStore } from "../../../src/store/open.ts";
import { RevisionStore } from "../../../src/store/revision-store.ts";
import { Compacted, type Key, type Store, type StoredObject } from "../../../src/store/store.ts";

const lease = (name: string): Key => ({ resource: "/leases", namespace: "n", name });
const config = (name: string): Key => ({ resource: "/configmaps", namespace: "n", name });
const lazy = ({ resource }: Key): boolean => resource === "/leases";

function put(store: Store, key: Key, value = "1"): Promise<StoredObject> {
  const object = { apiVersion: "v1", kind: "Any", metadata: { name: key.name }, data: { value } };
  return store.write({ key, expect: store.latest(key)?.revision ?? 0, object });
}

const dataOf = (state: StoredObject | undefined): unknown => state && JSON.parse(state.text).data.value;

/** A disk in memory: what it holds outlives the stores on it. */
function disk(): { log: Log; rows: LogRecord[]; batches: number[][] } {
  const rows: LogRecord[] = [];
  const batches: number[][] = [];
  let kept = 1;
  const log: Log = {
    ...memoryLog,
    open: async () => ({ compacted: 1, ceiling: kept }),
    read: async (after) => rows.filter(({ revision }) => revision > after),
    append: async (records, ceiling = kept) => {
      rows.push(...records);
      batches.push(records.map(({ revision }) => revision));
      kept = ceiling;
    },
  };
  return { log, rows, batches };
}

describe("lazy writes", () => {
  test("are told at once, and come to the disk with the next write that is not lazy, of each object the newest", async () => {
    const { log, batches } = disk();
    const store = await RevisionStore.open(log, "test", { lazy, clock: new FakeClock() });
    const seen: number[] = [];
    store.watch({ from: 1 }, ({ object }) => seen.push(object.revision));
    for (const name of ["a", "b", "a", "a", "c"]) await put(store, lease(name));
    // The first one reserves revisions for those after it.
    expect(batches).toEqual([[2]]);
    expect(seen).toEqual([2, 3, 4, 5, 6]);
    await put(store, config("x"));
    expect(batches).toEqual([[2], [3, 5, 6, 7]]);
    await store.write({ key: lease("c"), expect: 6, object: undefined });
    expect(batches.at(-1)).toEqual([8]);
    await store.close();
  });

  test("come to the disk by themselves after minutes", async () => {
    const { log, batches } = disk();
    const clock = new FakeClock();
    const store = await RevisionStore.open(log, "test", { lazy, clock });
    await put(store, lease("a"));
    await put(store, lease("a"));
    clock.advance(299_000);
    await put(store, lease("a"));
    expect(batches.length).toBe(1);
    clock.advance(1000);
    await expect.poll(() => batches).toEqual([[2], [4]]);
    await store.close();
  });

  test("never wait for the disk, but for the writes before them", async () => {
    const { log } = disk();
    const settle: (() => void)[] = [];
    const held: Log = { ...log, append: (...given) => new Promise((resolve) => settle.push(() => resolve(log.append(...given)))) };
    const store = await RevisionStore.open(held, "test", { lazy, clock: new FakeClock() });
    const order: number[] = [];
    const note = ({ revision }: StoredObject): number => order.push(revision);
    const first = put(store, lease("a")).then(note);
    await expect.poll(() => settle.length).toBe(1);
    settle[0]?.();
    await first;
    const durable = put(store, config("x")).then(note);
    await expect.poll(() => settle.length).toBe(2);
    const after = put(store, lease("a")).then(note);
    expect(store.revision).toBe(2);
    settle[1]?.();
    await Promise.all([durable, after]);
    expect(order).toEqual([2, 3, 4]);
  });

  test("a store that was closed is as it was; replaced lazy states are no place to go on from", async () => {
    const { log } = disk();
    const store = await RevisionStore.open(log, "test", { lazy, clock: new FakeClock() });
    await put(store, config("x"));
    for (const value of ["1", "2", "3", "4"]) await put(store, lease("a"), value);
    await store.close();
    const again = await RevisionStore.open(log, "test", { lazy, clock: new FakeClock() });
    expect([again.revision, dataOf(again.get(lease("a")))]).toEqual([6, "4"]);
    const revisions: number[] = [];
    again.watch({ from: 2 }, ({ object }) => revisions.push(object.revision));
    expect(revisions).toEqual([3, 6]);
    expect(() => again.watch({ from: 4 }, () => {})).toThrow(Compacted);
    expect(() => again.list({ resource: "/leases", revision: 5 })).toThrow(Compacted);
    expect((await put(again, config("y"))).revision).toBe(7);
    await again.close();
  });

  test("a crash loses them, gives no revision twice, and sends away who has seen them; again and again", async () => {
    const { log, rows } = disk();
    const given = new Set<number>();
    let greatest = 0;
    for (let round = 0; round < 3; round++) {
      const store = await RevisionStore.open(log, "test", { lazy, clock: new FakeClock() });
      expect(store.revision).toBeGreaterThan(greatest);
      const known = await put(store, config("x"), `${round}`);
      const shown = [known, await put(store, lease("a"), "kept"), await put(store, lease("a")), await put(store, lease("b"))];
      for (const { revision } of shown) given.add(revision);
      expect(given.size).toBe(4 * (round + 1));
      greatest = store.revision;
      // The process ends here.
      const next = await RevisionStore.open({ ...log, append: async () => {} }, "test");
      expect([dataOf(next.get(lease("a"))), dataOf(next.get(config("x")))]).toEqual(["kept", `${round}`]);
      for (const { revision } of shown.slice(2)) expect(() => next.watch({ from: revision }, () => {})).toThrow(Compacted);
      for (const from of [known.revision, known.revision + 1, next.revision]) expect(() => next.watch({ from }, () => {})).not.toThrow();
      expect(rows.at(-1)?.revision).toBe(known.revision + 1);
    }
  });
});

describe("what the disk is asked for", () => {
  let folder: string;
  const open = async (clock = new FakeClock()): Promise<Store> => {
    folder = await mkdtemp(join(tmpdir(), "hue-lazy-"));
    return openStore({ path: join(folder, "state.db"), lazy, clock });
  };
  afterEach(() => rm(folder, { recursive: true }));

  test("an hour of renewals every ten seconds and of events costs 13 batches, each one fsync", async () => {
    const clock = new FakeClock();
    const store = await open(clock);
    for (let i = 0; i < 360; i++) {
      await put(store, lease("node"), String(i));
      if (i % 20 === 0) await put(store, lease(`event-${i}`));
      clock.advance(10_000);
    }
    expect(store.counts.batches).toBeLessThanOrEqual(13);
    expect(store.counts.batches).toBeGreaterThan(10);
    expect(store.counts.syncs).toBe(store.counts.batches);
    await store.close();
  });

  test("writes of one turn share a batch and its fsync; an idle minute and forgetting little cost none", async () => {
    const store = await open();
    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 100 }, (_, n) => put(store, config(`c-${n}`), String(i))));
    expect(store.counts).toEqual({ batches: 5, syncs: 5 });
    await store.compact(300);
    expect([store.oldestRevision, store.counts.batches]).toEqual([300, 5]);
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 100 }, (_, n) => put(store, config(`c-${n}`), String(i))));
    await store.compact(1400);
    // Steps of 500 revisions.
    expect(store.counts).toEqual({ batches: 18, syncs: 18 });
    await store.close();
  });

  test("the write-ahead log comes into the file each megabyte and a bit", async () => {
    const store = await open();
    for (let i = 0; i < 30; i++) await Promise.all(Array.from({ length: 100 }, (_, n) => put(store, config(`c-${n}`), "x".repeat(2000))));
    await store.close();
    const { batches, syncs } = store.counts;
    expect([batches, syncs]).toEqual([30, 30 + 2 * 6]);
  });

  test("a create, a get, a list and a watch event parse no JSON", async () => {
    const store = await open();
    const events: StoredObject[] = [];
    store.watch({ from: 1 }, ({ object }) => events.push(object));
    const parse = vi.spyOn(JSON, "parse");
    await Promise.all(Array.from({ length: 100 }, (_, n) => put(store, config(`c-${n}`))));
    await put(store, config("c-1"), "2");
    const texts = [store.get(config("c-1")), ...store.list({ resource: "/configmaps" }).objects, ...events].map((state) => state?.text);
    const parsed = parse.mock.calls.length;
    parse.mockRestore();
    expect([texts.length, events.length, parsed]).toEqual([202, 101, 0]);
    await store.close();
  });

  test.runIf(process.platform === "linux")("the kernel counts some pages a durable write, not a megabyte", async () => {
    const written = async (): Promise<number> => Number(/^write_bytes: (\d+)/m.exec(await readFile("/proc/self/io", "utf8"))?.[1]);
    const store = await open(new FakeClock());
    await put(store, config("first"));
    const before = await written();
    for (let n = 0; n < 50; n++) await put(store, config(`c-${n}`));
    expect(((await written()) - before) / 50).toBeLessThan(60_000);
    await store.close();
  });

  test("a file of the first format goes on", async () => {
    folder = await mkdtemp(join(tmpdir(), "hue-lazy-"));
    const path = join(folder, "state.db");
    const db = new Sqlite(path);
    const text = '{"apiVersion":"v1","kind":"Any","metadata":{"name":"x","resourceVersion":"2"},"data":{"value":"old"}}';
    db.exec(`PRAGMA application_id = 0x68756521; PRAGMA user_version = 1;
      CREATE TABLE log (revision INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
        replaces INTEGER NOT NULL, text TEXT, crc INTEGER NOT NULL) STRICT;
      CREATE TABLE state (compacted INTEGER NOT NULL) STRICT; INSERT INTO state VALUES (1);
      INSERT INTO log VALUES (2, '/configmaps', 'n', 'x', 0, '${text}', ${crc32(text, crc32("2 /configmaps n x 0"))})`);
    db.close();
    const store = await openStore({ path, lazy });
    expect([store.revision, dataOf(store.get(config("x")))]).toEqual([2, "old"]);
    await put(store, lease("a"));
    await put(store, lease("a"), "2");
    await store.close();
    const again = await openStore({ path });
    expect([again.revision, dataOf(again.get(lease("a")))]).toEqual([4, "2"]);
    await again.close();
  });
});
