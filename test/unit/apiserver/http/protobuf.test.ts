import { request as httpsRequest } from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeMessage, openEnvelope } from "../../../../src/api/schema/protobuf.ts";
import { typeOfKind } from "../../../../src/api/schema/struct.ts";
import { WireReader } from "../../../../src/api/schema/wire.ts";
import { readEvent } from "../../api/codec/watch-frames.ts";
import { configMap, type RunningServer, startServer } from "../running-server.ts";

const protobuf = "application/vnd.kubernetes.protobuf";
const maps = "/api/v1/namespaces/default/configmaps";
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
  for (const name of ["a", "b"]) await running.request("POST", maps, configMap(name, { umlaut: "\u00fc", long: "x".repeat(300) }));
});
afterAll(() => running.stop());

/** The answer's code, type and bytes; `enough` ends it early. */
function ask(path: string, accept: string, options: { method?: string; body?: string; enough?: (body: Buffer) => boolean } = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number; type: string; body: Buffer }>();
  const headers = { authorization: "Bearer admin", accept, "content-type": "application/json" };
  const sent = httpsRequest(
    running.url + path,
    { method: options.method ?? "GET", headers, rejectUnauthorized: false, agent: false },
    (response) => {
      let body = Buffer.alloc(0);
      const done = (): void => resolve({ code: response.statusCode ?? 0, type: response.headers["content-type"] ?? "", body });
      response.on("end", done).on("data", (data: Buffer) => {
        body = Buffer.concat([body, data]);
        if (!options.enough?.(body)) return;
        done();
        sent.destroy();
      });
    },
  );
  sent.on("error", reject).end(options.body);
  return promise;
}

function decode(body: Buffer): object {
  const { apiVersion, kind, raw } = openEnvelope(body);
  const type = typeOfKind(apiVersion, kind) ?? `meta.v1.${kind}`;
  return { apiVersion, kind, ...decodeMessage(type, new WireReader(raw)) };
}

describe("in protobuf there are", () => {
  test("objects, as JSON has them, and what has been made", async () => {
    const { body, type, code } = await ask(`${maps}/a`, `${protobuf},application/json`);
    expect([code, type]).toEqual([200, protobuf]);
    expect(decode(body)).toEqual((await running.request("GET", `${maps}/a`)).body);
    const made = await ask(maps, protobuf, { method: "POST", body: JSON.stringify(configMap("made", { key: "value" })) });
    expect([made.code, made.type]).toEqual([201, protobuf]);
    expect(decode(made.body)).toMatchObject({ kind: "ConfigMap", metadata: { name: "made" }, data: { key: "value" } });
  });

  test("lists, in pages too", async () => {
    const all = await ask(`${maps}?labelSelector=!x`, protobuf);
    const { items, ...list } = (await running.request("GET", `${maps}?labelSelector=!x`)).body;
    const bare = items.map(({ kind: _kind, apiVersion: _version, ...item }: Record<string, unknown>) => item);
    expect(decode(all.body)).toEqual({ ...list, items: bare });
    expect(decode((await ask(`${maps}?limit=1`, protobuf)).body)).toMatchObject({
      metadata: { continue: expect.any(String), remainingItemCount: expect.any(Number) },
      items: [{ metadata: { name: "a" } }],
    });
  });

  test("metadata alone", async () => {
    const as = (kind: string): string => `${protobuf};as=${kind};g=meta.k8s.io;v=v1`;
    const one = await ask(`${maps}/a`, as("PartialObjectMetadata"));
    const { metadata } = (await running.request("GET", `${maps}/a`)).body;
    expect(decode(one.body)).toEqual({ apiVersion: "meta.k8s.io/v1", kind: "PartialObjectMetadata", metadata });
    expect(decode((await ask(maps, as("PartialObjectMetadataList"))).body)).toMatchObject({
      apiVersion: "meta.k8s.io/v1",
      kind: "PartialObjectMetadataList",
      items: [{ metadata }, {}, {}],
    });
  });

  test("watch events, bookmarks, and the end of a watch", async () => {
    const accept = `${protobuf};stream=watch,${protobuf}`;
    const stream = await ask(`${maps}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`, accept, {
      enough: (body) => framesOf(body).length >= 4,
    });
    expect(stream.type).toBe(`${protobuf};stream=watch`);
    const events = framesOf(stream.body).map(({ type, object }) => ({ type, object: decode(object) }));
    expect(events.map(({ type }) => type)).toEqual(["ADDED", "ADDED", "ADDED", "BOOKMARK"]);
    expect(events[0]?.object).toEqual((await running.request("GET", `${maps}/a`)).body);
    expect(events[3]?.object).toMatchObject({ kind: "ConfigMap", metadata: { annotations: { "k8s.io/initial-events-end": "true" } } });
  });

  // As kube-apiserver v1.36 does; of an APIResourceList the core group's has no apiVersion.
  test.each(["/api", "/apis", "/apis/apps", "/api/v1", "/apis/autoscaling/v2"])("what discovery tells at %s", async (path) => {
    const { body, type, code } = await ask(path, `${protobuf},application/json`);
    expect([code, type]).toEqual([200, protobuf]);
    expect(decode(body)).toMatchObject((await running.request("GET", path)).body);
  });

  test.each(["v2", "v2beta1"])("aggregated discovery, %s", async (version) => {
    const as = `;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    const { body, type, code } = await ask("/apis", protobuf + as);
    expect([code, type]).toEqual([200, protobuf + as]);
    const inJson = await running.request("GET", "/apis", undefined, { accept: `application/json${as}` });
    expect(decode(body)).toEqual(inJson.body);
    expect((await ask("/apis", `application/yaml${as}`)).body.toString()).toMatch(/^apiVersion: apidiscovery.k8s.io/);
  });

  test("a group version that is not served", async () => {
    const { body, type, code } = await ask("/apis/apps/v9", protobuf);
    expect([code, type]).toEqual([404, protobuf]);
    expect(decode(body)).toMatchObject({ kind: "Status", code: 404 });
  });

  test("errors", async () => {
    const { body, type, code } = await ask(`${maps}/none`, `${protobuf},application/json`);
    expect([code, type]).toEqual([404, protobuf]);
    expect(decode(body)).toMatchObject({ kind: "Status", reason: "NotFound", message: 'configmaps "none" not found', code: 404 });
  });
});

describe("not in protobuf are", () => {
  test("the version", async () => {
    expect((await ask("/version", protobuf)).code).toBe(406);
  });

  test("Tables", async () => {
    const table = "as=Table;g=meta.k8s.io;v=v1";
    expect((await ask(maps, `${protobuf};${table}`)).code).toBe(406);
    expect((await ask(maps, `${protobuf};${table},application/json;${table}`)).type).toBe("application/json");
  });

  test("custom resources", async () => {
    const schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    await running.request("POST", definitions, {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "things.example.com" },
      spec: {
        group: "example.com",
        scope: "Namespaced",
        names: { plural: "things", kind: "Thing" },
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      },
    });
    const things = "/apis/example.com/v1/namespaces/default/things";
    await expect.poll(async () => (await ask(things, "application/json")).code).toBe(200);
    expect((await ask(things, protobuf)).code).toBe(406);
    expect((await ask(things, `${protobuf},application/json`)).type).toBe("application/json");
  });
});

function framesOf(body: Buffer): { type: string; object: Buffer }[] {
  const frames = [];
  for (let at = 0; at + 4 <= body.length; ) {
    const end = at + 4 + body.readUInt32BE(at);
    if (end > body.length) break;
    frames.push(readEvent(body.subarray(at, end)));
    at = end;
  }
  return frames;
}
