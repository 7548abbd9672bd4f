import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const shirts = "/apis/stable.example.com/v1/namespaces/default/shirts";

function definition(plural: string, kind: string, more: object = {}): object {
  const schema = {
    openAPIV3Schema: {
      type: "object",
      properties: {
        spec: {
          type: "object",
          required: ["color"],
          properties: {
            color: { type: "string", enum: ["blue", "red"] },
            size: { type: "string", default: "M" },
            replicas: { type: "integer" },
          },
        },
        status: { type: "object", properties: { replicas: { type: "integer" }, selector: { type: "string" } } },
      },
    },
  };
  const version = (name: string, storage: boolean): object => ({
    name,
    served: true,
    storage,
    schema,
    subresources: {
      status: {},
      scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas", labelSelectorPath: ".status.selector" },
    },
    selectableFields: [{ jsonPath: ".spec.color" }],
    additionalPrinterColumns: [
      { name: "Color", type: "string", jsonPath: ".spec.color" },
      { name: "Replicas", type: "integer", jsonPath: ".spec.replicas", priority: 1 },
    ],
  });
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.stable.example.com` },
    spec: {
      group: "stable.example.com",
      scope: "Namespaced",
      names: { plural, kind, shortNames: [`${plural}x`], categories: ["all"] },
      versions: [version("v1", true), version("v1beta1", false)],
      ...more,
    },
  };
}

function shirt(name: string, spec: object): object {
  return { apiVersion: "stable.example.com/v1", kind: "Shirt", metadata: { name }, spec };
}

const conditions = ({ body }: Answer): string[] =>
  body.status.conditions.map(({ type, status }: { type: string; status: string }) => `${type}=${status}`);

test("a definition is established, discovered and served when its client has the answer", async () => {
  const made = await running.request("POST", definitions, definition("shirts", "Shirt"));
  expect(made.code).toBe(201);
  expect(conditions(made)).toEqual(["NamesAccepted=True", "Established=True"]);
  expect(made.body.status).toMatchObject({
    acceptedNames: { plural: "shirts", singular: "shirt", kind: "Shirt", listKind: "ShirtList", shortNames: ["shirtsx"] },
    storedVersions: ["v1"],
  });
  expect((await running.request("GET", "/apis/stable.example.com")).body).toMatchObject({
    preferredVersion: { version: "v1" },
    versions: [{ version: "v1" }, { version: "v1beta1" }],
  });
  const { body } = await running.request("GET", "/apis/stable.example.com/v1");
  expect(body.resources.map(({ name }: { name: string }) => name)).toEqual(["shirts", "shirts/status", "shirts/scale"]);
  const openapi = await running.request("GET", "/openapi/v3/apis/stable.example.com/v1");
  expect(openapi.text).toContain("com.example.stable.v1.Shirt");
});

test("whole numbers of an int64 keep their last digit, through patches, lists, YAML and rules", async () => {
  const most = "9223372036854775807";
  const sent = `{"apiVersion":"stable.example.com/v1","kind":"Shirt","metadata":{"name":"many"},"spec":{"color":"red","replicas":${most}}}`;
  expect((await running.request("POST", shirts, sent)).text).toContain(`"replicas":${most}`);
  const headers = { "content-type": "application/merge-patch+json" };
  const patched = await running.request("PATCH", `${shirts}/many`, `{"spec":{"replicas":${BigInt(most) - 1n}}}`, headers);
  expect(patched.text).toContain('"replicas":9223372036854775806');
  expect((await running.request("GET", shirts)).text).toContain('"replicas":9223372036854775806');
  const yaml = await running.request("GET", `${shirts}/many`, undefined, { accept: "application/yaml" });
  expect(yaml.text).toContain("replicas: 9223372036854775806");
  expect((await running.request("DELETE", `${shirts}/many`)).code).toBe(200);
});

test("objects are pruned, defaulted and checked", async () => {
  const made = await running.request("POST", shirts, shirt("one", { color: "blue", sleeves: 2 }));
  expect(made.code).toBe(201);
  expect(made.body.spec).toEqual({ color: "blue", size: "M" });
  expect(made.body.metadata.generation).toBe(1);
  expect(made.headers.get("warning")).toBe('299 - "unknown field \\"spec.sleeves\\""');
  const strict = await running.request("POST", `${shirts}?fieldValidation=Strict`, shirt("two", { color: "blue", sleeves: 2 }));
  expect(strict.body.message).toContain('strict decoding error: unknown field "spec.sleeves"');
  const wrong = await running.request("POST", shirts, shirt("two", { color: "green" }));
  expect(wrong.code).toBe(422);
  expect(wrong.body.message).toBe(
    'Shirt.stable.example.com "two" is invalid: spec.color: Unsupported value: "green": supported values: "blue", "red"',
  );
});

test("every served version shows the same object", async () => {
  const { body } = await running.request("GET", shirts.replace("/v1/", "/v1beta1/"));
  expect(body).toMatchObject({ apiVersion: "stable.example.com/v1beta1", kind: "ShirtList" });
  expect(body.items[0]).toMatchObject({ apiVersion: "stable.example.com/v1beta1", metadata: { name: "one" } });
});

test("status changes by its subresource only, and does not count as a new generation", async () => {
  const merge = { "content-type": "application/merge-patch+json" };
  const main = await running.request("PATCH", `${shirts}/one`, { status: { replicas: 7 } }, merge);
  expect(main.body.status).toBeUndefined();
  const status = await running.request(
    "PATCH",
    `${shirts}/one/status`,
    { spec: { color: "red" }, status: { replicas: 7, selector: "a=b" } },
    merge,
  );
  expect(status.body).toMatchObject({ spec: { color: "blue" }, status: { replicas: 7 }, metadata: { generation: 1 } });
  const scaled = await running.request("PATCH", `${shirts}/one/scale`, { spec: { replicas: 3 } }, merge);
  expect(scaled.body).toMatchObject({ kind: "Scale", spec: { replicas: 3 }, status: { replicas: 7, selector: "a=b" } });
  expect((await running.request("GET", `${shirts}/one`)).body).toMatchObject({ spec: { replicas: 3 }, metadata: { generation: 2 } });
});

test("a Table has the definition's columns", async () => {
  const { body } = await running.request("GET", shirts, undefined, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
  expect(body.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual(["Name", "Color", "Replicas"]);
  expect(body.rows[0].cells).toEqual(["one", "blue", 3]);
});

test("fields that the definition names can be selected", async () => {
  await running.request("POST", shirts, shirt("red", { color: "red" }));
  const { body } = await running.request("GET", `${shirts}?fieldSelector=spec.color=red`);
  expect(body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual(["red"]);
  const unknown = await running.request("GET", `${shirts}?fieldSelector=spec.size=M`);
  expect(unknown.body.message).toBe("field label not supported: spec.size");
});

test("a PUT needs the resourceVersion, strategic patches do not exist", async () => {
  const put = await running.request("PUT", `${shirts}/red`, shirt("red", { color: "blue" }));
  expect(put.body.message).toContain("metadata.resourceVersion: Invalid value: 0: must be specified for an update");
  const patch = await running.request("PATCH", `${shirts}/red`, {}, { "content-type": "application/strategic-merge-patch+json" });
  expect(patch.code).toBe(415);
});

test("names that another definition has are refused until it goes", async () => {
  const rival = await running.request("POST", definitions, {
    ...definition("tees", "Shirt"),
  });
  expect(conditions(rival)).toEqual(["NamesAccepted=False", "Established=False"]);
  expect(rival.body.status.conditions[0].message).toBe('"ShirtList" is already in use');
  expect((await running.request("GET", "/apis/stable.example.com/v1/tees")).code).toBe(404);
});

test("a deleted definition takes its objects along, each with an event, and frees its names", async () => {
  const events: string[] = [];
  const watch = running.store.watch({ resource: "stable.example.com/shirts", from: running.store.revision }, ({ type, object }) =>
    events.push(`${type} ${object.key.name}`),
  );
  const deleted = await running.request("DELETE", `${definitions}/shirts.stable.example.com`);
  expect(deleted.body).toMatchObject({ kind: "CustomResourceDefinition", metadata: { generation: 1 } });
  await expect.poll(async () => (await running.request("GET", `${definitions}/shirts.stable.example.com`)).code).toBe(404);
  watch.stop();
  expect(events.sort()).toEqual(["DELETED one", "DELETED red"]);
  await expect
    .poll(async () => conditions(await running.request("GET", `${definitions}/tees.stable.example.com`)))
    .toEqual(["NamesAccepted=True", "Established=True"]);
  expect((await running.request("GET", "/apis/stable.example.com/v1/tees")).code).toBe(200);
  expect((await running.request("GET", shirts)).code).toBe(404);
});
