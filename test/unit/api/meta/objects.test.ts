import { describe, expect, it } from "vitest";
import { isStrictSubset } from "../../../../src/api/meta/addresses.ts";
import { type ConditionLike, findCondition, hasCondition, removeCondition, setCondition } from "../../../../src/api/meta/conditions.ts";
import { difference } from "../../../../src/api/meta/difference.ts";
import { deepEqual, semanticEqual } from "../../../../src/api/meta/equality.ts";
import { sameMetadata, validateMetadata, validateMetadataUpdate } from "../../../../src/api/meta/metadata.ts";
import { controllerOf, controllerReference, isControlledBy } from "../../../../src/api/meta/owners.ts";
import { sameTemplate } from "../../../../src/api/meta/templates.ts";

const configMaps = { group: "", plural: "configmaps", namespaced: true };
const texts = (errors: readonly { field: string; message: string }[]): string[] => errors.map((e) => `${e.field}: ${e.message}`);

describe("metadata", () => {
  it("of a namespaced object needs a namespace, of another may have none", () => {
    expect(texts(validateMetadata({ name: "a" }, configMaps))).toEqual(["metadata.namespace: Required value"]);
    expect(texts(validateMetadata({ name: "a", namespace: "b" }, { group: "", plural: "nodes", namespaced: false }))).toEqual([
      "metadata.namespace: Forbidden: not allowed on this type",
    ]);
  });

  it("may change, but not who the object is", () => {
    const old = { name: "a", namespace: "n", uid: "u", creationTimestamp: "2026-01-01T00:00:00Z", generation: 3 };
    expect(validateMetadataUpdate({ ...old, labels: { a: "b" }, generation: 4 }, old)).toEqual([]);
    expect(texts(validateMetadataUpdate({ ...old, name: "b", uid: "v", generation: 2 }, old))).toEqual([
      "metadata.generation: Invalid value: 2: must not be decremented",
      'metadata.name: Invalid value: "b": field is immutable',
      'metadata.uid: Invalid value: "v": field is immutable',
    ]);
  });

  it("of an object that is going takes no new finalizers", () => {
    const old = { name: "a", deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["a/b"] };
    expect(validateMetadataUpdate({ ...old, finalizers: [] }, old)).toEqual([]);
    expect(texts(validateMetadataUpdate({ ...old, finalizers: ["a/b", "c/d"] }, old))).toEqual([
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}',
    ]);
  });

  it("is the same when only bookkeeping differs", () => {
    expect(sameMetadata({ name: "a", resourceVersion: "1", generation: 1 }, { name: "a", resourceVersion: "2" })).toBe(true);
    expect(sameMetadata({ name: "a" }, { name: "a", labels: { b: "c" } })).toBe(false);
  });
});

describe("conditions", () => {
  const ready: ConditionLike = { type: "Ready", status: "True", lastTransitionTime: "t1" };

  it("keep their transition time until the status changes", () => {
    expect(setCondition([ready], { type: "Ready", status: "True", reason: "New" }, "t2")).toEqual([{ ...ready, reason: "New" }]);
    expect(setCondition([ready], { type: "Ready", status: "False" }, "t2")).toEqual([
      { type: "Ready", status: "False", lastTransitionTime: "t2" },
    ]);
    expect(setCondition(undefined, { type: "Ready", status: "True" }, "t2")).toEqual([{ ...ready, lastTransitionTime: "t2" }]);
  });

  it("stay the same list when nothing changes", () => {
    const list = [ready];
    expect(setCondition(list, { type: "Ready", status: "True" }, "t2")).toBe(list);
    expect(removeCondition(list, "Other")).toBe(list);
    expect(removeCondition(list, "Ready")).toEqual([]);
    expect(findCondition(list, "Ready")).toBe(ready);
    expect(hasCondition(list, "Ready")).toBe(true);
  });
});

describe("owners", () => {
  it("are found and referred to", () => {
    const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", metadata: { name: "r", uid: "u" } };
    const reference = controllerReference(owner);
    expect(reference).toEqual({
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      name: "r",
      uid: "u",
      controller: true,
      blockOwnerDeletion: true,
    });
    const pod = { metadata: { ownerReferences: [{ apiVersion: "v1", kind: "X", name: "x", uid: "x" }, reference] } };
    expect(controllerOf(pod)).toBe(reference);
    expect(isControlledBy(pod, owner)).toBe(true);
  });
});

describe("equality", () => {
  it.each([
    [{ a: 1, b: [1] }, { b: [1], a: 1 }, true, true],
    [{ a: undefined }, {}, true, true],
    [{ a: [] }, {}, false, true],
    [{ a: {} }, { a: null }, false, true],
    [{ a: 0 }, {}, false, false],
    [[1, 2], [2, 1], false, false],
    [{ a: "" }, {}, false, false],
  ])("of %j and %j: %s, in meaning %s", (a, b, deep, semantic) => {
    expect(deepEqual(a, b)).toBe(deep);
    expect(semanticEqual(a, b)).toBe(semantic);
    expect(semanticEqual(b, a)).toBe(semantic);
  });

  it("of templates leaves the hash label out", () => {
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "a" }] } };
    expect(sameTemplate(template, { ...template, metadata: { labels: { a: "b", "pod-template-hash": "x" } } })).toBe(true);
    expect(sameTemplate(template, { ...template, spec: { containers: [{ name: "b" }] } })).toBe(false);
  });

  it("shows what differs as a diff", () => {
    expect(difference({ a: 1, b: 2 }, { a: 1, b: 3 })).toBe('@@ -1,4 +1,4 @@\n {\n  "a": 1,\n- "b": 2\n+ "b": 3\n }\n');
  });

  it("knows smaller ranges", () => {
    expect(isStrictSubset("10.1.0.0/16", "10.0.0.0/8")).toBe(true);
    expect(isStrictSubset("11.1.0.0/16", "10.0.0.0/8")).toBe(false);
    expect(isStrictSubset("10.0.0.0/8", "10.0.0.0/8")).toBe(false);
  });
});
