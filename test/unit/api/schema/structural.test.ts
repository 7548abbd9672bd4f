import { describe, expect, test } from "vitest";
import { compileStructural } from "../../../../src/api/schema/structural.ts";
import type { JSONSchemaProps } from "../../../../src/api/types/apiextensions.v1.ts";

const text: JSONSchemaProps = { type: "string" };
const pair: JSONSchemaProps = { type: "object", properties: { a: text, b: text } };
const properties: Record<string, JSONSchemaProps> = {
  must: text,
  n: { type: "integer", minimum: 1, maximum: 5 },
  x: { type: "number", exclusiveMinimum: true, minimum: 0, multipleOf: 2 },
  s: { type: "string", minLength: 2, maxLength: 4 },
  p: { type: "string", pattern: "^a+$" },
  i: { type: "string", pattern: "(?i)^B$" },
  e: { type: "string", enum: ["a", "b"] },
  en: { type: "integer", enum: [1, 2] },
  d: { type: "string", format: "date-time" },
  ip: { type: "string", format: "ipv4" },
  l: { type: "array", minItems: 1, maxItems: 2, items: text },
  set: { type: "array", "x-kubernetes-list-type": "set", items: text },
  mp: {
    type: "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    items: { type: "object", required: ["name"], properties: { name: text, v: { type: "string", default: "dv" } } },
  },
  one: { ...pair, oneOf: [{ required: ["a"] }, { required: ["b"] }] },
  any: { ...pair, anyOf: [{ required: ["a"] }, { required: ["b"] }] },
  not: { type: "string", not: { enum: ["bad"] } },
  all: { type: "string", allOf: [{ minLength: 2 }, { pattern: "^z" }] },
  ios: { "x-kubernetes-int-or-string": true },
  m: { type: "object", maxProperties: 1, additionalProperties: { type: "integer" } },
  nul: { type: "string", nullable: true },
  def: { type: "object", default: { a: 1 }, properties: { a: { type: "integer" }, b: { type: "integer", default: 7 } } },
  raw: { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: { k: { type: "object", properties: { z: text } } } },
  emb: { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
};
const thing = compileStructural(
  { type: "object", properties: { spec: { type: "object", required: ["must"], properties } } },
  "Thing",
  "v1",
);

function admit(spec: unknown): { spec: unknown; unknown: string[]; errors: string[] } {
  const { value, unknown } = thing.prune({ apiVersion: "a.b/v1", kind: "Thing", metadata: { name: "t" }, spec });
  thing.applyDefaults(value);
  return { spec: value["spec"], unknown, errors: thing.validate(value).map((error) => `${error.field}: ${error.message}`) };
}

// Texts as a Kubernetes v1.36 API server answers them.
describe("validation", () => {
  test.each<[object, string[]]>([
    [{ must: 5 }, ['spec.must: Invalid value: "integer": spec.must in body must be of type string: "integer"']],
    [{ must: null }, ["spec.must: Required value"]],
    [{ n: 0 }, ["spec.n: Invalid value: 0: spec.n in body should be greater than or equal to 1"]],
    [{ n: 6 }, ["spec.n: Invalid value: 6: spec.n in body should be less than or equal to 5"]],
    [{ x: 0 }, ["spec.x: Invalid value: 0: spec.x in body should be greater than 0"]],
    [{ x: 3 }, ["spec.x: Invalid value: 3: spec.x in body should be a multiple of 2"]],
    [{ s: "a" }, ['spec.s: Invalid value: "a": spec.s in body should be at least 2 chars long']],
    [{ s: "abcde" }, ["spec.s: Too long: may not be more than 4 bytes"]],
    [{ s: "😀😀😀😀" }, []],
    [{ p: "b" }, [`spec.p: Invalid value: "b": spec.p in body should match '^a+$'`]],
    [{ i: "b" }, []],
    [{ e: "c" }, ['spec.e: Unsupported value: "c": supported values: "a", "b"']],
    [{ en: 3 }, ['spec.en: Unsupported value: 3: supported values: "1", "2"']],
    [{ d: "zz" }, ['spec.d: Invalid value: "zz": spec.d in body must be of type date-time: "zz"']],
    [{ d: "2026-01-01T00:00:00+02:00", ip: "1.2.3.4" }, []],
    [{ ip: "zz" }, ['spec.ip: Invalid value: "zz": spec.ip in body must be of type ipv4: "zz"']],
    [{ l: [] }, ["spec.l: Invalid value: 0: spec.l in body should have at least 1 items"]],
    [{ l: ["a", "b", "c"] }, ["spec.l: Too many: 3: must have at most 2 items"]],
    [{ l: [1] }, ['spec.l[0]: Invalid value: "integer": spec.l[0] in body must be of type string: "integer"']],
    [{ l: "x" }, ['spec.l: Invalid value: "string": spec.l in body must be of type array: "string"']],
    [{ set: ["a", "a"] }, ['spec.set[1]: Duplicate value: "a"']],
    [{ mp: [{ name: "a" }, { name: "a" }] }, ['spec.mp[1]: Duplicate value: {"name":"a"}']],
    [{ mp: [{}] }, ["spec.mp[0].name: Required value"]],
    [
      { one: {} },
      [
        '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid',
        "spec.one.a: Required value",
      ],
    ],
    [
      { one: { a: "1", b: "2" } },
      ['<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [{ any: {} }, ['<nil>: Invalid value: "": "spec.any" must validate at least one schema (anyOf)', "spec.any.a: Required value"]],
    [{ any: { b: "" } }, []],
    [{ not: "bad" }, ['<nil>: Invalid value: "": "spec.not" must not validate the schema (not)']],
    [
      { all: "a" },
      [
        'spec.all: Invalid value: "a": spec.all in body should be at least 2 chars long',
        `spec.all: Invalid value: "a": spec.all in body should match '^z'`,
        '<nil>: Invalid value: "": "spec.all" must validate all the schemas (allOf). None validated',
      ],
    ],
    [{ ios: true }, ['spec.ios: Invalid value: "boolean": spec.ios in body must be of type integer,string: "boolean"']],
    [{ ios: "5" }, []],
    [{ m: { a: 1, b: 2 } }, ["spec.m: Too many: 2: must have at most 1 item"]],
    [{ m: { a: "x" } }, ['spec.m.a: Invalid value: "string": spec.m.a in body must be of type integer: "string"']],
    [{ emb: { q: 1 } }, ["spec.emb.apiVersion: Required value", "spec.emb.kind: Required value"]],
  ])("%j", (spec, errors) => {
    expect(admit({ must: "a", ...spec }).errors).toEqual(errors);
  });

  test("of a value of a wrong type the rest is told as well", () => {
    expect(admit({ must: "a", en: 1.5 }).errors).toEqual([
      'spec.en: Invalid value: "number": spec.en in body must be of type integer: "number"',
      'spec.en: Unsupported value: 1.5: supported values: "1", "2"',
      '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.en',
    ]);
    expect(admit({ must: "a", d: 7 }).errors).toEqual([
      'spec.d: Invalid value: "int64": spec.d in body must be of type date-time: "int64"',
    ]);
  });

  test("a spec of a wrong type", () => {
    expect(admit(5).errors).toEqual(['spec: Invalid value: "integer": spec in body must be of type object: "integer"']);
  });
});

describe("pruning and defaults", () => {
  const given = { def: { a: 1, b: 7 }, must: "a" };

  test("unknown fields are dropped, except where they are preserved", () => {
    const { spec, unknown } = admit({ must: "a", zz: 1, raw: { q: { r: 1 }, k: { z: "a", y: 1 } }, mp: [{ name: "a", w: 1 }] });
    expect(unknown).toEqual(["spec.mp[0].w", "spec.raw.k.y", "spec.zz"]);
    expect(spec).toEqual({ ...given, raw: { q: { r: 1 }, k: { z: "a" } }, mp: [{ name: "a", v: "dv" }] });
  });

  test("null is kept where it is allowed, else it is absent", () => {
    expect(admit({ must: "a", nul: null, n: null, def: null }).spec).toEqual({ ...given, nul: null });
  });

  test("a default is a copy of its own", () => {
    const [one, other] = [admit({}), admit({})];
    expect(one.spec).toEqual({ def: { a: 1, b: 7 } });
    expect((one.spec as typeof given).def).not.toBe((other.spec as typeof given).def);
  });

  test("embedded resources have metadata of the usual form", () => {
    const { spec, unknown } = admit({ must: "a", emb: { apiVersion: "v1", kind: "Pod", metadata: { name: "x", foo: 1 }, z: 1 } });
    expect(unknown).toEqual(["spec.emb.metadata.foo"]);
    expect(spec).toMatchObject({ emb: { metadata: { name: "x" }, z: 1 } });
    expect(() => thing.prune({ metadata: { labels: { a: 5 } } })).toThrow(
      'Thing in version "v1" cannot be handled as a Thing: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string',
    );
  });

  test("without a schema everything is kept", () => {
    const object = { metadata: { name: "x" }, any: [{ thing: null }] };
    expect(compileStructural(undefined, "Thing", "v1").prune(object)).toEqual({ value: object, unknown: [] });
  });
});

test("the schema as server-side apply walks it", () => {
  const spec = thing.node.field("spec");
  expect(spec?.field("mp")).toMatchObject({ kind: "list", listType: "map", keys: ["name"], element: { kind: "struct" } });
  expect(spec?.field("set")).toMatchObject({ listType: "set" });
  expect(spec?.field("l")).toMatchObject({ listType: "atomic" });
  expect(spec?.field("m")).toMatchObject({ kind: "map", element: { kind: "scalar" } });
  expect(spec?.field("zz")).toBeUndefined();
  expect(thing.node.field("metadata")?.field("ownerReferences")).toMatchObject({ listType: "map", keys: ["uid"] });
});
