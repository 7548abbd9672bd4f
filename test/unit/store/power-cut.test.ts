import { readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openStore } from "../../../src/store/open.ts";
import type { Store, StoredObject } from "../../../src/store/store.ts";

/** Called before each sync of a file. */
const disk = vi.hoisted(() => ({ beforeSync: (_descriptor: number): Promise<void> => Promise.resolve() }));

vi.mock("node:fs", async (original) => ({
  ...(await original<typeof import("node:fs")>()),
  fdatasync: (descriptor: number, done: (error?: Error) => void) => void disk.beforeSync(descriptor).then(() => done(), done),
}));

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hue-power-"));
});

afterEach(() => rm(folder, { recursive: true }));

/** Numbers from 0 to 1, always the same: Park and Miller's. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
}

const sector = 512;

/**
 * What a disk may hold of a file after a power cut: of each sector, and of the length, what was synced last or what was written since.
 * `kept` is the part of the sectors that came to the disk.
 */
function torn(synced: Buffer, written: Buffer, kept: number, next: () => number): Buffer {
  const image = Buffer.alloc(next() < kept ? written.length : Math.min(synced.length, written.length));
  synced.copy(image);
  for (let at = 0; at < image.length; at += sector) if (next() < kept) written.copy(image, at, at, at + sector);
  return image;
}

/** The files of a store and what of them was synced; each power cut makes images of them, which are opened as a store. */
class PowerCuts {
  cuts = 0;
  private readonly synced = new Map<string, Buffer>();
  private readonly check: (store: Store) => void;
  private readonly next = random(7);

  constructor(paths: readonly string[], check: (store: Store) => void) {
    for (const path of paths) this.synced.set(path, readFileSync(path));
    this.check = check;
  }

  async beforeSync(descriptor: number): Promise<void> {
    const path = readlinkSync(`/proc/self/fd/${descriptor}`);
    for (const kept of [0.02, 0.5, 0.98]) await this.cut(kept);
    this.synced.set(path, readFileSync(path));
  }

  private async cut(kept: number): Promise<void> {
    const image = join(folder, `cut-${this.cuts++}.db`);
    for (const [path, synced] of this.synced) {
      await writeFile(path.endsWith("-wal") ? `${image}-wal` : image, torn(synced, readFileSync(path), kept, this.next));
    }
    const store = await openStore({ path: image });
    this.check(store);
    await store.close();
    await rm(image);
  }
}

test.skipIf(process.platform !== "linux")("a power cut at any sync loses nothing that was acknowledged", { timeout: 120_000 }, async () => {
  const path = join(folder, "state.db");
  const store = await openStore({ path });
  const acknowledged = new Map<string, StoredObject>();
  const cuts = new PowerCuts([path, `${path}-wal`], (survivor) => {
    for (const [name, stored] of acknowledged) {
      const found = survivor.get({ resource: "/configmaps", namespace: "n", name });
      // What was on its way may have come to the disk as well.
      if (!found || found.revision < stored.revision) throw new Error(`${name} was at ${stored.revision}, now at ${found?.revision}`);
      if (found.revision === stored.revision) expect(found.text).toBe(stored.text);
    }
  });
  disk.beforeSync = (descriptor) => cuts.beforeSync(descriptor);
  const next = random(3);
  for (let i = 0; i < 80; i++) {
    const names = Array.from({ length: 1 + Math.floor(next() * 8) }, () => `c-${Math.floor(next() * 30)}`);
    await Promise.all(
      [...new Set(names)].map(async (name) => {
        const key = { resource: "/configmaps", namespace: "n", name };
        const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { value: String(i).repeat(next() * 20_000) } };
        acknowledged.set(name, await store.write({ key, expect: store.latest(key)?.revision ?? 0, object }));
      }),
    );
    if (i % 10 === 9) await store.compact(store.revision - 1);
  }
  const { batches, syncs } = store.counts;
  // Each time that the write-ahead log came into the file has had two more syncs, of which nothing was lost either.
  expect((syncs - batches) / 2).toBeGreaterThanOrEqual(5);
  disk.beforeSync = () => Promise.resolve();
  await store.close();
});
