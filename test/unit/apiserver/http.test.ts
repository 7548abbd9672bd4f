import { request as httpsRequest } from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forbidden } from "../../../src/api/errors.ts";
import type { AdmissionPlugin } from "../../../src/apiserver/admission/admission.ts";
import { createPublicKey } from "node:crypto";
import { RoleBindings, Roles } from "../../../src/api/types/resources.ts";
import { issueLeaf, newKey } from "../../../src/pki/issue.ts";
import { configMap, type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
let broken = false;
const logged: string[] = [];
const trouble: AdmissionPlugin = {
  name: "Trouble",
  admit: ({ name }) => {
    if (name === "crash") throw new TypeError("cannot read properties of undefined");
    if (name === "denied") throw forbidden({ kind: "configmaps", name }, "because");
  },
};

beforeAll(async () => {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: (_f: object, message: string) => void logged.push(message) };
  running = await startServer({
    log,
    admission: [trouble],
    healthChecks: [{ name: "fragile", check: () => (broken ? "it is broken" : undefined), on: ["readyz"] }],
    connect: { "pods/exec": ({ response }) => void response?.end("connected") },
  });
});
afterAll(() => running.stop());

const maps = "/api/v1/namespaces/default/configmaps";
const request: RunningServer["request"] = (...args) => running.request(...args);

describe("who asks", () => {
  test("nobody: anonymous, who may not", async () => {
    expect((await request("GET", maps, undefined, { authorization: "" })).body).toMatchObject({
      code: 403,
      message:
        'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "default"',
      details: { kind: "configmaps" },
    });
    expect((await request("GET", "/metrics", undefined, { authorization: "" })).body.message).toBe(
      'forbidden: User "system:anonymous" cannot get path "/metrics"',
    );
  });

  test("a wrong token is nobody's", async () => {
    expect((await request("GET", maps, undefined, { authorization: "Bearer wrong" })).body).toMatchObject({
      kind: "Status",
      code: 401,
      reason: "Unauthorized",
      message: "Unauthorized",
    });
  });

  test("another, by impersonation", async () => {
    const answer = await request("GET", "/api/v1/nodes", undefined, { "impersonate-user": "bob" });
    expect(answer.body.message).toBe('nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope');
    const alice = await request("GET", maps, undefined, { authorization: "Bearer alice", "impersonate-user": "admin" });
    expect(alice.body.message).toContain('User "alice" cannot impersonate-on:user-info:list resource "configmaps" in API group ""');
  });

  test("a client certificate", async () => {
    const key = newKey();
    const spec = { commonName: "carol", organizations: ["system:masters"], usages: ["client auth"] as const };
    const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
    const cert = issueLeaf(running.authority, createPublicKey(key), spec, validity);
    const code = await new Promise<number | undefined>((resolve, reject) => {
      const sent = httpsRequest(running.url + maps, { key, cert, ca: running.authority.certificate, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject).end();
    });
    expect(code).toBe(200);
  });
});

describe("who may read objects of one name", () => {
  const asAlice = async (method: string, query: string) =>
    (await request(method, maps + query, method === "POST" ? configMap("other") : undefined, { authorization: "Bearer alice" })).code;
  beforeAll(async () => {
    const rule = { apiGroups: [""], resources: ["configmaps"], resourceNames: ["mine"], verbs: ["*"] };
    const metadata = { name: "one-name", namespace: "default" };
    await running.client.create(Roles, { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata, rules: [rule] });
    await running.client.create(RoleBindings, {
      ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "one-name" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "alice" }],
    });
  });

  test.each(["?fieldSelector=metadata.name%3Dmine", "?fieldSelector=metadata.namespace!%3Da,metadata.name%3D%3Dmine", "/mine"])(
    "may read %s",
    async (query) => expect([200, 404]).toContain(await asAlice("GET", query)),
  );

  test.each([
    ["GET", ""],
    ["GET", "?fieldSelector=metadata.name%3Dother"],
    ["GET", "?fieldSelector=metadata.name!%3Dmine"],
    // The comma belongs to the value of the first term, which all objects fulfil.
    ["GET", "?fieldSelector=metadata.name!%3Dx%5C%2Cmetadata.name%3Dmine"],
    ["DELETE", "?fieldSelector=metadata.name%3Dmine"],
    ["POST", "?fieldSelector=metadata.name%3Dmine"],
  ])("may not %s %s", async (method, query) => expect(await asAlice(method, query)).toBe(403));
});

describe("every answer", () => {
  test("carries an audit id and is not cached", async () => {
    const { headers } = await request("GET", maps);
    const auditId = headers.get("audit-id") ?? "";
    expect(auditId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect((await request("GET", maps)).headers.get("audit-id")).not.toBe(auditId);
    expect((await request("GET", maps, undefined, { "audit-id": "mine" })).headers.get("audit-id")).toBe("mine");
    expect(headers.get("cache-control")).toBe("no-cache, private");
    expect((await request("GET", "/version")).headers.get("cache-control")).toBe("no-cache, private");
  });

  test("to something unexpected is a Status; the stack is in the log, once", async () => {
    const { body, text } = await request("POST", maps, configMap("crash"));
    expect(body).toMatchObject({
      code: 500,
      reason: "InternalError",
      message: "Internal error occurred: cannot read properties of undefined",
    });
    expect(text).not.toContain("at ");
    expect(logged).toHaveLength(1);
    expect((await request("POST", maps, configMap("denied"))).body.message).toBe('configmaps "denied" is forbidden: because');
    expect(logged).toHaveLength(1);
  });

  test("to an old resource warns", async () => {
    expect((await request("GET", "/api/v1/endpoints")).headers.get("warning")).toContain("v1 Endpoints is deprecated in v1.33+");
  });
});

test("a body that is too large is refused", async () => {
  const { body } = await request("POST", maps, configMap("big", { x: "x".repeat(3 * 1024 * 1024) }));
  expect(body).toMatchObject({ code: 413, reason: "RequestEntityTooLarge", message: "Request entity too large: limit is 3145728" });
});

test("too many at once are told to come again, administrators are not", async () => {
  const busy = await startServer({ limits: { readOnly: 1, mutating: 1, fairness: false }, admission: [] });
  const path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
  const headers = { authorization: "Bearer alice", "content-type": "application/json" };
  // Its body never comes to an end.
  const slow = httpsRequest(busy.url + path, { method: "POST", headers, rejectUnauthorized: false, agent: false });
  slow.on("error", () => {}).write("{");
  const review = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace: "default" } };
  const ask = (authorization: string) => busy.request("POST", path, review, { authorization });
  await expect.poll(async () => (await ask("Bearer alice")).code).toBe(429);
  const answer = await ask("Bearer alice");
  expect(answer.body).toMatchObject({ code: 429, message: "Too many requests, please try again later." });
  expect(answer.headers.get("retry-after")).toBe("1");
  expect((await busy.request("GET", "/healthz", undefined, { authorization: "Bearer alice" })).code).toBe(200);
  expect((await ask("Bearer admin")).code).toBe(201);
  slow.destroy();
  await expect.poll(async () => (await ask("Bearer alice")).code).toBe(201);
  await busy.stop();
});

test.each([
  ["GET", "/apis/apps/v2", 404, "the server could not find the requested resource"],
  ["GET", "/api/v2/pods", 404, "the server could not find the requested resource"],
  ["GET", "/api/v1/foo", 404, "the server could not find the requested resource"],
  ["GET", "/api/v1/namespaces/default/pods/x/foo", 404, "the server could not find the requested resource"],
  ["PUT", "/api/v1/pods", 405, "the server does not allow this method on the requested resource"],
  ["POST", "/api/v1/namespaces/default/pods/x", 405, "the server does not allow this method on the requested resource"],
  ["DELETE", "/api/v1/configmaps", 405, "the server does not allow this method on the requested resource"],
  ["GET", "/api/v1/bindings", 404, "the server could not find the requested resource"],
  ["GET", "/api/v1/namespaces/default/bindings/x", 404, "the server could not find the requested resource"],
  [
    "PUT",
    "/api/v1/namespaces/default/pods/x/status",
    400,
    "the name of the object (x based on URL) was undeterminable: name must be provided",
  ],
  ["POST", "/api/v1/namespaces/default/pods/x/eviction", 400, "name in URL does not match name in Eviction object"],
  ["POST", "/api/v1/namespaces/default/pods/x/binding", 400, "name in URL does not match name in Binding object"],
  ["GET", "/api/v1/namespaces/default/bindings", 405, "the server does not allow this method on the requested resource"],
  ["DELETE", "/api/v1/namespaces", 405, "the server does not allow this method on the requested resource"],
])("%s %s is %i", async (method, path, code, message) => {
  const answer = await request(method, path, method === "GET" ? undefined : {});
  expect(answer.body).toMatchObject({ kind: "Status", code, message });
});

test.each(["/nope", "/apis/nope/v1/x", "/apis/nope", "/readyz/nope", "/openapi/v3/apis/nope/v1"])("%s is no page", async (path) => {
  const answer = await request("GET", path);
  expect([answer.code, answer.text]).toEqual([404, "404 page not found\n"]);
});

describe("discovery", () => {
  test("the old lists, with and without a slash at the end", async () => {
    for (const slash of ["", "/"]) {
      expect((await request("GET", `/api${slash}`)).body).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
      expect((await request("GET", `/apis/apps${slash}`)).body).toMatchObject({
        kind: "APIGroup",
        preferredVersion: { groupVersion: "apps/v1" },
      });
    }
    const groups = (await request("GET", "/apis")).body.groups;
    expect(groups.find(({ name }: { name: string }) => name === "autoscaling")).toMatchObject({
      versions: [{ version: "v2" }, { version: "v1" }],
      preferredVersion: { version: "v2" },
    });
    const { resources } = (await request("GET", "/api/v1")).body;
    expect(resources).toContainEqual({
      name: "pods/eviction",
      singularName: "",
      namespaced: true,
      group: "policy",
      version: "v1",
      kind: "Eviction",
      verbs: ["create"],
    });
  });

  test("all in one, by its exact content type, with an ETag", async () => {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const answer = await request("GET", "/apis", undefined, { accept });
    expect(answer.headers.get("content-type")).toBe(accept);
    expect(answer.body).toMatchObject({ kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2" });
    const etag = answer.headers.get("etag") ?? "";
    expect((await request("GET", "/apis", undefined, { accept, "if-none-match": etag })).code).toBe(304);
    const core = (await request("GET", "/api", undefined, { accept })).body.items[0].versions[0].resources;
    const pods = core.find(({ resource }: { resource: string }) => resource === "pods");
    expect(pods).toMatchObject({ scope: "Namespaced", shortNames: ["po"], singularResource: "pod", responseKind: { kind: "Pod" } });
    expect(pods.subresources.map(({ subresource }: { subresource: string }) => subresource)).toContain("exec");
  });

  test("OpenAPI of both versions, the version, the index", async () => {
    expect((await request("GET", "/openapi/v2")).body.swagger).toBe("2.0");
    const { body } = await request("GET", "/openapi/v3");
    expect((await request("GET", body.paths["apis/apps/v1"].serverRelativeURL)).body.openapi).toBe("3.0.0");
    expect((await request("GET", "/version")).body).toMatchObject({ major: "1", minor: "36", gitVersion: "v1.36.3+hue1" });
    expect((await request("GET", "/")).body.paths).toEqual(
      expect.arrayContaining(["/api/v1", "/apis/apps/v1", "/readyz/etcd", "/version"]),
    );
  });
});

describe("health", () => {
  test("is ok, in detail when asked, and for one check", async () => {
    expect((await request("GET", "/readyz")).text).toBe("ok");
    expect((await request("GET", "/livez?verbose")).text).toBe("[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n");
    expect((await request("GET", "/readyz?verbose&exclude=etcd")).text).toContain("[+]etcd excluded: ok\n");
    expect((await request("GET", "/readyz/etcd")).text).toBe("ok");
  });

  test("names what is wrong, and withholds why", async () => {
    broken = true;
    const answer = await request("GET", "/readyz");
    expect([answer.code, answer.text]).toEqual([
      500,
      "[+]ping ok\n[+]log ok\n[+]etcd ok\n[-]fragile failed: reason withheld\nreadyz check failed\n",
    ]);
    expect((await request("GET", "/readyz/fragile")).code).toBe(500);
    expect((await request("GET", "/livez")).code).toBe(200);
    broken = false;
  });
});

test("pages are there for GET and HEAD only", async () => {
  const head = await request("HEAD", "/version");
  expect([head.code, head.text]).toEqual([200, ""]);
  expect(Number(head.headers.get("content-length"))).toBeGreaterThan(100);
  expect((await request("POST", "/version", {})).code).toBe(404);
});

test("metrics count requests and objects", async () => {
  await request("POST", maps, configMap("counted"));
  const { text } = await request("GET", "/metrics");
  expect(text).toMatch(
    /apiserver_request_total\{verb="CREATE",group="",version="v1",resource="configmaps",subresource="",scope="namespace",code="201"\} \d/,
  );
  const series = 'verb="CREATE",group="",version="v1",resource="configmaps",subresource="",scope="namespace"';
  const value = (name: string, more = ""): number => Number(text.split(`${name}{${series}${more}} `)[1]?.split("\n")[0]);
  expect(value("apiserver_request_duration_seconds_count")).toBeGreaterThan(0);
  expect(value("apiserver_request_duration_seconds_bucket", ',le="+Inf"')).toBe(value("apiserver_request_duration_seconds_count"));
  expect(value("apiserver_request_duration_seconds_bucket", ',le="60"')).toBe(value("apiserver_request_duration_seconds_count"));
  expect(text).toMatch(/apiserver_current_inflight_requests\{request_kind="readOnly"\} 1/);
  expect(text).toMatch(/apiserver_storage_objects\{resource="configmaps"\} \d/);
  expect(text).toContain("process_resident_memory_bytes");
});

test("metrics have no series for what anybody makes up", async () => {
  const series = async (): Promise<number> => (await request("GET", "/metrics")).text.split("\n").length;
  for (const path of ["/apis/none/v1/nothings", "/api/v1/nothings", `${maps}/a/nothing`]) await request("GET", path);
  const before = await series();
  for (let n = 0; n < 20; n++)
    for (const path of [`/apis/g${n}/v1/rs`, `/apis/apps/v${n}/rs`, `/api/v1/r${n}`, `${maps}/a/s${n}`])
      await request("GET", path, undefined, { authorization: "" });
  expect((await series()) - before).toBeLessThan(10);
});

test("connections have their handlers", async () => {
  expect((await request("GET", "/api/v1/namespaces/default/pods/p/exec?command=ls")).text).toBe("connected");
});
