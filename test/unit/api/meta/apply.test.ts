import { describe, expect, test } from "vitest";
import { type FieldSet, fieldsText, paths, readFields } from "../../../../src/api/meta/apply/field-set.ts";
import { compareObjects } from "../../../../src/api/meta/apply/comparison.ts";
import { type ManagedFields, type Manager, managerOf } from "../../../../src/api/meta/apply/managed-fields.ts";
import { applyConfiguration } from "../../../../src/api/meta/apply/managers.ts";
import { fieldSetOf, mergeValues, typeErrors } from "../../../../src/api/meta/apply/typed-values.ts";
import { schemaOf } from "../../../../src/api/schema/node.ts";
import { compileStructural } from "../../../../src/api/schema/structural.ts";
import type { JsonObject } from "../../../../src/api/schema/struct.ts";

const pod = schemaOf("core.v1.Pod");
const service = schemaOf("core.v1.Service");
const map = schemaOf("core.v1.ConfigMap");
const custom = compileStructural(
  { type: "object", properties: { spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true } } },
  "Shirt",
  "v1",
).node;

describe("field sets", () => {
  const fields = { "f:metadata": { "f:labels": { ".": {}, "f:a": {} } }, "f:spec": { 'k:{"name":"c"}': { ".": {}, "f:image": {} } } };

  test("are read and written as FieldsV1", () => expect(fieldsText(readFields(fields))).toBe(JSON.stringify(fields)));

  test("are shown as paths", () => {
    expect(paths(readFields(fields))).toEqual([".metadata.labels", ".metadata.labels.a", '.spec[name="c"]', '.spec[name="c"].image']);
  });

  test.each<[string, object, object, string[]]>([
    ["a map is owned key by key", map, { data: { a: "1", b: "2" } }, [".data.a", ".data.b"]],
    ["an empty map is owned itself", map, { data: {} }, [".data"]],
    ["an atomic struct as a whole", pod, { spec: { nodeSelector: { a: "b" } } }, [".spec.nodeSelector"]],
    [
      "keys that are left out have their defaults",
      service,
      { spec: { ports: [{ port: 80 }] } },
      ['.spec.ports[port=80,protocol="TCP"]', '.spec.ports[port=80,protocol="TCP"].port'],
    ],
    ["sets item by item", pod, { metadata: { finalizers: ["x/y"] } }, ['.metadata.finalizers[="x/y"]']],
    ["an empty list of items not at all", service, { spec: { ports: [] } }, []],
    ["unknown parts of a custom resource by members", custom, { spec: { a: { b: [1] } } }, [".spec.a", ".spec.a.b"]],
  ])("%s", (_what, node, value, expected) => {
    const set: FieldSet = fieldSetOf(value, node as typeof pod);
    expect(paths(set)).toEqual(expected);
  });
});

test.each([
  [{ foo: 1 }, [".foo: field not declared in schema"]],
  [{ data: "x" }, [".data: expected map, got &{x}"]],
  [{ metadata: { finalizers: ["a/b", "a/b"] } }, ['.metadata.finalizers: duplicate entries for key [="a/b"]']],
  [{ metadata: { labels: { any: "thing" } } }, []],
])("of %j apply says %j", (value, expected) => expect(typeErrors(value, map)).toEqual(expected));

test.each([
  [{ hostNetwork: 1 }, ".spec.hostNetwork: expected boolean, got &{1}"],
  [{ terminationGracePeriodSeconds: "x" }, ".spec.terminationGracePeriodSeconds: expected numeric (int or float), got string"],
  [{ nodeName: { a: 1 } }, '.spec.nodeName: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":1}}'],
  [{ containers: { a: "b" } }, ".spec.containers: expected list, got &{map[a:b]}"],
  [{ containers: ["a"] }, ".spec.containers: element 0: associative list with keys may not have non-map elements"],
  [{ securityContext: [] }, ".spec.securityContext: expected map, got &{[]}"],
])("of a pod's %j apply says %s", (spec, expected) => expect(typeErrors({ spec }, pod)).toEqual([expected]));

test("comparing tells new, different and missing places", () => {
  const before = { data: { same: "1", other: "1", gone: "1" } };
  const { changed, removed } = compareObjects(before, { data: { same: "1", other: "2", more: "1" }, binaryData: { b: "" } }, map);
  expect(paths(changed.fields)).toEqual([".binaryData", ".binaryData.b", ".data.more", ".data.other"]);
  expect(paths(removed.fields)).toEqual([".data.gone"]);
});

test("merged lists keep the configuration's order, and others where they were", () => {
  const containers = (...names: string[]): object => ({ spec: { containers: names.map((name) => ({ name })) } });
  expect(mergeValues(containers("live", "a", "b"), containers("b", "a", "new"), pod)).toEqual(containers("live", "b", "a", "new"));
});

describe("managers", () => {
  const applier = (name: string): Manager => managerOf(name, "Apply", "v1", "");
  const updater = managerOf("u", "Update", "v1", "");
  const apply = (live: JsonObject, config: JsonObject, managed: ManagedFields | undefined, by: string, force = false) =>
    applyConfiguration({ node: map, live, config, managed, by: applier(by), force, ignored: [], now: by }, (object) => object);
  const first = apply({}, { data: { a: "1", b: "1" } }, undefined, "one");
  const owned = (managed: ManagedFields | undefined): Record<string, string[]> =>
    Object.fromEntries((managed?.owners ?? []).map(({ by, set }) => [by.name, paths(set.fields)]));

  test("what is applied no more is gone, unless somebody else owns it", () => {
    const shared = apply(first.object, { data: { b: "1" } }, first.managed, "two");
    expect(owned(shared.managed)).toEqual({ one: [".data.a", ".data.b"], two: [".data.b"] });
    const left = apply(shared.object, {}, shared.managed, "one");
    expect(left.object).toEqual({ data: { b: "1" } });
    expect(owned(left.managed)).toEqual({ two: [".data.b"] });
  });

  test("others' values are conflicts, and taken by force", () => {
    const config = { data: { a: "2", b: "2" } };
    expect(() => apply(first.object, config, first.managed, "two")).toThrow(
      'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b',
    );
    expect(owned(apply(first.object, config, first.managed, "two", true).managed)).toEqual({ two: [".data.a", ".data.b"] });
  });

  test("whoever changes a field without apply owns it", () => {
    const after = { data: { b: "2" } };
    const managed = first.managed?.afterUpdate(compareObjects(first.object, after, map), updater, "now");
    expect(owned(managed)).toEqual({ u: [".data.b"] });
    expect(() => apply(after, { data: { b: "3" } }, managed, "one")).toThrow('1 conflict: conflict with "u" using v1: .data.b');
  });

  test("the same again changes nothing", () => {
    expect(apply(first.object, { data: { a: "1", b: "1" } }, first.managed, "one")).toEqual(first);
  });
});
