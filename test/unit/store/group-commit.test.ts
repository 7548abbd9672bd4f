import { describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/lib/clock.ts";
import { startHistory } from "../../../src/store/history-window.ts";
import type { Log } from "../../../src/store/log.ts";
import { memoryLog } from "../../../src/store/memory-log.ts";
import { RevisionStore } from "../../../src/store/revision-store.ts";
import { type StoredObject, StoreFailed } from "../../../src/store/store.ts";

/** A log whose disk is as slow as the test wants: each batch waits until it is let through or broken. */
function heldLog(): { log: Log; batches: number[][]; compactions: number[]; settle: (error?: Error) => void } {
  const batches: number[][] = [];
  const compactions: number[] = [];
  const waiting: ((error?: Error) => void)[] = [];
  const log: Log = {
    ...memoryLog,
    append(records) {
      batches.push(records.map((r) => r.revision));
      return new Promise((resolve, reject) => waiting.push((error) => (error ? reject(error) : resolve())));
    },
    compact: async (revision) => void compactions.push(revision),
  };
  return { log, batches, compactions, settle: (error) => waiting.shift()?.(error) };
}

function create(store: RevisionStore, name: string): Promise<StoredObject> {
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name } };
  return store.write({ key: { resource: "/configmaps", namespace: "default", name }, expect: 0, object });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("group commit", () => {
  test("a batch goes at once when the disk is idle, and one more gathers meanwhile", async () => {
    const { log, batches, settle } = heldLog();
    const store = await RevisionStore.open(log, "test");
    const first = create(store, "a");
    await turn();
    expect(batches).toEqual([[2]]);
    const rest = ["b", "c", "d", "e"].map((name) => create(store, name));
    await turn();
    expect(batches).toEqual([[2]]);
    expect(store.revision).toBe(1);
    settle();
    await first;
    expect(store.revision).toBe(2);
    await turn();
    expect(batches).toEqual([[2], [3, 4, 5, 6]]);
    settle();
    await Promise.all(rest);
    expect(store.revision).toBe(6);
  });

  test("when a batch fails, it and all later writes fail with the reason, and reads go on", async () => {
    const { log, settle } = heldLog();
    const store = await RevisionStore.open(log, "test");
    const first = create(store, "a");
    await turn();
    settle();
    await first;
    expect(store.failure).toBeUndefined();
    const underway = create(store, "b");
    await turn();
    const gathering = create(store, "c");
    const outcomes = Promise.allSettled([underway, gathering]);
    settle(new StoreFailed("the disk is full"));
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: { message: "the disk is full" } });
    expect(() => create(store, "d")).toThrow("the disk is full");
    expect(store.failure?.message).toBe("the disk is full");
    expect(store.latest({ resource: "/configmaps", namespace: "default", name: "b" })).toBeUndefined();
    expect(store.list({ resource: "/configmaps" })).toMatchObject({ revision: 2, objects: [{ key: { name: "a" } }] });
    expect(() => store.watch({ from: 1 }, () => {})).not.toThrow();
    await store.close();
  });
});

describe("history window", () => {
  test("each mark forgets what is older than the mark before, and nothing is done when nothing changed", async () => {
    const { log, compactions, settle } = heldLog();
    const store = await RevisionStore.open(log, "test");
    const clock = new FakeClock();
    const stop = startHistory(store, { clock });
    const add = async (name: string): Promise<void> => {
      const write = create(store, name);
      await turn();
      settle();
      await write;
    };
    await add("a");
    clock.advance(300_000);
    expect(store.oldestRevision).toBe(1);
    await add("b");
    clock.advance(300_000);
    expect(store.oldestRevision).toBe(2);
    clock.advance(300_000);
    expect(store.oldestRevision).toBe(3);
    clock.advance(3_600_000);
    // So little is not worth a write; the disk follows at the end.
    expect(compactions).toEqual([]);
    stop();
    await add("c");
    clock.advance(3_600_000);
    expect(store.oldestRevision).toBe(3);
    await store.close();
    expect(compactions).toEqual([3]);
  });

  test("a storm of updates shortens the window instead of filling the memory", async () => {
    const store = await RevisionStore.open(memoryLog, "test", { maxHistory: 100_000 });
    const key = { resource: "/configmaps", namespace: "default", name: "a" };
    for (let i = 0; i < 1000; i++) {
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { value: "x".repeat(1000) } };
      await store.write({ key, expect: store.latest(key)?.revision ?? 0, object });
    }
    expect(store.revision).toBe(1001);
    expect(store.oldestRevision).toBeGreaterThan(900);
    expect(store.oldestRevision).toBeLessThan(990);
    await store.close();
  });
});
