import { expect, test } from "vitest";
import type { KubeObject } from "../../../src/api/meta/object.ts";
import { diffObjects } from "../../../src/cli/object-diff.ts";

const entry = (manager: string, time: string, fieldsV1: object) => ({ manager, operation: "Update" as const, time, fieldsV1 });
const [early, late] = ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"];

function pod(revision: number, containers: object[], more: { metadata?: object; [field: string]: unknown } = {}): KubeObject {
  const metadata = { name: "p", namespace: "default", uid: "1", resourceVersion: String(revision), ...more.metadata };
  return { apiVersion: "v1", kind: "Pod", ...more, metadata, ...{ spec: { containers } } };
}

test("what is equal is not told, nor what every write changes", () => {
  const before = pod(1, [{ name: "a" }], { metadata: { managedFields: [entry("x", early, {})] } });
  expect(diffObjects([before], [before])).toEqual([]);
  expect(diffObjects([before], [pod(2, [{ name: "a" }], { metadata: { managedFields: [entry("x", late, {})] } })])).toEqual([]);
});

test("fields are told by their paths, items of lists by their names, and each with who owns it now and wrote it since", () => {
  const owned = (...fields: string[]) => ({
    "f:spec": { "f:containers": { 'k:{"name":"b"}': Object.fromEntries(fields.map((f) => [f, {}])) } },
  });
  const before = pod(
    1,
    [
      { name: "a", image: "1" },
      { name: "b", image: "1", args: ["x"] },
    ],
    {
      metadata: { labels: { "example.com/a": "1" }, managedFields: [entry("creator", early, owned(".", "f:image", "f:args"))] },
    },
  );
  const managedFields = [
    entry("creator", early, owned(".")),
    entry("setter", late, owned("f:image")),
    entry("labeller", late, { "f:metadata": { "f:labels": { "f:example.com/a": {} } } }),
  ];
  const after = pod(
    2,
    [
      { name: "b", image: "2" },
      { name: "a", image: "1" },
    ],
    {
      metadata: { labels: { "example.com/a": "2" }, managedFields },
    },
  );
  const [change, ...others] = diffObjects([before], [after]);
  expect(others).toEqual([]);
  expect(change).toMatchObject({ type: "changed", kind: "Pod", namespace: "default", name: "p" });
  expect(change?.by.map(({ manager }) => manager)).toEqual(["setter", "labeller"]);
  expect(change?.fields).toEqual([
    { path: "metadata.labels[example.com/a]", before: "1", after: "2", by: { manager: "labeller", time: late } },
    { path: "spec.containers[b].image", before: "1", after: "2", by: { manager: "setter", time: late } },
    { path: "spec.containers[b].args", before: ["x"], after: undefined, by: undefined },
  ]);
});

test("what is new, gone, or another object of the same name; in order", () => {
  const of = (name: string, uid: string): KubeObject => pod(Number(uid), [], { metadata: { name, uid, resourceVersion: uid } });
  const told = diffObjects([of("b", "1"), of("c", "2")], [of("a", "3"), of("b", "4")]);
  expect(told.map(({ type, name }) => [type, name])).toEqual([
    ["created", "a"],
    ["created", "b"],
    ["deleted", "c"],
  ]);
});

test("what a Secret holds is not shown", () => {
  const secret = (revision: string, data: object): KubeObject => ({
    ...{ apiVersion: "v1", kind: "Secret", data },
    metadata: { name: "s", uid: "1", resourceVersion: revision },
  });
  const [change] = diffObjects([secret("1", { a: "old", b: "same" })], [secret("2", { a: "new", b: "same", c: "more" })]);
  expect(change?.fields).toEqual([
    { path: "data.a", before: "***", after: "***" },
    { path: "data.c", before: undefined, after: "***" },
  ]);
});
