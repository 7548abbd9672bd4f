import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../../../src/store/open.ts";
import { Compacted, type Store, type StoredObject } from "../../../src/store/store.ts";

/** A write that the store has acknowledged; value null: a deletion. */
interface Acknowledged {
  id: string;
  revision: number;
  value: string | null;
  /** Acknowledged before it was on the disk. */
  lazy?: true;
}

const dataOf = (state: StoredObject | undefined): unknown => (state ? JSON.parse(state.text).data.value : null);

/** Starts the writer, kills it at a random moment under load, and gives what had been acknowledged until then. */
async function writeUntilKilled(path: string, round: number): Promise<Acknowledged[]> {
  const writer: ChildProcess = spawn(process.execPath, [new URL("writer.ts", import.meta.url).pathname, path, String(round)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  writer.stdout?.setEncoding("utf8").on("data", (text: string) => {
    if (printed === "") setTimeout(() => writer.kill("SIGKILL"), Math.random() * 150);
    printed += text;
  });
  const [, signal] = await once(writer, "close");
  expect(signal).toBe("SIGKILL");
  // The last line may be cut: that write was not told to anybody.
  return printed
    .split("\n")
    .slice(1, -1)
    .map((line): Acknowledged => JSON.parse(line));
}

/** Every acknowledged write is in the history, or was compacted and then shows in the state at the oldest revision. */
function compare(store: Store, acknowledged: ReadonlyMap<number, Acknowledged>): void {
  const history = new Map<number, Acknowledged>();
  store.watch({ from: store.oldestRevision }, ({ type, object }) => {
    const id = `${object.key.namespace}/${object.key.name}`;
    history.set(object.revision, { id, revision: object.revision, value: type === "DELETED" ? null : String(dataOf(object)) });
  });
  const oldest = store.list({ resource: "/configmaps", revision: store.oldestRevision }).objects;
  const base = new Map(oldest.map((state) => [`${state.key.namespace}/${state.key.name}`, state]));
  const newest = new Map<string, Acknowledged>();
  for (const write of acknowledged.values()) {
    if (write.revision > store.oldestRevision) expect(history.get(write.revision)).toEqual(write);
    else if (write.revision > (newest.get(write.id)?.revision ?? 0)) newest.set(write.id, write);
  }
  for (const { id, revision, value } of newest.values()) {
    const state = base.get(id);
    // A write that was durable but not yet acknowledged when the process died may have replaced it.
    if (state && state.revision > revision) continue;
    if (state || value === null) expect([id, dataOf(state)]).toEqual([id, value]);
    else expect([...unacknowledgedDeletions(acknowledged, store)].length).toBeGreaterThan(0);
  }
}

/** Revisions that exist but were never acknowledged: only they can have taken away what was acknowledged. */
function* unacknowledgedDeletions(acknowledged: ReadonlyMap<number, Acknowledged>, store: Store): Generator<number> {
  for (let revision = 2; revision <= store.oldestRevision; revision++) if (!acknowledged.has(revision)) yield revision;
}

/** A lazy write may be lost, but then who has seen its revision is sent away; and a lease never shows what was not written. */
function compareLazy(store: Store, acknowledged: readonly Acknowledged[]): void {
  const kept = new Set<number>();
  store.watch({ from: store.oldestRevision }, ({ object }) => kept.add(object.revision));
  for (const { id, revision, value } of acknowledged) {
    if (revision <= store.oldestRevision) continue;
    const current = store.get({ resource: "/leases", namespace: "", name: id });
    if (current?.revision === revision) expect(dataOf(current)).toBe(value);
    if (!kept.has(revision)) expect(() => store.watch({ from: revision }, () => {})).toThrow(Compacted);
  }
}

/** The past shows at the revision of an acknowledged write what that wrote: of a dozen writes of any age. */
async function comparePast(store: Store, acknowledged: ReadonlyMap<number, Acknowledged>): Promise<void> {
  const writes = [...acknowledged.values()];
  for (let i = 0; i < 12; i++) {
    const write = writes[Math.floor((writes.length * i) / 12)];
    if (!write) continue;
    const [namespace = "", name = ""] = write.id.split("/");
    const past = await store.past.at(write.revision, { resource: "/configmaps", namespace });
    const state = past.get({ resource: "/configmaps", namespace, name });
    expect({ ...write, revision: state?.revision, value: dataOf(state) }).toEqual(
      write.value === null ? { ...write, revision: undefined } : write,
    );
  }
}

const past = { milliseconds: 60 * 60_000, bytes: 2 ** 30 };

test("kill -9 at any moment, 50 times under load, loses no acknowledged write, now or in the past, and repeats no revision", {
  timeout: 300_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "hue-crash-"));
  const path = join(folder, "state.db");
  const acknowledged = new Map<number, Acknowledged>();
  const lazy = new Map<number, Acknowledged>();
  let before = 1;
  let greatest = 1;
  let moved = 0;
  for (let round = 0; round < 50; round++) {
    const told = await writeUntilKilled(path, round);
    for (const write of told) {
      expect(write.revision).toBeGreaterThan(before);
      expect(acknowledged.has(write.revision) || lazy.has(write.revision)).toBe(false);
      (write.lazy ? lazy : acknowledged).set(write.revision, write);
      greatest = Math.max(greatest, write.revision);
    }
    const store = await openStore({ path, past });
    await comparePast(store, acknowledged);
    compare(store, acknowledged);
    compareLazy(
      store,
      told.filter((write) => write.lazy),
    );
    before = store.revision;
    moved = Math.max(moved, store.past.facts().bytes);
    expect(before).toBeGreaterThanOrEqual(greatest);
    await store.close();
  }
  expect(acknowledged.size).toBeGreaterThan(1000);
  expect(lazy.size).toBeGreaterThan(200);
  expect(moved).toBeGreaterThan(100_000);
  await rm(folder, { recursive: true });
});
