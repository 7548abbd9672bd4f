import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openStore } from "../../../src/store/open.ts";
import { type Store, StoreFailed } from "../../../src/store/store.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hue-store-"));
  path = join(folder, "state.db");
});

afterEach(() => rm(folder, { recursive: true }));

async function fill(store: Store, count: number, size = 2000): Promise<void> {
  for (let i = 0; i < count; i++) {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `c-${i}` }, data: { value: "x".repeat(size) } };
    await store.write({ key: { resource: "/configmaps", namespace: "default", name: `c-${i}` }, expect: 0, object });
  }
}

/** A store of 100 objects, closed, then damaged by the call. */
async function damaged(damage: () => Promise<unknown> | unknown): Promise<unknown> {
  const store = await openStore({ path });
  await fill(store, 100);
  await store.close();
  await damage();
  return openStore({ path }).then(
    (opened) => opened.close(),
    (error: unknown) => error,
  );
}

function sql(statement: string): void {
  const db = new Sqlite(path);
  db.exec(statement);
  db.close();
}

describe("a file that cannot be used is refused with one clear sentence", () => {
  const cases: [name: string, damage: () => Promise<unknown> | unknown, message: RegExp][] = [
    ["another kind of file", () => writeFile(path, "hello ".repeat(1000)), /is damaged or not a store of hue: .*; restore a backup/],
    ["an empty file", () => writeFile(path, ""), /is damaged or not a store of hue: it was not made by hue/],
    ["someone else's database", () => rm(path).then(() => sql("CREATE TABLE t (a)")), /it was not made by hue/],
    ["a newer format", () => sql("PRAGMA user_version = 7"), /its format is version 7, this hue knows version 2; start the version/],
    ["a file cut short", () => truncate(path, 40_000), /is damaged or not a store of hue/],
    ["a lost row", () => sql("DELETE FROM log WHERE revision = 50"), /is damaged: revision 51 does not follow/],
    [
      "changed text",
      () => sql("UPDATE log SET text = replace(text, 'x', 'y') WHERE revision = 50"),
      /revision 50 is not as it was written/,
    ],
    ["no state", () => sql("DELETE FROM state"), /it has lost its state/],
    ["a missing file beside its write-ahead log", () => rm(path).then(() => writeFile(`${path}-wal`, "x")), /the file itself is missing/],
    ["zeros", () => writeFile(path, Buffer.alloc(8192)), /is damaged or not a store of hue/],
  ];
  test.each(cases)("%s", async (_, damage, message) => {
    const error = await damaged(damage);
    expect(error).toBeInstanceOf(StoreFailed);
    expect(String(error)).toMatch(message);
    expect(String(error)).not.toContain("\n");
  });

  test("flipped bits anywhere are noticed or do no harm, and never lose an object", async () => {
    const intact = await openStore({ path });
    await fill(intact, 100);
    await intact.close();
    const whole = await readFile(path);
    for (let at = 4096; at < whole.length; at += 7989) {
      const copy = Buffer.from(whole);
      copy.fill(0xa5, at, at + 64);
      await writeFile(path, copy);
      const store = await openStore({ path }).catch((error: unknown) => error);
      if (store instanceof StoreFailed) continue;
      const { objects, revision } = (store as Store).list({ resource: "/configmaps" });
      expect([objects.length, revision]).toEqual([100, 101]);
      await (store as Store).close();
    }
  });

  test("a folder that cannot be made", async () => {
    await writeFile(path, "");
    await expect(openStore({ path: join(path, "below", "state.db") })).rejects.toThrow(/the folder of .* cannot be made/);
  });
});

describe("one server a file", () => {
  const opener = `import { openStore } from ${JSON.stringify(new URL("../../../src/store/open.ts", import.meta.url).pathname)};
    openStore({ path: process.argv[1] }).then(() => console.log("opened"), (error) => console.log(error.message));`;
  const openElsewhere = async (): Promise<string> => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", opener, path]);
    return stdout.trim();
  };

  test("a second one is refused, in this process and in another, also before anything was written", async () => {
    const store = await openStore({ path });
    const refusal = `${path} is in use by another server; stop that one, or start this one with another data folder`;
    await expect(openStore({ path })).rejects.toThrow(refusal);
    expect(await openElsewhere()).toBe(refusal);
    await fill(store, 1);
    expect(store.revision).toBe(2);
    await store.close();
    expect(await openElsewhere()).toBe("opened");
  });

  test("of several that start at once on a new folder, never two win, and the next one finds it in order", async () => {
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => openStore({ path })));
    const opened = results.flatMap((r) => (r.status === "fulfilled" ? [r.value] : []));
    // On a busy machine all four may see each other's lock; a server holds its data folder before it opens the store.
    expect(opened.length).toBeLessThanOrEqual(1);
    for (const store of opened) await store.close();
    expect(await openElsewhere()).toBe("opened");
  });
});

describe("a full disk", () => {
  test("fails writes with what to do, loses nothing acknowledged, reads on, and writes again with more room", async () => {
    const store = await openStore({ path, maxBytes: 200_000 });
    let acknowledged = 0;
    const writes = Array.from({ length: 500 }, (_, i) => {
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `c-${i}` }, data: { value: "x".repeat(2000) } };
      const key = { resource: "/configmaps", namespace: "default", name: `c-${i}` };
      return new Promise((resolve) => setImmediate(resolve, undefined))
        .then(() => store.write({ key, expect: 0, object }))
        .then(() => acknowledged++);
    });
    const reasons = (await Promise.allSettled(writes)).flatMap((r) => (r.status === "rejected" ? [String(r.reason)] : []));
    expect(reasons.length).toBeGreaterThan(0);
    for (const reason of reasons)
      expect(reason).toMatch(/the disk is full: .*state.db cannot grow; free some space, then restart the server/);
    expect(store.count("/configmaps")).toBe(acknowledged);
    await store.close();
    const again = await openStore({ path });
    expect(again.count("/configmaps")).toBe(acknowledged);
    await again.write({
      key: { resource: "/configmaps", namespace: "default", name: "more" },
      expect: 0,
      object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "more" } },
    });
    await again.close();
  });
});

test("the file is for its owner only, and no helper files stay behind", async () => {
  await chmod(folder, 0o755);
  const store = await openStore({ path: join(folder, "new", "state.db") });
  await fill(store, 3);
  expect((await stat(join(folder, "new"))).mode & 0o777).toBe(0o700);
  expect((await stat(join(folder, "new", "state.db"))).mode & 0o777).toBe(0o600);
  await store.close();
  expect(existsSync(join(folder, "new", "state.db-wal"))).toBe(false);
});
