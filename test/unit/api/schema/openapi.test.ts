import { describe, expect, test } from "vitest";
import { customResource } from "../../../../src/api/schema/openapi-custom.ts";
import { openApiV2Protobuf } from "../../../../src/api/schema/openapi-v2-protobuf.ts";
import { openApiV2 } from "../../../../src/api/schema/openapi-v2.ts";
import { openApiV3, openApiV3Index } from "../../../../src/api/schema/openapi-v3.ts";
import { WireReader } from "../../../../src/api/schema/wire.ts";

const parse = (document: { body: Buffer } | undefined) => JSON.parse(document?.body.toString() ?? "{}");
const v3 = "#/components/schemas/io.k8s";
const thing = customResource(
  {
    ...{
      group: "stable.example.com",
      version: "v1",
      groupVersion: "stable.example.com/v1",
      plural: "things",
      kind: "Thing",
      namespaced: true,
    },
    ...{ verbs: ["get", "list", "create", "update", "patch", "delete", "deletecollection", "watch"], type: undefined, subresources: {} },
  },
  "ThingList",
  {
    type: "object",
    required: ["spec"],
    properties: {
      spec: {
        type: "object",
        description: "What is wanted.",
        properties: {
          bars: { type: "array", items: { type: "string", default: "x" } },
          nul: { type: "string", nullable: true },
          open: { type: "object", properties: { a: { type: "string" } }, "x-kubernetes-preserve-unknown-fields": true },
          port: { "x-kubernetes-int-or-string": true },
        },
      },
    },
  },
);

/** All references of a document must lead somewhere. */
function danglingReferences(document: object): string[] {
  const places = new Set(JSON.stringify(document).match(/"\$ref":"#\/[^"]+"/g));
  return [...places].filter((place) => {
    let at: unknown = document;
    for (const step of place.slice(10, -1).split("/")) at = (at as Record<string, unknown> | undefined)?.[step];
    return at === undefined;
  });
}

describe("OpenAPI v3", () => {
  const apps = parse(openApiV3("apis/apps/v1"));

  test("the index leads to every group version, with a hash that is the document's ETag", () => {
    const { paths } = parse(openApiV3Index());
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(["api/v1", "apis/apps/v1", "apis/autoscaling/v1", "apis/autoscaling/v2"]));
    const hash = /^\/openapi\/v3\/apis\/apps\/v1\?hash=([0-9A-F]+)$/.exec(paths["apis/apps/v1"].serverRelativeURL)?.[1];
    expect(openApiV3("apis/apps/v1")?.etag).toBe(`"${hash}"`);
    expect(openApiV3("apis/nope/v1")).toBeUndefined();
  });

  test("schemas carry types, defaults, patch and list extensions", () => {
    const { schemas } = apps.components;
    expect(schemas["io.k8s.api.apps.v1.Deployment"]).toMatchObject({
      properties: {
        metadata: {
          description: expect.stringMatching(/^Standard object's metadata/),
          allOf: [{ $ref: `${v3}.apimachinery.pkg.apis.meta.v1.ObjectMeta` }],
        },
      },
      "x-kubernetes-group-version-kind": [{ group: "apps", kind: "Deployment", version: "v1" }],
    });
    expect(schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"].properties.creationTimestamp.description).toMatch(
      /^CreationTimestamp is a timestamp/,
    );
    expect(schemas["io.k8s.api.apps.v1.DeploymentSpec"]).toMatchObject({
      required: ["selector", "template"],
      properties: {
        strategy: { default: {}, "x-kubernetes-patch-strategy": "retainKeys" },
        replicas: { type: "integer", format: "int32" },
      },
    });
    expect(schemas["io.k8s.api.core.v1.Container"].properties.ports).toMatchObject({
      type: "array",
      items: { default: {}, allOf: [{ $ref: `${v3}.api.core.v1.ContainerPort` }] },
      "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
      "x-kubernetes-list-type": "map",
      "x-kubernetes-patch-merge-key": "containerPort",
      "x-kubernetes-patch-strategy": "merge",
    });
    expect(schemas["io.k8s.api.core.v1.ContainerPort"].properties.protocol).toMatchObject({ default: "TCP", enum: ["SCTP", "TCP", "UDP"] });
  });

  test("operations tell action, kind and the parameters that kubectl looks for", () => {
    const item = apps.paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    expect(item.patch).toMatchObject({
      operationId: "patchAppsV1NamespacedDeployment",
      "x-kubernetes-action": "patch",
      "x-kubernetes-group-version-kind": { group: "apps", version: "v1", kind: "Deployment" },
    });
    expect(item.patch.parameters.map((parameter: { name: string }) => parameter.name)).toEqual([
      "dryRun",
      "fieldManager",
      "fieldValidation",
      "force",
    ]);
    expect(apps.paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"].get["x-kubernetes-group-version-kind"]).toEqual({
      group: "autoscaling",
      version: "v1",
      kind: "Scale",
    });
  });

  test("nothing leads nowhere", () => {
    const paths = Object.keys(parse(openApiV3Index()).paths);
    for (const path of paths) expect(danglingReferences(parse(openApiV3(path))), path).toEqual([]);
  });
});

describe("OpenAPI v2", () => {
  const document = parse(openApiV2());

  test("holds every kind and path, and leads nowhere outside", () => {
    expect(document.swagger).toBe("2.0");
    expect(document.definitions["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"]).toEqual([
      { group: "", kind: "Pod", version: "v1" },
    ]);
    expect(document.definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"]).toEqual({ type: "string" });
    expect(document.paths["/api/v1/namespaces/{namespace}/pods/{name}/log"].get.operationId).toBe("readCoreV1NamespacedPodLog");
    expect(document.paths["/api/v1/pods"].get.operationId).toBe("listCoreV1PodForAllNamespaces");
    expect(danglingReferences(document)).toEqual([]);
  });

  test("old kubectl finds dryRun in the operation itself", () => {
    const { parameters } = document.paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"].patch;
    expect(parameters).toContainEqual(expect.objectContaining({ name: "dryRun", in: "query" }));
  });

  test("operation ids are unique", () => {
    const ids = [...JSON.stringify(document.paths).matchAll(/"operationId":"(\w+)"/g)].map((match) => match[1]);
    expect(ids.length).toBeGreaterThan(800);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("custom resources", () => {
  const name = "com.example.stable.v1.Thing";

  test("are published as they were written in v3", () => {
    const document = parse(openApiV3("apis/stable.example.com/v1", [thing]));
    expect(document.components.schemas[name]).toMatchObject({
      required: ["spec"],
      properties: {
        kind: { type: "string" },
        spec: {
          type: "object",
          description: "What is wanted.",
          properties: {
            bars: { type: "array", items: { type: "string", default: "x" } },
            nul: { type: "string", nullable: true },
            port: { anyOf: [{ type: "integer" }, { type: "string" }], "x-kubernetes-int-or-string": true },
          },
        },
      },
      "x-kubernetes-group-version-kind": [{ group: "stable.example.com", kind: "Thing", version: "v1" }],
    });
    expect(Object.keys(document.paths)).toContain("/apis/stable.example.com/v1/namespaces/{namespace}/things/{name}");
    expect(danglingReferences(document)).toEqual([]);
  });

  test("lose in v2 what v2 cannot say", () => {
    const document = parse(openApiV2([thing]));
    expect(document.definitions[name].properties.spec.properties).toEqual({
      bars: { type: "array", items: { type: "string" } },
      nul: {},
      open: { "x-kubernetes-preserve-unknown-fields": true },
      port: { "x-kubernetes-int-or-string": true },
    });
    expect(danglingReferences(document)).toEqual([]);
  });

  test("change the index and the ETags of their own documents only", () => {
    const [before, after] = [parse(openApiV3Index()).paths, parse(openApiV3Index([thing])).paths];
    expect(after["apis/apps/v1"]).toEqual(before["apis/apps/v1"]);
    expect(after["apis/stable.example.com/v1"]).toBeDefined();
    expect(openApiV3Index([thing]).etag).not.toBe(openApiV3Index().etag);
    expect(openApiV2([thing]).etag).not.toBe(openApiV2().etag);
  });
});

describe("OpenAPI v2 in protobuf, for old kubectl", () => {
  /** The fields of a message: texts and messages as bytes. */
  function fieldsOf(bytes: Buffer): [number, Buffer][] {
    const fields: [number, Buffer][] = [];
    for (const reader = new WireReader(bytes); reader.pos < reader.end; ) {
      const tag = reader.tag();
      if ((tag & 7) === 2) fields.push([tag >> 3, reader.bytes()]);
      else reader.skipField(tag & 7);
    }
    return fields;
  }
  const at = (bytes: Buffer, number: number): Buffer[] => fieldsOf(bytes).flatMap(([field, value]) => (field === number ? [value] : []));
  const named = (list: Buffer[], name: string): Buffer =>
    at(list.find((item) => at(item, 1)[0]?.toString() === name) ?? Buffer.alloc(0), 2)[0] ?? Buffer.alloc(0);
  const document = openApiV2Protobuf().body;
  const definitions = at(at(document, 9)[0] ?? Buffer.alloc(0), 1);

  test("definitions have types, references and extensions", () => {
    const names = definitions.map((definition) => at(definition, 1)[0]?.toString());
    expect(names.sort()).toEqual(Object.keys(parse(openApiV2()).definitions).sort());
    const deployment = named(definitions, "io.k8s.api.apps.v1.Deployment");
    const [gvk] = at(deployment, 31).map((extension) => at(at(extension, 2)[0] ?? Buffer.alloc(0), 2)[0]?.toString());
    expect(gvk).toBe('[{"group":"apps","kind":"Deployment","version":"v1"}]\n');
    const properties = at(at(deployment, 25)[0] ?? Buffer.alloc(0), 1);
    expect(at(named(properties, "spec"), 1).toString()).toBe("#/definitions/io.k8s.api.apps.v1.DeploymentSpec");
  });

  test("patches tell which query parameters the server knows", () => {
    const path = named(at(at(document, 8)[0] ?? Buffer.alloc(0), 2), "/api/v1/namespaces/{namespace}/pods/{name}");
    const patch = at(path, 8)[0] ?? Buffer.alloc(0);
    const queries = at(patch, 8).flatMap((item) => at(item, 1).flatMap((parameter) => at(parameter, 2).flatMap((query) => at(query, 3))));
    expect(queries.map((query) => at(query, 4).toString())).toEqual(["dryRun", "fieldValidation"]);
  });
});
