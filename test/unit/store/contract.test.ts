import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManagedFields } from "../../../src/api/meta/apply/managed-fields.ts";
import type { KubeObject } from "../../../src/api/meta/object.ts";
import { openStore } from "../../../src/store/open.ts";
import { Compacted, type Key, PreconditionFailed, type Store, type StoredObject, type StoreEvent } from "../../../src/store/store.ts";

const resource = "/configmaps";

function keyed(name: string, namespace = "default"): Key {
  return { resource, namespace, name };
}

function config(key: Key, value = "1"): KubeObject & { data: { value: string } } {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: key.name, namespace: key.namespace }, data: { value } };
}

const names = (objects: readonly StoredObject[]): string[] => objects.map(({ key }) => `${key.namespace}/${key.name}`);
const told = (events: readonly StoreEvent[]): string[] => events.map((e) => `${e.type} ${e.object.key.name}@${e.object.revision}`);

/** What every backend must do. Those that outlive their process are also closed and opened again. */
const backends = [
  { backend: "memory", lasts: false },
  { backend: "sqlite", lasts: true },
];

describe.each(backends)("a store on $backend", ({ backend, lasts }) => {
  let folder: string;
  let store: Store;
  const open = (): Promise<Store> => openStore({ path: backend === "memory" ? "memory" : join(folder, "db", "state.db") });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "hue-store-"));
    store = await open();
  });

  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  const put = (key: Key, value?: string): Promise<StoredObject> =>
    store.write({ key, expect: store.latest(key)?.revision ?? 0, object: config(key, value) });
  const remove = (key: Key): Promise<StoredObject> => store.write({ key, expect: store.latest(key)?.revision ?? 0, object: undefined });

  test("a new store is at revision 1, and each write takes the next", async () => {
    expect([store.revision, store.oldestRevision, store.count(resource)]).toEqual([1, 1, 0]);
    expect(store.list({ resource })).toEqual({ objects: [], revision: 1, remaining: 0 });
    expect((await put(keyed("a"))).revision).toBe(2);
    expect((await put(keyed("b"))).revision).toBe(3);
    expect([store.revision, store.count(resource)]).toEqual([3, 2]);
  });

  test("what is read back is what was written, with its resourceVersion, frozen, as text and as object", async () => {
    const given = config(keyed("a"));
    const { text, object } = await store.write({ key: keyed("a"), expect: 0, object: given });
    expect(object).toEqual({ ...given, metadata: { ...given.metadata, resourceVersion: "2" } });
    expect(JSON.parse(text)).toEqual(object);
    expect(store.get(keyed("a"))?.object).toBe(object);
    expect(() => Object.assign(object.metadata, { name: "other" })).toThrow(TypeError);
    expect(Object.isFrozen(given.data)).toBe(true);
  });

  test("who owns its fields is part of the text, and not of the object; objects of a shape share it", async () => {
    const fieldsV1 = { "f:data": { ".": {}, 'f:va"l,]}ue': {}, 'k:{"a":"],\\"resourceVersion\\":"}': {} } };
    const entry = { manager: 'a","b', operation: "Update" as const, apiVersion: "v1", fieldsType: "FieldsV1" };
    const managedFields = [
      { ...entry, time: "2026-01-01T00:00:00Z", fieldsV1 },
      { ...entry, fieldsV1, subresource: "status" },
    ];
    const key = keyed("a");
    const labels = { resourceVersion: "2", managedFields: "[{" };
    const object = { ...config(key), metadata: { name: "a", namespace: "default", labels } };
    const written = await store.write({ key, expect: 0, object, managed: ManagedFields.fromEntries(managedFields) });
    expect(JSON.parse(written.text)).toEqual({
      ...object,
      metadata: { ...object.metadata, resourceVersion: "2", managedFields: expect.arrayContaining(managedFields) },
    });
    expect(written.object.metadata).not.toHaveProperty("managedFields");
    if (lasts) {
      await store.close();
      store = await open();
    }
    const read = store.get(key);
    expect(read?.text).toBe(written.text);
    expect(read?.object).toEqual(written.object);
    expect(read?.managed?.owners[0]?.set).toBe(written.managed?.owners[0]?.set);
    const gone = await remove(key);
    expect(JSON.parse(gone.text).metadata).toMatchObject({ resourceVersion: "3", managedFields: [entry, entry] });
  });

  test("a write on a wrong revision fails at once and shows what is there", async () => {
    const first = await put(keyed("a"));
    const wrong = [
      { key: keyed("a"), expect: 0, object: config(keyed("a")) },
      { key: keyed("a"), expect: 99, object: undefined },
      { key: keyed("missing"), expect: 2, object: config(keyed("missing")) },
      { key: keyed("missing"), expect: 0, object: undefined },
    ];
    for (const write of wrong) expect(() => store.write(write)).toThrow(PreconditionFailed);
    try {
      store.write({ key: keyed("a"), expect: 0, object: config(keyed("a")) });
    } catch (error) {
      expect(error).toMatchObject({ current: first });
    }
    expect(store.revision).toBe(2);
  });

  test("expectations are compared with writes still on their way; readers see only what is durable", async () => {
    const create = store.write({ key: keyed("a"), expect: 0, object: config(keyed("a"), "1") });
    expect(store.get(keyed("a"))).toBeUndefined();
    expect(store.latest(keyed("a"))?.revision).toBe(2);
    expect(() => store.write({ key: keyed("a"), expect: 0, object: config(keyed("a")) })).toThrow(PreconditionFailed);
    const update = store.write({ key: keyed("a"), expect: 2, object: config(keyed("a"), "2") });
    const deletion = store.write({ key: keyed("a"), expect: 3, object: undefined });
    expect(store.latest(keyed("a"))).toBeUndefined();
    const again = store.write({ key: keyed("a"), expect: 0, object: config(keyed("a"), "3") });
    expect((await Promise.all([create, update, deletion, again])).map((s) => s.revision)).toEqual([2, 3, 4, 5]);
    expect(store.get(keyed("a"))).toMatchObject({ revision: 5, object: { data: { value: "3" } } });
  });

  test("a deletion gives the last state with the deletion's revision", async () => {
    await put(keyed("a"), "last");
    const deleted = await remove(keyed("a"));
    expect(deleted).toMatchObject({ revision: 3, object: { metadata: { resourceVersion: "3" }, data: { value: "last" } } });
    expect(JSON.parse(deleted.text)).toEqual(deleted.object);
    expect([store.get(keyed("a")), store.latest(keyed("a")), store.count(resource)]).toEqual([undefined, undefined, 0]);
  });

  test("lists are in the order of namespace/name and may be of one namespace", async () => {
    for (const [namespace, name] of [
      ["b", "z"],
      ["a", "y"],
      ["ab", "m"],
      ["a", "x"],
      ["", "cluster"],
    ] as const)
      await put(keyed(name, namespace));
    expect(names(store.list({ resource }).objects)).toEqual(["/cluster", "a/x", "a/y", "ab/m", "b/z"]);
    expect(names(store.list({ resource, namespace: "a" }).objects)).toEqual(["a/x", "a/y"]);
    expect(names(store.list({ resource, namespace: "" }).objects)).toEqual(["/cluster"]);
    expect(store.list({ resource: "/pods" })).toEqual({ objects: [], revision: 6, remaining: 0 });
  });

  test("of namespaces with like names each is a list of its own, with its own rest", async () => {
    for (const namespace of ["a", "a-b", "a0", "ab"]) for (const name of ["x", "y", "z"]) await put(keyed(name, namespace));
    const { objects, remaining } = store.list({ resource, namespace: "a", limit: 1 });
    expect([names(objects), remaining]).toEqual([["a/x"], 2]);
    const after = { namespace: "a", name: "y" };
    expect(names(store.list({ resource, namespace: "a", limit: 5, after }).objects)).toEqual(["a/z"]);
    expect(store.list({ resource, limit: 5, after }).remaining).toBe(2);
  });

  test("pages follow each other without a gap and say how much remains", async () => {
    const all = Array.from({ length: 1500 }, (_, i) => `n-${(i * 7919) % 1500}`);
    await Promise.all(all.map((name) => put(keyed(name))));
    const got: string[] = [];
    for (let after: { namespace: string; name: string } | undefined; ; ) {
      const page = store.list({ resource, namespace: "default", limit: 400, ...(after ? { after } : {}) });
      got.push(...page.objects.map((o) => o.key.name));
      expect(page.remaining).toBe(1500 - got.length);
      if (page.remaining === 0) break;
      after = page.objects.at(-1)?.key;
    }
    expect(got).toEqual(all.sort());
    const odd = (o: StoredObject): boolean => o.key.name.endsWith("1");
    expect(store.list({ resource, limit: 10, match: odd })).toMatchObject({ remaining: 140 });
    await Promise.all(all.filter((_, i) => i % 3 > 0).map((name) => remove(keyed(name))));
    expect(names(store.list({ resource }).objects)).toEqual(all.filter((_, i) => i % 3 === 0).map((name) => `default/${name}`));
  });

  test("a list at a past revision shows exactly that revision, page by page", async () => {
    for (const name of ["a", "b", "c", "d"]) await put(keyed(name), "old");
    const { revision } = store;
    await remove(keyed("a"));
    await put(keyed("b"), "new");
    await put(keyed("b"), "newer");
    await remove(keyed("d"));
    await put(keyed("d"), "again");
    await put(keyed("aa"), "late");
    const past = store.list({ resource, revision, limit: 3 });
    expect(past).toMatchObject({ revision, remaining: 1 });
    expect(names(past.objects)).toEqual(["default/a", "default/b", "default/c"]);
    const rest = store.list({ resource, revision, after: { namespace: "default", name: "c" } });
    expect(names(rest.objects)).toEqual(["default/d"]);
    for (const { object } of [...past.objects, ...rest.objects]) expect(object).toMatchObject({ data: { value: "old" } });
    expect(names(store.list({ resource }).objects)).toEqual(["default/aa", "default/b", "default/c", "default/d"]);
    expect(() => store.list({ resource, revision: 99 })).toThrow(RangeError);
  });

  test("pages at a past revision are those of then, whatever was made, changed and deleted since", async () => {
    const name = (i: number): string => `n${String(i).padStart(2, "0")}`;
    for (let i = 0; i < 40; i += 2) await put(keyed(name(i)), "then");
    await put(keyed("n01", "other"), "then");
    const { revision } = store;
    for (let i = 0; i < 40; i += 6) await remove(keyed(name(i)));
    for (let i = 0; i < 44; i += 5) await put(keyed(name(i)), "since");
    for (const namespace of ["default", undefined]) {
      const then = [...Array(20).keys()].map((i) => `default/${name(i * 2)}`).concat(namespace ? [] : ["other/n01"]);
      const seen: string[] = [];
      for (let after: Key | undefined; seen.length < then.length; ) {
        const page = store.list({ resource, namespace, revision, limit: 3, ...(after ? { after } : {}) });
        seen.push(...names(page.objects));
        expect(page.remaining).toBe(then.length - seen.length);
        for (const { object } of page.objects) expect(object).toMatchObject({ data: { value: "then" } });
        after = page.objects.at(-1)?.key;
      }
      expect(seen).toEqual(then);
    }
  });

  test("a watch replays what came after its revision, then goes on, each change once and in order", async () => {
    await put(keyed("a"));
    const from = store.revision;
    await put(keyed("a"), "2");
    await put(keyed("b"));
    const events: StoreEvent[] = [];
    const watch = store.watch({ resource, from }, (event) => events.push(event));
    expect(told(events)).toEqual(["MODIFIED a@3", "ADDED b@4"]);
    await Promise.all([remove(keyed("a")), put(keyed("c")), put(keyed("c"), "2")]);
    expect(told(events)).toEqual(["MODIFIED a@3", "ADDED b@4", "DELETED a@5", "ADDED c@6", "MODIFIED c@7"]);
    expect(events[2]).toMatchObject({ object: { object: { metadata: { resourceVersion: "5" } } }, previous: { revision: 3 } });
    watch.stop();
    await put(keyed("d"));
    expect(events.length).toBe(5);
  });

  test("watches see only what they asked for", async () => {
    const seen: Record<string, string[]> = { all: [], namespace: [], other: [] };
    const into = (list: string) => (e: StoreEvent) => void seen[list]?.push(e.object.key.name);
    store.watch({ from: 1 }, into("all"));
    store.watch({ resource, namespace: "x", from: 1 }, into("namespace"));
    store.watch({ resource: "/pods", from: 1 }, into("other"));
    await put(keyed("a", "x"));
    await put(keyed("b", "y"));
    await put({ resource: "/pods", namespace: "x", name: "p" });
    expect(seen).toEqual({ all: ["a", "b", "p"], namespace: ["a"], other: ["p"] });
    const replayed: string[] = [];
    store.watch({ from: 1 }, (e) => replayed.push(e.object.key.name));
    expect(replayed).toEqual(["a", "b", "p"]);
  });

  test("a handler sees the store as of its event, may write, watch and stop, and may not spoil it for others", async () => {
    const late: string[] = [];
    const states: number[] = [];
    const watch = store.watch({ resource, from: 1 }, (event) => {
      states.push(store.revision);
      if (event.object.key.name !== "a") return;
      watch.stop();
      store.watch({ resource, from: store.revision }, (e) => late.push(e.object.key.name));
      void put(keyed("from-handler"));
    });
    await Promise.all([put(keyed("a")), put(keyed("b"))]);
    await expect.poll(() => late).toEqual(["b", "from-handler"]);
    expect(states).toEqual([2]);
  });

  test("after compaction older revisions are refused, newest states stay, later changes can be read back", async () => {
    for (const value of ["1", "2", "3"]) await put(keyed("a"), value);
    await put(keyed("b"));
    await remove(keyed("b"));
    await put(keyed("a"), "4");
    await store.compact(5);
    expect(store.oldestRevision).toBe(5);
    expect(() => store.list({ resource, revision: 4 })).toThrow(Compacted);
    expect(() => store.watch({ resource, from: 4 }, () => {})).toThrow(Compacted);
    expect(names(store.list({ resource, revision: 5 }).objects)).toEqual(["default/a", "default/b"]);
    const events: StoreEvent[] = [];
    store.watch({ resource, from: 5 }, (event) => events.push(event));
    expect(told(events)).toEqual(["DELETED b@6", "MODIFIED a@7"]);
    expect(events[1]?.previous).toMatchObject({ revision: 4, object: { data: { value: "3" } } });
    await store.compact(3);
    expect(store.oldestRevision).toBe(5);
    await expect(store.compact(8)).rejects.toThrow(RangeError);
  });

  test("close waits for what is on its way; afterwards writes and watches fail", async () => {
    const write = put(keyed("a"));
    await store.close();
    expect((await write).revision).toBe(2);
    expect(() => put(keyed("b"))).toThrow("the store is closed");
    expect(() => store.watch({ from: 2 }, () => {})).toThrow("the store is closed");
  });

  test.runIf(lasts)("opened again it is as it was: states, history, oldest revision", async () => {
    for (const name of ["a", "b", "c"]) await put(keyed(name), "ä€😀");
    await put(keyed("a"), "2");
    await store.compact(4);
    await remove(keyed("b"));
    const events: StoreEvent[] = [];
    store.watch({ from: 4 }, (event) => events.push(event));
    const texts = store.list({ resource }).objects.map((o) => o.text);
    await store.close();
    store = await open();
    expect([store.revision, store.oldestRevision]).toEqual([6, 4]);
    expect(store.list({ resource }).objects.map((o) => o.text)).toEqual(texts);
    expect(names(store.list({ resource, revision: 4 }).objects)).toEqual(["default/a", "default/b", "default/c"]);
    const replayed: StoreEvent[] = [];
    store.watch({ from: 4 }, (event) => replayed.push(event));
    expect(told(replayed)).toEqual(["MODIFIED a@5", "DELETED b@6"]);
    expect(replayed.map((e) => e.object.text)).toEqual(events.map((e) => e.object.text));
    expect((await put(keyed("d"))).revision).toBe(7);
  });

  test.runIf(lasts)("compactions that overlap, with writes in between, leave a whole log", async () => {
    for (let i = 0; i < 30; i++) await Promise.all(Array.from({ length: 200 }, (_, n) => put(keyed(`n-${n}`), String(i))));
    const done = [store.compact(4500), store.compact(5900), put(keyed("n-1"), "last"), store.compact(5950)];
    await Promise.all(done);
    await store.close();
    store = await open();
    expect([store.revision, store.oldestRevision, store.count(resource)]).toEqual([6002, 5950, 200]);
    expect(store.get(keyed("n-1"))?.object).toMatchObject({ data: { value: "last" } });
  });

  test.runIf(lasts)("revisions go on after everything was deleted and compacted", async () => {
    await put(keyed("a"));
    await remove(keyed("a"));
    await store.compact(store.revision);
    await store.close();
    store = await open();
    expect([store.revision, store.oldestRevision, store.count(resource)]).toEqual([3, 3, 0]);
    expect((await put(keyed("a"))).revision).toBe(4);
  });

  test.runIf(lasts)("a backup is a whole store of its own", async () => {
    await put(keyed("a"));
    await put(keyed("b"));
    await store.backup(join(folder, "copy.db"));
    await put(keyed("c"));
    await expect(store.backup(join(folder, "copy.db"))).rejects.toThrow(/the backup to .*copy.db failed: EEXIST/);
    expect((await stat(join(folder, "copy.db"))).mode & 0o777).toBe(0o600);
    const copy = await openStore({ path: join(folder, "copy.db") });
    expect([copy.revision, names(copy.list({ resource }).objects)]).toEqual([3, ["default/a", "default/b"]]);
    await copy.close();
  });
});
