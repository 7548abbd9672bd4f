import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isReason, StatusError } from "../../../src/api/errors.ts";
import type { ConfigMap } from "../../../src/api/types/core.v1.ts";
import { ConfigMaps, Deployments, Namespaces } from "../../../src/api/types/resources.ts";
import { Client } from "../../../src/client/client.ts";
import { createHttpsTransport } from "../../../src/client/https-transport.ts";
import type { Transport, WatchEvent } from "../../../src/client/transport.ts";
import { createLocalTransport } from "../../../src/server/local-transport.ts";
import { configMap, type RunningServer, startServer } from "../apiserver/running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

const transports: Record<string, () => Transport> = {
  "in process": () => createLocalTransport(running.server),
  "over HTTPS": () => createHttpsTransport({ server: running.url, ca: running.authority.certificate, token: "admin" }),
};

/** What a watch has told so far. */
interface Seen {
  events: WatchEvent[];
  synced: boolean;
  error: unknown;
  closed: boolean;
  stop(): void;
}

function watch(transport: Transport, namespace: string, options = {}): Seen {
  const seen: Seen = { events: [], synced: false, error: undefined, closed: false, stop: () => {} };
  seen.stop = transport.watch(
    { resource: ConfigMaps, namespace },
    {
      event: (event) => void seen.events.push(event),
      synced: () => void (seen.synced = true),
      closed: (error) => Object.assign(seen, { error, closed: true }),
    },
    options,
  );
  return seen;
}

const told = ({ events }: Seen): string[] =>
  events.filter(({ type }) => type !== "BOOKMARK").map(({ type, object }) => `${type} ${object.metadata.name}`);

describe.each(Object.keys(transports))("the transport %s", (name) => {
  let transport: Transport;
  let client: Client;
  const namespace = name.replaceAll(" ", "-").toLowerCase();
  const at = (object: string): { namespace: string; name: string } => ({ namespace, name: object });
  const make = (object: string, data = {}): ConfigMap => ({ ...configMap(object, data), metadata: at(object) }) as ConfigMap;

  beforeAll(async () => {
    transport = transports[name]?.() as Transport;
    client = new Client(transport);
    await client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace }, spec: {} });
  });
  afterAll(() => transport.close());

  test("creates, reads, replaces, patches and deletes", async () => {
    const made = await client.create(ConfigMaps, make("a", { x: "1" }));
    expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    const next = { ...structuredClone(made), data: { x: "2" } };
    const updated = await client.update(ConfigMaps, next);
    expect(updated.data).toEqual({ x: "2" });
    await expect(client.update(ConfigMaps, next)).rejects.toSatisfy((error) => isReason(error, "Conflict"));
    await client.patch(ConfigMaps, at("a"), { type: "merge", body: { data: { y: "3" } } });
    expect((await client.get(ConfigMaps, at("a"))).data).toEqual({ x: "2", y: "3" });
    await client.patch(ConfigMaps, at("a"), { type: "json", body: [{ op: "remove", path: "/data/x" }] });
    expect((await client.get(ConfigMaps, at("a"))).data).toEqual({ y: "3" });
    await client.delete(ConfigMaps, at("a"));
    await expect(client.get(ConfigMaps, at("a"))).rejects.toSatisfy((error) => isReason(error, "NotFound"));
  });

  test("throws the Status that says what is wrong", async () => {
    await expect(client.get(ConfigMaps, at("none"))).rejects.toThrow('configmaps "none" not found');
    const bad = client.create(ConfigMaps, make("Bad_Name"));
    await expect(bad).rejects.toBeInstanceOf(StatusError);
    await expect(bad).rejects.toThrow(/^ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"/);
  });

  test("a dry run changes nothing", async () => {
    const dry = await client.create(ConfigMaps, make("dry"), { dryRun: true });
    expect(dry.metadata.uid).toBeTruthy();
    await expect(client.get(ConfigMaps, at("dry"))).rejects.toSatisfy((error) => isReason(error, "NotFound"));
  });

  test("scales through the subresource", async () => {
    const template = { metadata: { labels: { app: "w" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    await client.create(Deployments, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: at("w"),
      spec: { replicas: 1, selector: { matchLabels: { app: "w" } }, template },
    });
    const target = { resource: Deployments, ...at("w"), subresource: "scale" };
    const scale = await transport.patch(target, "merge", { spec: { replicas: 4 } });
    expect(scale).toMatchObject({ kind: "Scale", apiVersion: "autoscaling/v1", spec: { replicas: 4 }, status: { selector: "app=w" } });
    expect((await client.get(Deployments, at("w"))).spec?.replicas).toBe(4);
  });

  test("lists with selectors and in pages", async () => {
    for (const object of ["p1", "p2", "p3"])
      await client.create(ConfigMaps, { ...make(object), metadata: { ...at(object), labels: { page: "yes" } } });
    const first = await client.list(ConfigMaps, { namespace, labelSelector: "page=yes", limit: 2 });
    expect(first.items.map(({ metadata }) => metadata.name)).toEqual(["p1", "p2"]);
    const second = await client.list(ConfigMaps, { namespace, labelSelector: "page=yes", limit: 2, continue: first.metadata.continue });
    expect(second.items.map(({ metadata }) => metadata.name)).toEqual(["p3"]);
    expect(second.metadata.continue).toBeFalsy();
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    await client.deleteCollection(ConfigMaps, { namespace, labelSelector: "page=yes" });
    expect((await client.list(ConfigMaps, { namespace, labelSelector: "page=yes" })).items).toEqual([]);
  });

  test("a watch tells what is there, says when that is done, and then every change in order", async () => {
    await client.create(ConfigMaps, make("w1"));
    const seen = watch(transport, namespace);
    await expect.poll(() => seen.synced).toBe(true);
    expect(told(seen)).toContain("ADDED w1");
    const before = told(seen).length;
    await client.create(ConfigMaps, make("w2"));
    await client.patch(ConfigMaps, at("w2"), { type: "merge", body: { data: { a: "b" } } });
    await client.delete(ConfigMaps, at("w2"));
    await expect.poll(() => told(seen).slice(before)).toEqual(["ADDED w2", "MODIFIED w2", "DELETED w2"]);
    seen.stop();
    const count = seen.events.length;
    await client.create(ConfigMaps, make("w3"));
    expect(seen.events.length).toBe(count);
    expect(seen.closed).toBe(false);
  });

  test("a watch from a revision tells what came after it", async () => {
    const from = await client.create(ConfigMaps, make("r1"));
    await client.create(ConfigMaps, make("r2"));
    const seen = watch(transport, namespace, { resourceVersion: from.metadata.resourceVersion });
    await expect.poll(() => told(seen)).toEqual(["ADDED r2"]);
    seen.stop();
  });

  test("a watch from a revision that is no longer kept ends with Expired", async () => {
    const from = (await client.create(ConfigMaps, make("old"))).metadata.resourceVersion;
    for (const x of ["1", "2", "3"]) await client.patch(ConfigMaps, at("old"), { type: "merge", body: { data: { x } } });
    await running.store.compact(running.store.revision);
    const seen = watch(transport, namespace, { resourceVersion: from });
    await expect.poll(() => seen.closed).toBe(true);
    expect(isReason(seen.error, "Expired")).toBe(true);
  });
});

test("in process, readers get the store's own frozen objects", async () => {
  const local = new Client(createLocalTransport(running.server));
  await local.create(ConfigMaps, configMap("shared") as ConfigMap);
  const ref = { namespace: "default", name: "shared" };
  const [one, two] = await Promise.all([local.get(ConfigMaps, ref), local.get(ConfigMaps, ref)]);
  expect(one).toBe(two);
  expect(Object.isFrozen(one.metadata)).toBe(true);
});
