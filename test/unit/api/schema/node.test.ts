import { describe, expect, test } from "vitest";
import { schemaOf } from "../../../../src/api/schema/node.ts";

describe("the schema as merging code walks it", () => {
  const spec = schemaOf("core.v1.Pod").field("spec");

  test("lists with merge keys", () => {
    expect(spec?.field("containers")).toMatchObject({
      kind: "list",
      patchStrategies: ["merge"],
      mergeKey: "name",
      listType: "map",
      keys: ["name"],
    });
    expect(spec?.field("volumes")).toMatchObject({ patchStrategies: ["merge", "retainKeys"], mergeKey: "name" });
    expect(spec?.field("containers")?.element?.field("ports")).toMatchObject({
      mergeKey: "containerPort",
      keys: ["containerPort", "protocol"],
    });
    expect(spec?.field("tolerations")).toMatchObject({ kind: "list", patchStrategies: [], mergeKey: undefined, listType: "atomic" });
    expect(schemaOf("meta.v1.ObjectMeta").field("finalizers")).toMatchObject({
      patchStrategies: ["merge"],
      mergeKey: undefined,
      listType: "set",
    });
  });

  test("structs, maps and scalars", () => {
    expect(spec).toMatchObject({ kind: "struct" });
    expect(spec?.field("nodeSelector")).toMatchObject({ kind: "map", mapType: "atomic", element: { kind: "scalar" } });
    expect(schemaOf("core.v1.Pod").field("metadata")?.field("labels")?.field("any")).toMatchObject({ kind: "scalar" });
    expect(spec?.field("nodeName")).toMatchObject({ kind: "scalar" });
    expect(schemaOf("apps.v1.ControllerRevision").field("data")).toMatchObject({ kind: "scalar" });
    expect(schemaOf("apps.v1.Deployment").field("spec")?.field("strategy")).toMatchObject({
      kind: "struct",
      patchStrategies: ["retainKeys"],
    });
    expect(schemaOf("meta.v1.LabelSelector").mapType).toBe("atomic");
  });

  test("embedded structs are part of their owner", () => {
    expect(spec?.field("volumes")?.element?.field("emptyDir")).toMatchObject({ kind: "struct" });
    expect(spec?.field("volumes")?.element?.field("~VolumeSource")).toBeUndefined();
  });

  test("types that hold themselves can be walked without end", () => {
    let schema = schemaOf("apiextensions.v1.JSONSchemaProps");
    for (let i = 0; i < 20; i++) schema = schema.field("properties")?.field("x") ?? schema;
    expect(schema.field("type")).toMatchObject({ kind: "scalar" });
  });

  test("what does not exist", () => {
    expect(spec?.field("foo")).toBeUndefined();
    expect(spec?.field("toString")).toBeUndefined();
    expect(() => schemaOf("core.v1.Nope")).toThrow("no type core.v1.Nope");
  });
});
