import { describe, expect, it } from "vitest";
import { applyJsonPatch } from "../../../../src/api/meta/patch/json.ts";
import { applyMergePatch } from "../../../../src/api/meta/patch/merge.ts";
import { applyStrategicMergePatch } from "../../../../src/api/meta/patch/strategic.ts";
import { schemaOf } from "../../../../src/api/schema/node.ts";

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) for (const item of Object.values(Object.freeze(value))) frozen(item);
  return value;
}

describe("JSON patch", () => {
  const document = frozen({ a: { b: [1, 2, 3] }, c: { d: "e" }, "x/y": 1 });
  it.each([
    ["adds to an object", [{ op: "add", path: "/c/f", value: 1 }], { c: { d: "e", f: 1 } }],
    ["inserts into a list", [{ op: "add", path: "/a/b/1", value: 9 }], { a: { b: [1, 9, 2, 3] } }],
    ["appends", [{ op: "add", path: "/a/b/-", value: 9 }], { a: { b: [1, 2, 3, 9] } }],
    ["counts from the end", [{ op: "remove", path: "/a/b/-1" }], { a: { b: [1, 2] } }],
    ["removes", [{ op: "remove", path: "/c/d" }], { c: {} }],
    ["replaces what is not there, as upstream does", [{ op: "replace", path: "/c/z", value: 1 }], { c: { d: "e", z: 1 } }],
    ["moves", [{ op: "move", from: "/c/d", path: "/a/d" }], { a: { b: [1, 2, 3], d: "e" }, c: {} }],
    ["copies", [{ op: "copy", from: "/c", path: "/a/c" }], { a: { b: [1, 2, 3], c: { d: "e" } } }],
    ["unescapes", [{ op: "replace", path: "/x~1y", value: 2 }], { "x/y": 2 }],
    [
      "changes what an earlier operation added",
      [
        { op: "add", path: "/n", value: { o: [] } },
        { op: "add", path: "/n/o/-", value: 1 },
      ],
      { n: { o: [1] } },
    ],
    [
      "tests",
      [
        { op: "test", path: "/a/b", value: [1, 2, 3] },
        { op: "test", path: "/c/none", value: null },
      ],
      {},
    ],
  ])("%s", (_, patch, change) => expect(applyJsonPatch(document, patch)).toEqual({ ...document, ...change }));

  it.each([
    [[{ op: "test", path: "/c/d", value: "f" }]],
    [[{ op: "remove", path: "/c/z" }]],
    [[{ op: "add", path: "/z/z", value: 1 }]],
    [[{ op: "add", path: "/a/b/4", value: 1 }]],
    [[{ op: "move", from: "/z", path: "/y" }]],
    [[{ op: "what", path: "/z" }]],
    [[{ op: "add", path: "z", value: 1 }]],
  ])("answers 422 to %j", (patch) => {
    expect(() => applyJsonPatch(document, patch)).toThrow("the server rejected our request due to an error in our request");
  });

  it("shares what it leaves alone", () => {
    const patched = applyJsonPatch(document, [{ op: "add", path: "/c/f", value: 1 }]);
    expect(patched).toHaveProperty("a", document.a);
    expect((patched as typeof document).a).toBe(document.a);
  });
});

describe("merge patch", () => {
  it("merges objects, removes by null, replaces the rest", () => {
    const document = frozen({ a: { b: 1, c: 2 }, l: [1, 2], k: { x: 1 } });
    expect(applyMergePatch(document, { a: { b: null, d: { e: null, f: 1 } }, l: [3], n: { o: null } })).toEqual({
      a: { c: 2, d: { f: 1 } },
      l: [3],
      k: { x: 1 },
      n: {},
    });
    expect(() => applyMergePatch(document, [])).toThrow("error decoding patch: json: cannot unmarshal array");
  });
});

describe("strategic merge patch", () => {
  const schema = schemaOf("apps.v1.Deployment");
  const deployment = (containers: unknown[], more: object = {}): unknown =>
    frozen({ spec: { template: { spec: { containers, ...more } } } });
  const patch = (original: unknown, spec: object): unknown => {
    const result = applyStrategicMergePatch(original, { spec: { template: { spec } } }, schema) as ReturnType<typeof shape>;
    return result.spec.template.spec;
  };
  const shape = (): { spec: { template: { spec: unknown } } } => ({ spec: { template: { spec: {} } } });
  const a = { name: "a", image: "x:1", ports: [{ containerPort: 80, name: "http" }] };
  const b = { name: "b", image: "y:1" };

  it.each([
    ["merges lists by their key", { containers: [{ name: "a", image: "x:2" }] }, { containers: [{ ...a, image: "x:2" }, b] }],
    [
      "puts new items first, as upstream does",
      { containers: [{ name: "c", image: "z" }] },
      { containers: [{ name: "c", image: "z" }, a, b] },
    ],
    ["deletes an item", { containers: [{ name: "a", $patch: "delete" }] }, { containers: [b] }],
    ["replaces a list", { containers: [{ $patch: "replace" }, { name: "c" }] }, { containers: [{ name: "c" }] }],
    [
      "orders by $setElementOrder",
      { $setElementOrder: 1, "$setElementOrder/containers": [{ name: "b" }, { name: "a" }], containers: [{ name: "b", image: "y:2" }] },
      { containers: [{ ...b, image: "y:2" }, a] },
    ],
    [
      "removes what $setElementOrder keeps and a delete names",
      { "$setElementOrder/containers": [{ name: "b" }], containers: [{ name: "a", $patch: "delete" }] },
      { containers: [b] },
    ],
    [
      "merges deeper",
      { containers: [{ name: "a", ports: [{ containerPort: 81 }] }] },
      { containers: [{ ...a, ports: [{ containerPort: 81 }, ...a.ports] }, b] },
    ],
    ["removes by null", { containers: [{ name: "a", ports: null }] }, { containers: [{ name: "a", image: "x:1" }, b] }],
  ])("%s", (_, spec, expected) => {
    const { $setElementOrder: _s, ...clean } = spec as Record<string, unknown>;
    expect(patch(deployment([a, b]), clean)).toEqual(expected);
  });

  it("keeps only $retainKeys", () => {
    const original = frozen({ spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } });
    const change = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
    expect(applyStrategicMergePatch(original, change, schema)).toEqual({ spec: { strategy: { type: "Recreate" } } });
  });

  it("merges and deletes primitives", () => {
    const original = frozen({ metadata: { finalizers: ["a/1", "b/2"] } });
    expect(applyStrategicMergePatch(original, { metadata: { finalizers: ["c/3"] } }, schema)).toEqual({
      metadata: { finalizers: ["c/3", "a/1", "b/2"] },
    });
    const removal = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a/1"], "$setElementOrder/finalizers": ["b/2"] } };
    expect(applyStrategicMergePatch(original, removal, schema)).toEqual({ metadata: { finalizers: ["b/2"] } });
  });

  it("replaces atomic lists and whole maps on demand, and drops nulls of what is new", () => {
    const original = deployment([a], { tolerations: [{ key: "x" }], nodeSelector: { disk: "ssd", zone: "1" } });
    expect(
      patch(original, { tolerations: [{ key: "y" }], nodeSelector: { $patch: "replace", disk: "hdd" }, affinity: { podAffinity: null } }),
    ).toEqual({
      containers: [a],
      tolerations: [{ key: "y" }],
      nodeSelector: { disk: "hdd" },
      affinity: {},
    });
  });

  it("complains as upstream does", () => {
    expect(() => applyStrategicMergePatch({}, [], schema)).toThrow("json: cannot unmarshal array into Go value");
    expect(() => applyStrategicMergePatch({}, { $patch: "foo" }, schema)).toThrow("unknown patch type: foo in map: map[$patch:foo]");
    expect(() => patch(deployment([a]), { containers: [{ image: "x" }] })).toThrow("does not contain declared merge key: name");
    const change = { "$setElementOrder/containers": [{ name: "b" }], containers: [{ name: "a" }] };
    expect(() => patch(deployment([a]), change)).toThrow("doesn't match $setElementOrder list");
  });
});
