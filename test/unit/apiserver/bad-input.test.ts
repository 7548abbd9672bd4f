import { request as httpsRequest } from "node:https";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

const maps = "/api/v1/namespaces/default/configmaps";

/** The code of the answer to a method that fetch does not send. */
function codeOf(method: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: "Bearer admin" };
    const sent = httpsRequest(running.url + path, { method, headers, rejectUnauthorized: false, agent: false }, (reply) => {
      resolve(reply.statusCode);
      reply.destroy();
    });
    sent.on("error", reject).end();
  });
}

test("a body that nests more deeply than the stack is the client's fault, in any form", async () => {
  for (const deep of ["[".repeat(20_000) + "]".repeat(20_000), `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`]) {
    const body = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"deep"},"deep":${deep}}`;
    for (const [method, path, type] of [
      ["POST", maps, "application/json"],
      ["POST", `${maps}?fieldValidation=Strict`, "application/json"],
      ["PATCH", `${maps}/deep?fieldManager=me`, "application/apply-patch+yaml"],
    ] as const) {
      const { code, text } = await running.request(method, path, body, { "content-type": type });
      expect([code < 500, text.length < 1000]).toEqual([true, true]);
    }
  }
});

test("only GET watches: by the old paths, too", async () => {
  for (const method of ["HEAD", "OPTIONS", "TRACE", "POST"]) expect(await codeOf(method, "/api/v1/watch/configmaps")).toBe(405);
  expect(await codeOf("GET", "/api/v1/watch/configmaps?timeoutSeconds=1")).toBe(200);
});

test("a bookmark in a watch of Table rows has nothing to show", async () => {
  const options = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
  const { code, text } = await running.request("GET", `/api/v1/nodes?${options}`, undefined, {
    accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
  });
  const [bookmark] = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect({ code, type: bookmark.type, rows: bookmark.object.rows.length }).toEqual({ code: 200, type: "BOOKMARK", rows: 1 });
});

test("what a patch cannot be merged with is refused with a 4xx", async () => {
  await running.request("POST", maps, { metadata: { name: "patched", labels: { a: "b" } } });
  const patch = { metadata: { labels: { $patch: "explode" } } };
  const { code, body } = await running.request("PATCH", `${maps}/patched`, patch, {
    "content-type": "application/strategic-merge-patch+json",
  });
  expect([code, body.message]).toEqual([400, expect.stringContaining("unknown patch type: explode in map")]);
});

test.each([
  ["json-patch+json", "Strict", "{nonsense", "error decoding patch: invalid character 'n' looking for beginning of object key string"],
  ["json-patch+json", "Ignore", "{nonsense", "invalid character 'n' looking for beginning of object key string"],
  ["merge-patch+json", "Warn", "", "error decoding patch: unexpected end of JSON input"],
  ["merge-patch+json", "Ignore", "", "Invalid JSON Patch"],
  ["strategic-merge-patch+json", "Strict", '{"a":1}{"b":2}', "invalid character '{' after top-level value"],
  ["apply-patch+yaml", "Strict", "{nonsense", "error decoding YAML: "],
])("a patch that is no %s is refused in upstream's words (%s)", async (type, fieldValidation, patch, message) => {
  const path = `${maps}/patched?fieldManager=me&fieldValidation=${fieldValidation}`;
  const { code, body } = await running.request("PATCH", path, patch, { "content-type": `application/${type}` });
  expect([code, body.reason, body.message]).toEqual([400, "BadRequest", expect.stringContaining(message)]);
});

test("members that would be JavaScript's own are data like others", async () => {
  const names = { toString: null, valueOf: 1, constructor: { prototype: { polluted: true } }, ["__proto__"]: { polluted: true } };
  const patch = { apiVersion: names, kind: names, metadata: { name: names } };
  const { code, body } = await running.request("PATCH", `${maps}/patched?fieldManager=me`, patch, {
    "content-type": "application/apply-patch+yaml",
  });
  expect([code, body.message]).toEqual([400, "invalid object type: /, Kind="]);
  expect(Reflect.get({}, "polluted")).toBe(undefined);
});

test("a merge patch that takes away the kind of a custom resource leaves it what it is", async () => {
  const names = { plural: "things", singular: "thing", kind: "Thing" };
  const versions = [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }];
  const definition = {
    metadata: { name: "things.bad.example.com" },
    spec: { group: "bad.example.com", scope: "Namespaced", names, versions },
  };
  await running.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
  const things = "/apis/bad.example.com/v1/namespaces/default/things";
  await running.request("POST", things, { apiVersion: "bad.example.com/v1", kind: "Thing", metadata: { name: "a" } });
  const patch = { kind: null, apiVersion: null };
  const { code, body } = await running.request("PATCH", `${things}/a`, patch, { "content-type": "application/merge-patch+json" });
  expect([code, body.apiVersion, body.kind]).toEqual([200, "bad.example.com/v1", "Thing"]);
});

test("a port for health checks that is taken is the client's to change", async () => {
  const service = (name: string) => ({
    metadata: { name },
    spec: { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: 31999, ports: [{ port: 80 }], selector: { a: "b" } },
  });
  const services = "/api/v1/namespaces/default/services";
  expect((await running.request("POST", services, service("one"))).code).toBe(201);
  const { code, body } = await running.request("POST", services, service("two"));
  expect([code, body.message]).toEqual([
    400,
    "failed to allocate requested HealthCheck NodePort 31999: provided port is already allocated",
  ]);
});
