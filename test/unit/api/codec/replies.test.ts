import { describe, expect, test } from "vitest";
import { discoveryTransforms, negotiate, noTransforms, objectTransforms } from "../../../../src/api/codec/accept.ts";
import { encode, toYaml } from "../../../../src/api/codec/encode.ts";
import { partialObject } from "../../../../src/api/codec/partial.ts";
import { columnsOf, includeObjectOf, makeTable, metadataCells } from "../../../../src/api/codec/table.ts";

const table = { kind: "Table", group: "meta.k8s.io", version: "v1" };
const partial = { kind: "PartialObjectMetadataList", group: "meta.k8s.io", version: "v1" };

describe("the Accept header", () => {
  test.each([
    ["nothing", undefined, "application/json", undefined],
    ["anything", "*/*", "application/json", undefined],
    ["Go's typed clients", "application/vnd.kubernetes.protobuf,application/json", "application/json", undefined],
    ["the conformance tests", "application/vnd.kubernetes.protobuf, */*", "application/json", undefined],
    ["YAML", "application/yaml", "application/yaml", undefined],
    ["quality", "application/yaml;q=0.5, application/json;q=0.1", "application/yaml", undefined],
    [
      "kubectl get",
      "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
      "application/json",
      table,
    ],
    [
      "metadata informers",
      "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
      "application/json",
      partial,
    ],
    ["an unknown transform with a way out", "application/json;as=Foo;v=v1;g=meta.k8s.io,application/json", "application/json", undefined],
  ])("of %s", (_, header, mediaType, as) => {
    expect(negotiate(header, objectTransforms)).toMatchObject({ mediaType, as });
  });

  test("discovery's content type is echoed", () => {
    const v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    expect(negotiate(`${v2},${old},application/json`, discoveryTransforms).contentType).toBe(v2);
    expect(negotiate(`${old},application/json`, discoveryTransforms).contentType).toBe(old);
    expect(
      negotiate("application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList,application/json", discoveryTransforms).contentType,
    ).toBe("application/json");
  });

  test.each([
    ["text/html", objectTransforms],
    ["application/vnd.kubernetes.protobuf", objectTransforms],
    ["application/json;as=Table;v=v1;g=meta.k8s.io", noTransforms],
    ["application/json;q=0", objectTransforms],
  ])("%s alone is not acceptable", (header, allows) => {
    const message = "only the following media types are accepted: application/json, application/yaml";
    expect(() => negotiate(header, allows)).toThrow(expect.objectContaining({ code: 406, message }));
  });
});

const pods = ["a", "b"].map((name) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, creationTimestamp: "2026-01-01T00:00:00Z", labels: { app: name } },
  spec: {},
}));

describe("Tables", () => {
  const columns = columnsOf("v1", "configmaps");
  const parts = { columns, objects: pods, cells: () => ["x"], metadata: { resourceVersion: "7" } };

  test("columns are the resource's", () => {
    expect(columns.map((column) => column.name)).toEqual(["Name", "Data", "Age"]);
    expect(columns[0]).toMatchObject({ type: "string", format: "name", priority: 0, description: expect.stringContaining("unique") });
    expect(columnsOf("a.b/v1", "things").map((column) => column.name)).toEqual(["Name", "Created At"]);
  });

  test.each([
    ["None", null],
    ["Metadata", { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: pods[0]?.metadata }],
    ["Object", pods[0]],
  ] as const)("rows carry what includeObject=%s asks for", (includeObject, object) => {
    const made = makeTable({ ...parts, includeObject });
    expect(made).toMatchObject({ kind: "Table", apiVersion: "meta.k8s.io/v1", metadata: { resourceVersion: "7" } });
    expect(made.rows[0]).toEqual({ cells: ["x"], object });
  });

  test("later events of a watch have no columns", () => {
    expect(makeTable({ ...parts, columns: null, includeObject: "None" }).columnDefinitions).toBeNull();
  });

  test("metadata fills the cells it can", () => {
    const now = Date.parse("2026-01-01T00:05:00Z");
    const created = columnsOf("a.b/v1", "things");
    expect(pods.map((pod) => metadataCells(pod, columns, now))).toEqual([
      ["a", "<unknown>", "5m"],
      ["b", "<unknown>", "5m"],
    ]);
    expect(pods.map((pod) => metadataCells(pod, created, now)[1])).toEqual(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]);
  });

  test("includeObject has four values", () => {
    expect([null, "", "None", "Object"].map(includeObjectOf)).toEqual(["Metadata", "Metadata", "None", "Object"]);
    expect(() => includeObjectOf("Foo")).toThrow(
      `Unable to convert to Table as requested: includeObject: Invalid value: "Foo": must be 'Metadata', 'Object', 'None', or empty`,
    );
  });
});

describe("partial metadata", () => {
  const list = { apiVersion: "v1", kind: "PodList", metadata: { resourceVersion: "9", continue: "c" }, items: pods };

  test("of an object", () => {
    expect(partialObject(list.items[0] ?? list, "v1beta1")).toEqual({
      kind: "PartialObjectMetadata",
      apiVersion: "meta.k8s.io/v1beta1",
      metadata: pods[0]?.metadata,
    });
  });
});

describe("texts of answers", () => {
  const value = { kind: "ConfigMap", apiVersion: "v1", data: { b: "yes", a: ["x", { k: 1 }], t: "1:30" } };

  test("JSON ends with a line break, pretty JSON is indented", () => {
    expect(encode(value, { mediaType: "application/json", pretty: false })).toBe(`${JSON.stringify(value)}\n`);
    expect(encode({ a: 1 }, { mediaType: "application/json", pretty: true })).toBe('{\n  "a": 1\n}');
  });

  test("YAML has sorted keys, and texts that would read as something else are quoted", () => {
    expect(toYaml(value)).toBe('apiVersion: v1\ndata:\n  a:\n  - x\n  - k: 1\n  b: "yes"\n  t: "1:30"\nkind: ConfigMap\n');
  });
});
