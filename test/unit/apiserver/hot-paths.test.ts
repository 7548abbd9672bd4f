import { Agent, request as undiciRequest } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { configMap, type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
const agent = new Agent({ connect: { rejectUnauthorized: false }, connections: 40 });
beforeAll(async () => {
  running = await startServer();
  // What is made at first use is not counted.
  await send("POST", maps, text("first"));
  await send("PATCH", `${maps}/first`, '{"data":{"key":"another"}}');
});
afterAll(async () => {
  await agent.destroy();
  await running.stop();
});
afterEach(() => vi.restoreAllMocks());

const maps = "/api/v1/namespaces/default/configmaps";

/** Sends a request without any JSON of the test's own, and gives the answer's text. */
async function send(
  method: "GET" | "POST" | "PATCH",
  path: string,
  body?: string,
  accept = "application/json",
): Promise<{ text: string; headers: Record<string, string | string[] | undefined> }> {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const headers = { authorization: "Bearer admin", "content-type": type, accept };
  const answer = await undiciRequest(running.url + path, { method, headers, dispatcher: agent, ...(body ? { body } : {}) });
  return { text: await answer.body.text(), headers: answer.headers };
}

/** How often JSON is read and written meanwhile. */
async function jsonWork(work: () => Promise<unknown>): Promise<{ parsed: number; encoded: number }> {
  const parse = vi.spyOn(JSON, "parse");
  const stringify = vi.spyOn(JSON, "stringify");
  await work();
  return { parsed: parse.mock.calls.length, encoded: stringify.mock.calls.length };
}

const text = (name: string): string => JSON.stringify(configMap(name, { key: "value" }, { labels: { app: "hot" } }));

describe("JSON is read and written", () => {
  test("once each by a create", async () => {
    const body = text("created");
    expect(await jsonWork(() => send("POST", maps, body))).toEqual({ parsed: 1, encoded: 1 });
  });

  test("once each by a merge patch", async () => {
    await send("POST", maps, text("patched"));
    expect(await jsonWork(() => send("PATCH", `${maps}/patched`, '{"data":{"key":"other"}}'))).toEqual({ parsed: 1, encoded: 1 });
  });

  test("not at all by a get", async () => {
    await send("POST", maps, text("gotten"));
    expect(await jsonWork(() => send("GET", `${maps}/gotten`))).toEqual({ parsed: 0, encoded: 0 });
  });

  test("for the head of a list only, whether it goes out whole or in pieces", async () => {
    const long = "x".repeat(2000);
    for (let i = 0; i < 200; i++)
      await send(
        "POST",
        "/api/v1/namespaces/kube-system/configmaps",
        text(`many-${i}`).replace("default", "kube-system").replace("value", long),
      );
    const lists: string[] = [];
    const path = "/api/v1/namespaces/kube-system/configmaps";
    const { parsed, encoded } = await jsonWork(async () => {
      for (const query of ["", "?limit=3", "?labelSelector=app=hot"]) lists.push((await send("GET", path + query)).text);
    });
    expect(parsed).toBe(0);
    expect(encoded).toBeLessThanOrEqual(4 * lists.length);
    expect(lists.map((list) => JSON.parse(list).items.length)).toEqual([200, 3, 200]);
    expect(lists[0]?.length).toBeGreaterThan(400_000);
  });

  test("for the cells and the metadata of a Table's row, without reading what is stored", async () => {
    const path = "/api/v1/namespaces/kube-system/configmaps?limit=100";
    let table = "";
    const work = await jsonWork(async () => {
      table = (await send("GET", path, undefined, "application/json;as=Table;v=v1;g=meta.k8s.io")).text;
    });
    expect(work.parsed).toBe(0);
    expect(work.encoded).toBeLessThanOrEqual(2 * 100 + 4);
    const { rows, columnDefinitions, metadata } = JSON.parse(table);
    expect([rows.length, columnDefinitions.length, metadata.remainingItemCount]).toEqual([100, 3, 100]);
    expect(rows[0].object).toMatchObject({
      kind: "PartialObjectMetadata",
      metadata: { name: "many-0", managedFields: [{ operation: "Update" }] },
    });
  });

  test("and a short list says its length, a long one comes in pieces", async () => {
    const path = "/api/v1/namespaces/kube-system/configmaps";
    const short = await send("GET", `${path}?limit=3`);
    expect(short.headers["content-length"]).toBe(String(short.text.length));
    expect((await send("GET", path)).headers["transfer-encoding"]).toBe("chunked");
  });

  test("once each for an event, however many watch", async () => {
    const streams = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const path = `${maps}?watch=1&resourceVersion=${running.store.revision}`;
        const answer = await undiciRequest(running.url + path, { headers: { authorization: "Bearer admin" }, dispatcher: agent });
        return answer.body[Symbol.asyncIterator]();
      }),
    );
    const body = text("watched");
    const work = await jsonWork(async () => {
      await send("POST", maps, body);
      for (const stream of streams) expect(String((await stream.next()).value)).toContain('{"type":"ADDED"');
    });
    expect(work).toEqual({ parsed: 1, encoded: 1 });
    await Promise.all(streams.map((stream) => stream.return?.()));
  });
});
