import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Encryption } from "../../../../src/apiserver/encryption/encryption.ts";
import { FakeClock, systemClock } from "../../../../src/lib/clock.ts";
import { silentLogger } from "../../../../src/lib/log.ts";
import { openStore } from "../../../../src/store/open.ts";
import type { Key, Store, StoredObject } from "../../../../src/store/store.ts";
import { type KmsPlugin, startKmsPlugin } from "./kms-plugin.ts";

let folder: string;
let config: string;
let running: { store: Store; encryption: Encryption | undefined } | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hue-encryption-"));
  config = join(folder, "encryption.yaml");
});

afterEach(async () => {
  await stop();
  rmSync(folder, { recursive: true });
});

async function stop(): Promise<void> {
  await running?.store.close();
  running?.encryption?.close();
  running = undefined;
}

const secretKey = (letter: string, bytes = 32): string => Buffer.from(letter.repeat(bytes)).toString("base64");
const keys = (...names: string[]): object => ({ keys: names.map((name) => ({ name, secret: secretKey(name) })) });
const secrets = (...providers: object[]): object => ({ resources: ["secrets"], providers });

function configure(...resources: object[]): void {
  const text = JSON.stringify({ apiVersion: "apiserver.config.k8s.io/v1", kind: "EncryptionConfiguration", resources });
  // In one step, as every careful writer does.
  writeFileSync(`${config}.new`, text);
  renameSync(`${config}.new`, config);
}

/** Starts a server's store anew: with the configuration of now, or without any. */
async function start({ clock = systemClock, reload = false, encrypted = true } = {}): Promise<Store> {
  await stop();
  const encryption = encrypted ? await Encryption.start({ path: config, reload, clock, log: silentLogger }) : undefined;
  try {
    const store = await openStore({ path: join(folder, "state.db"), sealing: encryption });
    running = { store, encryption };
    return store;
  } catch (error) {
    encryption?.close();
    throw error;
  }
}

const db: Key = { resource: "/secrets", namespace: "default", name: "db" };
const password = "correct horse battery staple";

function put(store: Store, key: Key, value = password): Promise<StoredObject> {
  const object = { apiVersion: "v1", kind: "Any", metadata: { name: key.name, namespace: key.namespace }, data: { value } };
  return store.write({ key, expect: store.latest(key)?.revision ?? 0, object });
}

/** What the disk holds, as text. */
function disk(): string {
  return readdirSync(folder)
    .filter((name) => name.startsWith("state.db"))
    .map((name) => readFileSync(join(folder, name), "latin1"))
    .join("");
}

const isStale = (store: Store, key: Key): boolean => {
  const stored = store.get(key);
  return stored !== undefined && store.isStale(stored);
};

describe.each([
  ["aescbc", "k8s:enc:aescbc:v1:a:"],
  ["aesgcm", "k8s:enc:aesgcm:v1:a:"],
  ["secretbox", "k8s:enc:secretbox:v1:a:"],
])("%s", (provider, prefix) => {
  beforeEach(() => configure(secrets({ [provider]: keys("a") }, { identity: {} })));

  test("comes to the disk encrypted, is plain in memory, and is read back by the next server", async () => {
    let store = await start();
    await put(store, db);
    await put(store, { ...db, resource: "/configmaps" }, "in the open");
    expect(store.get(db)?.text).toContain(password);
    expect(disk().includes(password)).toBe(false);
    expect(disk()).toContain(prefix);
    expect(disk()).toContain("in the open");
    store = await start();
    expect(store.get(db)?.text).toContain(password);
    expect(isStale(store, db)).toBe(false);
  });

  test("a value moved to another object is refused", async () => {
    await put(await start(), db);
    await stop();
    // The row of another Secret gets this one's value.
    const encryption = await Encryption.start({ path: config, reload: false, clock: systemClock, log: silentLogger });
    const stored = encryption.seal(db, "{}");
    expect(await encryption.unseal(db, stored)).toMatchObject({ text: "{}" });
    await expect(async () => encryption.unseal({ ...db, name: "other" }, stored)).rejects.toThrow(`provider of "${prefix}"`);
    encryption.close();
  });

  test("a wrong key is refused in one sentence that names the object and the key", async () => {
    await put(await start(), db);
    await stop();
    configure(secrets({ [provider]: { keys: [{ name: "a", secret: secretKey("x") }] } }));
    await expect(start()).rejects.toThrow(
      /^.*state\.db cannot be read: secrets "default\/db" cannot be decrypted: .*"k8s:enc:[a-z]+:v1:a:"[^\n]*$/,
    );
  });
});

test("a server without its configuration does not start, nor one whose key is missing", async () => {
  configure(secrets({ aesgcm: keys("a") }));
  await put(await start(), db);
  await expect(start({ encrypted: false })).rejects.toThrow(
    /secrets "default\/db" .*without --secrets-encryption or --encryption-provider-config/,
  );
  configure(secrets({ aesgcm: keys("b") }, { identity: {} }));
  await expect(start()).rejects.toThrow('secrets "default/db" cannot be decrypted');
  configure(secrets({ aesgcm: keys("b", "a") }));
  expect((await start()).get(db)?.text).toContain(password);
});

test("plain text is read only with the provider identity", async () => {
  await put(await start({ encrypted: false }), db);
  configure(secrets({ aesgcm: keys("a") }));
  await expect(start()).rejects.toThrow('secrets "default/db" cannot be decrypted: it is plain text');
  configure(secrets({ aesgcm: keys("a") }, { identity: {} }));
  const store = await start();
  expect(isStale(store, db)).toBe(true);
});

test("what was plain before goes from the disk with its history", async () => {
  await put(await start({ encrypted: false }), db);
  configure(secrets({ aesgcm: keys("a") }, { identity: {} }));
  const store = await start();
  await put(store, db);
  await store.compact(store.revision);
  await stop();
  expect(disk().includes(password)).toBe(false);
  expect((await start()).get(db)?.text).toContain(password);
});

test("keys rotate: old values are stale until they are written, and then the old key can go with its history", async () => {
  configure(secrets({ aesgcm: keys("a") }));
  let store = await start();
  const gone = { ...db, name: "gone" };
  await put(store, db, "one");
  await put(store, gone);
  await store.write({ key: gone, expect: store.get(gone)?.revision ?? 0, object: undefined });
  configure(secrets({ aesgcm: keys("b", "a") }));
  store = await start();
  expect(isStale(store, db)).toBe(true);
  await put(store, db, "two");
  expect(isStale(store, db)).toBe(false);
  await running?.store.close();
  configure(secrets({ aesgcm: keys("b") }));
  store = await start();
  expect(store.get(db)?.text).toContain("two");
  expect(store.get(gone)).toBeUndefined();
});

test("the first entry that names a resource counts, by itself or by a wildcard", async () => {
  configure(
    secrets({ aesgcm: keys("a") }),
    { resources: ["*.apps"], providers: [{ aescbc: keys("b") }] },
    { resources: ["events"], providers: [{ identity: {} }] },
    { resources: ["*.*"], providers: [{ secretbox: keys("c") }] },
  );
  const store = await start();
  for (const resource of ["/secrets", "apps/deployments", "/events", "example.com/widgets"])
    await put(store, { ...db, resource, name: "x" }, `value of ${resource}`);
  const bytes = disk();
  for (const prefix of ["aesgcm:v1:a:", "aescbc:v1:b:", "secretbox:v1:c:"]) expect(bytes).toContain(`k8s:enc:${prefix}`);
  expect(bytes).toContain("value of /events");
  for (const resource of ["/secrets", "apps/deployments", "example.com/widgets"]) expect(bytes).not.toContain(`value of ${resource}`);
});

describe("automatic reload", () => {
  test("takes over new keys, and no file that could not read what is there", async () => {
    configure(secrets({ aesgcm: keys("a") }));
    const store = await start({ reload: true });
    await put(store, db);
    configure(secrets({ aesgcm: keys("b", "a") }));
    await vi.waitFor(() => expect(isStale(store, db)).toBe(true), 5000);
    await put(store, { ...db, name: "new" });
    expect(disk()).toContain("k8s:enc:aesgcm:v1:b:");
    configure(secrets({ aesgcm: keys("c") }));
    const failures = (): string => running?.encryption?.metrics(store, registry).join("") ?? "";
    await vi.waitFor(() => expect(failures()).toContain('reloads_total{status="failure"} 1'), 5000);
    await put(store, { ...db, name: "newer" });
    expect(disk()).not.toContain("k8s:enc:aesgcm:v1:c:");
    await put(store, db);
    configure(secrets({ aesgcm: keys("b") }));
    await vi.waitFor(() => expect(failures()).toContain('reloads_total{status="success"} 2'), 5000);
  });
});

const registry = { groupVersions: () => [], resources: () => [] } as unknown as Parameters<Encryption["metrics"]>[1];

describe("a KMS v2 plugin", () => {
  let plugin: KmsPlugin;
  let socket: string;
  const pluginKeys = new Map<string, Buffer>();

  beforeEach(async () => {
    socket = join(folder, "kms.sock");
    plugin = await startKmsPlugin(socket, pluginKeys);
    const kms = { apiVersion: "v2", name: "vault", endpoint: `unix://${socket}`, timeout: "2s" };
    configure(secrets({ kms }, { identity: {} }));
  });

  afterEach(() => plugin.stop().catch(() => {}));

  test("encrypts one seed, with which all values are encrypted; the next server asks for it once", async () => {
    const store = await start();
    for (const name of ["a", "b", "c"]) await put(store, { ...db, name });
    expect(plugin.calls).toEqual(["Status", "Encrypt"]);
    expect(disk().includes(password)).toBe(false);
    expect(disk()).toContain("k8s:enc:kms:v2:vault:");
    await stop();
    plugin.calls.length = 0;
    const again = await start();
    expect(again.get({ ...db, name: "b" })?.text).toContain(password);
    expect(plugin.calls.sort()).toEqual(["Decrypt", "Encrypt", "Status"]);
    expect(isStale(again, { ...db, name: "b" })).toBe(false);
  });

  test("a new key of the plugin's makes values stale; without the plugin writes go on for three minutes", async () => {
    const clock = new FakeClock();
    const store = await start({ clock });
    const check = (): string | undefined => running?.encryption?.healthCheck.check();
    await put(store, db);
    plugin.keyId = "two";
    clock.advance(60_000);
    await vi.waitFor(() => expect(isStale(store, db)).toBe(true));
    await put(store, db);
    expect(isStale(store, db)).toBe(false);
    expect(check()).toBeUndefined();
    await plugin.stop();
    clock.advance(60_000);
    await vi.waitFor(() => expect(check()).toMatch(/Status of the KMS plugin at .*kms\.sock failed/));
    await put(store, db, "while it coasts");
    clock.advance(121_000);
    expect(() => put(store, db)).toThrow(/the seed of KMS provider vault expired at/);
    await put(store, { ...db, resource: "/configmaps" });
    plugin = await startKmsPlugin(socket, pluginKeys);
    plugin.keyId = "two";
    await vi.waitFor(() => {
      clock.advance(10_000);
      expect(check()).toBeUndefined();
    });
    await put(store, db);
  });

  test("what it says of itself is believed only when it is well", async () => {
    plugin.healthz = "sealed";
    const store = await start();
    expect(running?.encryption?.healthCheck.check()).toBe("got unexpected healthz status: sealed");
    expect(() => put(store, db)).toThrow("KMS provider vault has given no key yet: got unexpected healthz status: sealed");
  });

  test("a server that cannot ask it does not start when it needs it", async () => {
    await put(await start(), db);
    await stop();
    await plugin.stop();
    await expect(start()).rejects.toThrow(
      /secrets "default\/db" cannot be decrypted: .*"k8s:enc:kms:v2:vault:".*Decrypt of the KMS plugin/,
    );
  });
});
