import { Agent, request as undiciRequest } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/lib/clock.ts";
import { configMap, type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
const clock = new FakeClock(Date.now());
const agent = new Agent({ connect: { rejectUnauthorized: false } });
beforeAll(async () => {
  running = await startServer({ clock });
});
afterAll(async () => {
  await agent.destroy();
  await running.stop();
});

const maps = "/api/v1/namespaces/default/configmaps";
const merge = { "content-type": "application/merge-patch+json" };
const table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const partial = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const request: RunningServer["request"] = (...args) => running.request(...args);
const names = (body: { items: { metadata: { name: string } }[] }): string[] => body.items.map(({ metadata }) => metadata.name);

interface Stream {
  status: number;
  events: { type: string; object: { kind: string; metadata: { name: string; resourceVersion: string; annotations?: object } } }[];
  ended: boolean;
  stop(): void;
}

/** Opens a watch, and resolves when its headers have come. */
async function open(path: string, accept = "application/json"): Promise<Stream> {
  const abort = new AbortController();
  const headers = { authorization: "Bearer admin", accept };
  const response = await undiciRequest(running.url + path, { headers, dispatcher: agent, signal: abort.signal });
  const stream: Stream = { status: response.statusCode, events: [], ended: false, stop: () => abort.abort() };
  const read = async (): Promise<void> => {
    let rest = "";
    for await (const chunk of response.body) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) stream.events.push(JSON.parse(line));
    }
    stream.ended = true;
  };
  read().catch(() => {});
  return stream;
}

const told = ({ events }: Stream): string[] => events.map(({ type, object }) => `${type} ${object.metadata.name ?? ""}`.trim());

describe("lists", () => {
  beforeAll(async () => {
    for (const name of ["l1", "l2", "l3", "l4", "l5"])
      await request("POST", maps, configMap(name, { n: name }, { labels: { list: name } }));
  });

  test("pages share the first one's revision and count what remains", async () => {
    const first = (await request("GET", `${maps}?limit=2`)).body;
    expect(names(first)).toEqual(["l1", "l2"]);
    expect(first.metadata.remainingItemCount).toBe(3);
    expect(JSON.parse(Buffer.from(first.metadata.continue, "base64url").toString())).toMatchObject({ v: "meta.k8s.io/v1", start: "/l2\0" });
    await request("POST", maps, configMap("l2b"));
    await request("DELETE", `${maps}/l2b`);
    const second = (await request("GET", `${maps}?limit=2&continue=${first.metadata.continue}`)).body;
    expect(names(second)).toEqual(["l3", "l4"]);
    expect(second.metadata).toMatchObject({ resourceVersion: first.metadata.resourceVersion, remainingItemCount: 1 });
    const last = (await request("GET", `${maps}?limit=2&continue=${second.metadata.continue}`)).body;
    expect(names(last)).toEqual(["l5"]);
    expect(last.metadata).toEqual({ resourceVersion: first.metadata.resourceVersion });
  });

  test("a token that has expired comes back fresh, and goes on after the last key", async () => {
    const first = (await request("GET", `${maps}?limit=2`)).body;
    await request("PATCH", `${maps}/l1`, { data: { x: "y" } }, merge);
    await request("PATCH", `${maps}/l1`, { data: { x: "z" } }, merge);
    await running.store.compact(running.store.revision);
    const expired = await request("GET", `${maps}?limit=2&continue=${first.metadata.continue}`);
    expect(expired.body).toMatchObject({ code: 410, reason: "Expired" });
    expect(expired.body.message).toContain("The provided continue parameter is too old");
    const { body } = await request("GET", `${maps}?limit=2&continue=${expired.body.metadata.continue}`);
    expect(names(body)).toEqual(["l3", "l4"]);
    expect(body.metadata.remainingItemCount).toBe(1);
    expect(Number(body.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
    expect((await request("GET", `${maps}?resourceVersion=2&resourceVersionMatch=Exact`)).body).toMatchObject({
      code: 410,
      message: "The resourceVersion for the provided list is too old.",
    });
  });

  test("an exact revision shows the past", async () => {
    const before = (await request("GET", maps)).body.metadata.resourceVersion;
    await request("POST", maps, configMap("l9"));
    const { body } = await request("GET", `${maps}?resourceVersion=${before}&resourceVersionMatch=Exact`);
    expect(names(body)).toEqual(["l1", "l2", "l3", "l4", "l5"]);
    expect(body.metadata.resourceVersion).toBe(before);
    expect(names((await request("GET", `${maps}?resourceVersion=${before}`)).body)).toContain("l9");
  });

  test("selectors choose", async () => {
    expect(names((await request("GET", `${maps}?labelSelector=list%20in%20(l1,l4)`)).body)).toEqual(["l1", "l4"]);
    expect(
      names((await request("GET", `${maps}?fieldSelector=metadata.name!=l9,metadata.namespace=default&labelSelector=list!=l1`)).body),
    ).toEqual(["l2", "l3", "l4", "l5"]);
  });

  test.each([
    [
      "resourceVersion=x",
      400,
      'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
    ],
    ["labelSelector=a%20in", 400, "unable to parse requirement: found '' expected: '('"],
    [
      "resourceVersionMatch=Exact",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    ],
    ["resourceVersion=99999999", 504, /^Timeout: Too large resource version: 99999999, current: \d+$/],
    [
      "sendInitialEvents=true",
      422,
      'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    ],
    [
      "watch=1&sendInitialEvents=true",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    ],
    ["continue=abc", 400, "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value"],
  ])("?%s is refused", async (query, code, message) => {
    const answer = await request("GET", `${maps}?${query}`);
    expect(answer.code).toBe(code);
    expect(answer.body.message).toMatch(message);
  });

  test("a field that cannot be selected is refused", async () => {
    expect((await request("GET", "/api/v1/pods?fieldSelector=foo=bar")).body.message).toBe("field label not supported: foo");
  });

  test("Tables and partial metadata", async () => {
    const asTable = (await request("GET", `${maps}?limit=2`, undefined, { accept: table })).body;
    expect(asTable).toMatchObject({ kind: "Table", apiVersion: "meta.k8s.io/v1", metadata: { remainingItemCount: expect.any(Number) } });
    expect(asTable.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual(["Name", "Data", "Age"]);
    expect(asTable.rows[0].cells.slice(0, 1)).toEqual(["l1"]);
    expect(asTable.rows[0].object.kind).toBe("PartialObjectMetadata");
    const list = (await request("GET", maps, undefined, { accept: partial.replace("Metadata;", "MetadataList;") })).body;
    expect(list.kind).toBe("PartialObjectMetadataList");
    expect(list.items[0]).not.toHaveProperty("data");
    expect((await request("GET", `${maps}/l1`, undefined, { accept: "application/yaml" })).text).toContain("\nkind: ConfigMap\n");
    expect((await request("GET", `${maps}/l1`, undefined, { accept: "text/foo" })).code).toBe(406);
  });
});

describe("watches", () => {
  test("begin with their headers, also when there is nothing to tell", async () => {
    const stream = await open(`${maps}?watch=1&resourceVersion=${running.store.revision}`);
    expect(stream.status).toBe(200);
    expect(stream.events).toEqual([]);
    await request("POST", maps, configMap("w1"));
    await expect.poll(() => told(stream)).toEqual(["ADDED w1"]);
    stream.stop();
  });

  test("initial events end with a bookmark that says so", async () => {
    const stream = await open(
      "/api/v1/namespaces?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
    );
    await expect.poll(() => told(stream)).toEqual(["ADDED default", "ADDED kube-system", "BOOKMARK"]);
    const end = stream.events[2]?.object;
    expect(end).toMatchObject({ kind: "Namespace", metadata: { annotations: { "k8s.io/initial-events-end": "true" } } });
    expect(end?.metadata.resourceVersion).toBe(String(running.store.revision));
    stream.stop();
  });

  test("a selector turns changes into coming and going", async () => {
    const all = await open(`${maps}?watch=1&resourceVersion=${running.store.revision}`);
    const stream = await open(`${maps}?watch=1&resourceVersion=${running.store.revision}&labelSelector=w=yes`);
    await request("POST", maps, configMap("sel", { v: "1" }));
    await request("PATCH", `${maps}/sel`, { metadata: { labels: { w: "yes" } } }, merge);
    await request("PATCH", `${maps}/sel`, { data: { v: "2" } }, merge);
    const left = await request("PATCH", `${maps}/sel`, { metadata: { labels: { w: "no" } }, data: { v: "3" } }, merge);
    await request("DELETE", `${maps}/sel`);
    await expect.poll(() => told(all)).toEqual(["ADDED sel", "MODIFIED sel", "MODIFIED sel", "MODIFIED sel", "DELETED sel"]);
    expect(told(stream)).toEqual(["ADDED sel", "MODIFIED sel", "DELETED sel"]);
    expect(stream.events[2]?.object).toMatchObject({
      data: { v: "2" },
      metadata: { labels: { w: "yes" }, resourceVersion: left.body.metadata.resourceVersion },
    });
    all.stop();
    stream.stop();
  });

  test("the object of a DELETED event carries the deletion's revision", async () => {
    const { body } = await request("POST", maps, configMap("del"));
    const stream = await open(`${maps}?watch=1&resourceVersion=${body.metadata.resourceVersion}`);
    await request("DELETE", `${maps}/del`);
    await expect.poll(() => told(stream)).toEqual(["DELETED del"]);
    expect(Number(stream.events[0]?.object.metadata.resourceVersion)).toBeGreaterThan(Number(body.metadata.resourceVersion));
    stream.stop();
  });

  test("one object can be watched by its name, also by the old path", async () => {
    const from = running.store.revision;
    const streams = await Promise.all([
      open(`${maps}/mine?watch=1&resourceVersion=${from}`),
      open(`/api/v1/watch/namespaces/default/configmaps/mine?resourceVersion=${from}`),
      open(`${maps}?watch=1&fieldSelector=metadata.name=mine&resourceVersion=${from}`),
    ]);
    await request("POST", maps, configMap("other"));
    await request("POST", maps, configMap("mine"));
    for (const stream of streams) {
      await expect.poll(() => told(stream)).toEqual(["ADDED mine"]);
      stream.stop();
    }
  });

  test("a revision that is too old ends the watch with 410", async () => {
    await running.store.compact(running.store.revision);
    const stream = await open(`${maps}?watch=1&resourceVersion=2`);
    await expect.poll(() => stream.ended).toBe(true);
    expect(stream.events).toMatchObject([{ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } }]);
  });

  test("Tables: the first event names the columns", async () => {
    const stream = await open(`${maps}?watch=1&fieldSelector=metadata.name=l1`, table);
    await expect.poll(() => stream.events.length).toBe(1);
    await request("PATCH", `${maps}/l1`, { data: { t: "1" } }, merge);
    await expect.poll(() => stream.events.length).toBe(2);
    expect(stream.events).toMatchObject([
      { type: "ADDED", object: { kind: "Table", rows: [{ cells: ["l1", expect.anything(), expect.anything()] }] } },
      { type: "MODIFIED", object: { kind: "Table", columnDefinitions: null } },
    ]);
    stream.stop();
  });

  test("bookmarks come about once a minute to those who asked, when there is news", async () => {
    const asked = await open(`/api/v1/secrets?watch=1&allowWatchBookmarks=true&resourceVersion=${running.store.revision}`);
    const not = await open(`/api/v1/secrets?watch=1&resourceVersion=${running.store.revision}`);
    await request("PATCH", `${maps}/l1`, { data: { b: "1" } }, merge);
    clock.advance(61_000);
    await expect.poll(() => told(asked)).toEqual(["BOOKMARK"]);
    expect(asked.events[0]?.object.metadata.resourceVersion).toBe(String(running.store.revision));
    clock.advance(61_000);
    expect(told(asked)).toEqual(["BOOKMARK"]);
    expect(told(not)).toEqual([]);
    asked.stop();
    not.stop();
  });

  test("end after the seconds asked for", async () => {
    const stream = await open(`${maps}?watch=1&timeoutSeconds=7&resourceVersion=${running.store.revision}`);
    clock.advance(6_900);
    expect(stream.ended).toBe(false);
    clock.advance(200);
    await expect.poll(() => stream.ended).toBe(true);
  });
});
