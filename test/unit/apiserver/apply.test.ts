import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, configMap, type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

const maps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";
const merge = { "content-type": "application/merge-patch+json" };
const applied = (path: string, query: string, body: object | string): Promise<Answer> =>
  running.request("PATCH", `${path}?fieldManager=${query}`, body, { "content-type": "application/apply-patch+yaml" });
const map = (name: string, data: object, metadata: object = {}): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});
const deployment = (name: string, spec: object): object => ({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec });
const selector = { matchLabels: { app: "w" } };
const template = { metadata: { labels: { app: "w" } }, spec: { containers: [{ name: "c", image: "i" }] } };

describe("server-side apply", () => {
  test("creates, tells who owns what, and writes nothing when nothing changes", async () => {
    const { code, body } = await applied(`${maps}/made`, "me", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made}\ndata: {a: b}\n");
    expect(code).toBe(201);
    const fieldsV1 = { "f:data": { "f:a": {} } };
    expect(body.metadata.managedFields).toMatchObject([
      { manager: "me", operation: "Apply", apiVersion: "v1", fieldsType: "FieldsV1", fieldsV1 },
    ]);
    expect((await applied(`${maps}/made`, "me", map("made", { a: "b" }))).body).toEqual(body);
  });

  test("removes what is not applied any more", async () => {
    expect((await applied(`${maps}/made`, "me", map("made", { c: "d" }))).body.data).toEqual({ c: "d" });
  });

  test("later updates own what they write, and conflict", async () => {
    const patched = await running.request("PATCH", `${maps}/made?fieldManager=other`, { data: { c: "e" } }, merge);
    expect(patched.body.metadata.managedFields).toMatchObject([{ manager: "other", operation: "Update" }]);
    const refused = await applied(`${maps}/made`, "me", map("made", { c: "f" }));
    expect(refused.body).toMatchObject({
      code: 409,
      message: 'Apply failed with 1 conflict: conflict with "other" using v1: .data.c',
      details: { causes: [{ reason: "FieldManagerConflict", message: 'conflict with "other" using v1', field: ".data.c" }] },
    });
    expect((await applied(`${maps}/made`, "me&force=true", map("made", { c: "f" }))).body.data).toEqual({ c: "f" });
  });

  test("objects belong to who made them, or to nobody known when owners were forgotten; kubectl may take over its own", async () => {
    const conflict = async (): Promise<string> => (await applied(`${maps}/plain`, "me", map("plain", { a: "2" }))).body.message;
    await running.request("POST", `${maps}?fieldManager=kubectl-create`, configMap("plain", { a: "1" }));
    expect(await conflict()).toContain('conflict with "kubectl-create" using v1: .data.a');
    await running.request("PATCH", `${maps}/plain`, { metadata: { managedFields: [] } }, merge);
    expect(await conflict()).toContain('conflict with "before-first-apply" using v1');
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(map("client", { a: "1" })) };
    await running.request("POST", `${maps}?fieldManager=kubectl-client-side-apply`, configMap("client", { a: "1" }, { annotations }));
    const taken = await applied(`${maps}/client`, "kubectl", map("client", { a: "2" }));
    expect(taken.body).toMatchObject({
      data: { a: "2" },
      metadata: { managedFields: [{ manager: "kubectl" }, { manager: "kubectl-client-side-apply" }] },
    });
  });

  test("the manager of a scale is known by the main resource", async () => {
    expect((await applied(`${deployments}/d`, "me", deployment("d", { replicas: 1, selector, template }))).code).toBe(201);
    const scale = { apiVersion: "autoscaling/v1", kind: "Scale", metadata: { name: "d" }, spec: { replicas: 3 } };
    expect((await applied(`${deployments}/d/scale`, "hpa", scale)).body.message).toBe(
      'Apply failed with 1 conflict: conflict with "me": .spec.replicas',
    );
    expect((await applied(`${deployments}/d/scale`, "hpa&force=true", scale)).body.spec.replicas).toBe(3);
    expect((await applied(`${deployments}/d`, "me", deployment("d", { replicas: 1, selector, template }))).body.message).toBe(
      'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale": .spec.replicas',
    );
    expect((await applied(`${deployments}/d`, "me", deployment("d", { selector, template }))).body.spec.replicas).toBe(3);
  });

  test("the status is applied by itself", async () => {
    const status = { conditions: [{ type: "Foo", status: "True" }] };
    const { body } = await applied(`${deployments}/d/status`, "s", { ...deployment("d", { replicas: 9 }), status });
    expect(body).toMatchObject({ spec: { replicas: 3 }, status: { conditions: [{ type: "Foo" }] } });
    expect(body.metadata.managedFields).toContainEqual(
      expect.objectContaining({ manager: "s", operation: "Apply", subresource: "status" }),
    );
  });

  test("of appliers that race to create an object, all are heard", async () => {
    const names = ["a", "b", "c", "d"];
    const answers = await Promise.all(names.map((name) => applied(`${maps}/race`, name, map("race", { [name]: "1" }))));
    expect(answers.map(({ code }) => code).sort()).toEqual([200, 200, 200, 201]);
    expect((await running.request("GET", `${maps}/race`)).body.data).toEqual({ a: "1", b: "1", c: "1", d: "1" });
  });

  test("one empty entry forgets all managers", async () => {
    const { body } = await running.request("PATCH", `${maps}/made`, { metadata: { managedFields: [{}] } }, merge);
    expect(body.metadata).not.toHaveProperty("managedFields");
  });

  test.each<[string, string, object | string, number, string]>([
    [
      "an unknown field",
      "me",
      { ...map("x", {}), foo: 1 },
      400,
      "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .foo: field not declared in schema",
    ],
    ["another kind", "me", { ...map("x", {}), kind: "Secret" }, 400, "invalid object type: /v1, Kind=Secret"],
    ["managedFields", "me", map("x", {}, { managedFields: [{ manager: "y" }] }), 400, "metadata.managedFields must be nil"],
    [
      "a uid of nothing",
      "me",
      map("x", {}, { uid: "1" }),
      409,
      'Operation cannot be fulfilled on configmaps "x": uid mismatch: the provided object specified uid 1, and no existing object was found',
    ],
    [
      "no manager",
      "",
      map("x", {}),
      422,
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    ],
    [
      "a key twice",
      "me&fieldValidation=Strict",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b, a: c}\n",
      400,
      'error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 4: key "a" already set in map',
    ],
  ])("refuses %s", async (_what, query, body, code, message) => {
    expect((await applied(`${maps}/x`, query, body)).body).toMatchObject({ code, message });
  });
});
