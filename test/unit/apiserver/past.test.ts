import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Namespaces } from "../../../src/api/types/resources.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";
import { type Answer, configMap, type RunningServer, startServer } from "./running-server.ts";

const minute = 60_000;
const maps = "/api/v1/namespaces/default/configmaps";
let folder: string;
let clock: FakeClock;
let store: Store;
let running: RunningServer;
/** What the cluster was like: at the start, five minutes later, five minutes after that, which is now. */
let times: string[];
let revisions: number[];
const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> => running.request("GET", path, undefined, headers);
const names = ({ body }: Answer): string[] => body.items.map((item: { metadata: { name: string } }) => item.metadata.name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hue-past-"));
  clock = new FakeClock();
  const past = { milliseconds: 60 * minute, bytes: 2 ** 24 };
  store = await openStore({ path: join(folder, "state.db"), clock, past });
  running = await startServer({ store, clock });
  times = [];
  revisions = [];
  const mark = (): void => {
    times.push(new Date(clock.now()).toISOString());
    revisions.push(store.revision);
    clock.advance(5 * minute);
  };
  await running.client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" }, spec: {} });
  for (const name of ["a", "b", "c"])
    await running.request("POST", maps, configMap(name, { v: "1" }, { labels: { odd: String(name !== "b") } }));
  mark();
  await running.request("DELETE", `${maps}/a`);
  await running.request("PUT", `${maps}/b`, configMap("b", { v: "2" }));
  mark();
  await running.request("POST", maps, configMap("d"));
  // Out of memory, and off the log.
  for (let i = 0; i < 1100; i++)
    await store.write({ key: { resource: "/noise", namespace: "", name: "n" }, expect: i ? store.revision : 0, object: configMap("n") });
  await store.compact(store.revision);
});
afterAll(async () => {
  await running.stop();
  await store.close();
  await rm(folder, { recursive: true });
});

test("a get and a list show what was then, by time, by how long ago that is, and by revision", async () => {
  for (const at of [times[0], "10m", "0h10m0s", revisions[0]]) {
    const list = await get(`${maps}?hue.at=${at}`);
    expect(list.code, list.text).toBe(200);
    expect(names(list)).toEqual(["a", "b", "c"]);
    expect(list.body.metadata.resourceVersion).toBe(String(revisions[0]));
    expect((await get(`${maps}/b?hue.at=${at}`)).body).toMatchObject({
      data: { v: "1" },
      metadata: { managedFields: [{ operation: "Update" }] },
    });
    expect((await get(`${maps}/d?hue.at=${at}`)).body).toMatchObject({ code: 404, reason: "NotFound" });
  }
  expect(names(await get(`${maps}?hue.at=5m`))).toEqual(["b", "c"]);
  expect((await get(`${maps}/b?hue.at=7m`)).body.data).toEqual({ v: "1" });
  expect(names(await get(`${maps}?hue.at=0s`))).toEqual(["b", "c", "d"]);
  expect(names(await get("/api/v1/configmaps?hue.at=10m"))).toEqual(["a", "b", "c"]);
  expect((await get("/api/v1/namespaces/default/status?hue.at=10m")).body.metadata.name).toBe("default");
});

test("selectors, pages, Tables with the ages of then and partial metadata are as for the present", async () => {
  expect(names(await get(`${maps}?hue.at=10m&labelSelector=odd=true`))).toEqual(["a", "c"]);
  expect(names(await get(`${maps}?hue.at=10m&fieldSelector=metadata.name=a`))).toEqual(["a"]);
  const page = await get(`${maps}?hue.at=10m&limit=2`);
  expect(names(page)).toEqual(["a", "b"]);
  expect(page.body.metadata.remainingItemCount).toBe(1);
  // The token holds on to the moment, however time goes on.
  const rest = await get(`${maps}?hue.at=5m&limit=2&continue=${page.body.metadata.continue}`);
  expect([names(rest), rest.body.metadata.resourceVersion]).toEqual([["c"], String(revisions[0])]);
  const table = await get(`${maps}?hue.at=9m`, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
  expect(table.body.rows.map(({ cells }: { cells: unknown[] }) => cells)).toEqual([
    ["a", 1, "60s"],
    ["b", 1, "60s"],
    ["c", 1, "60s"],
  ]);
  const partial = await get(`${maps}?hue.at=10m`, { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" });
  expect(partial.body).toMatchObject({ kind: "PartialObjectMetadataList", items: [{ metadata: { name: "a" } }, {}, {}] });
});

describe("refused", () => {
  test.each<[string, string, number, string, RegExp]>([
    ["GET", `${maps}?hue.at=2h`, 410, "Expired", /"2h" is too long ago: the past is kept from 2026-01-01T00:00:00Z on/],
    ["GET", `${maps}?hue.at=2030-01-01T00:00:00Z`, 400, "BadRequest", /is in the future: it is 2026-01-01T00:10:00Z/],
    ["GET", `${maps}?hue.at=-5m`, 400, "BadRequest", /in the future/],
    ["GET", `${maps}?hue.at=99999999`, 400, "BadRequest", /revision 99999999 is in the future/],
    ["GET", `${maps}?hue.at=yesterday`, 400, "BadRequest", /"yesterday" is no moment: give a time/],
    ["GET", `${maps}?hue.at=`, 400, "BadRequest", /"" is no moment/],
    ["GET", `${maps}?hue.at=10m&watch=1`, 405, "MethodNotAllowed", /the past does not change/],
    ["DELETE", `${maps}/b?hue.at=10m`, 405, "MethodNotAllowed", /the past is read only/],
    ["DELETE", `${maps}?hue.at=10m`, 405, "MethodNotAllowed", /the past is read only/],
    ["GET", "/api/v1/componentstatuses?hue.at=10m", 405, "MethodNotAllowed", /nothing is kept of the past of componentstatuses/],
  ])("%s %s", async (method, path, code, reason, message) => {
    const answer = await running.request(method, path);
    expect(answer.body).toMatchObject({ kind: "Status", code, reason });
    expect(answer.body.message).toMatch(message);
  });

  test("who may not read the present may not read the past", async () => {
    expect((await get(`${maps}?hue.at=10m`, { authorization: "Bearer alice" })).body).toMatchObject({ code: 403, reason: "Forbidden" });
  });

  test("an exact list of a revision that is not in memory is still 410: clients count on that", async () => {
    const answer = await get(`${maps}?resourceVersion=${revisions[0]}&resourceVersionMatch=Exact`);
    expect(answer.body).toMatchObject({ code: 410, reason: "Expired" });
  });
});

test("discovery is that of now", async () => {
  expect((await get("/api/v1?hue.at=10m")).body.kind).toBe("APIResourceList");
});
