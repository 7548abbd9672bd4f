import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/api/meta/object.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";
import { State } from "../../../src/store/state.ts";

const tolerations = [{ key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }];
const containers = [
  { name: "c", image: "app", args: ["--a-rather-long-argument", "--that-makes-the-text-long-enough-to-be-shared"], empty: {} },
];

function pod(name: string, spec: object = {}): KubeObject {
  const metadata = { name, namespace: "ns", uid: `uid-${name}`, labels: { app: "a" }, resourceVersion: "1", creationTimestamp: "" };
  const all = { containers, absent: undefined, tolerations, nodeName: `node of ${name}`, ...spec };
  return structuredClone({
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: all,
    status: {
      hostIPs: [{ ip: "10.0.0.1" }],
      phase: "Running",
      containerStatuses: [{ name: "c", containerID: `docker://${name}`, resources: { requests: { cpu: "1" } }, lastState: {} }],
    },
  });
}

const key = (name: string, resource = "/pods") => ({ resource, namespace: "ns", name });

describe("pods of one template", () => {
  const [a, b] = ["a", "b"].map((name, n) => State.of(key(name), n + 2, pod(name), undefined)) as [State, State];

  test("are kept with what is equal in them once, each with its own text", () => {
    const specOf = ({ object }: State) => (object as unknown as { spec: Record<string, unknown> }).spec;
    expect(specOf(b)["containers"]).toBe(specOf(a)["containers"]);
    expect(specOf(b)["tolerations"]).toBe(specOf(a)["tolerations"]);
    expect(b.object.metadata.labels).toBe(a.object.metadata.labels);
    const statusOf = ({ object }: State) => (object as unknown as { status: { containerStatuses: Record<string, unknown>[] } }).status;
    const [own, others] = [a, b].map((state) => statusOf(state).containerStatuses[0]);
    expect(own?.["resources"]).toBe(others?.["resources"]);
    expect(own?.["containerID"]).not.toBe(others?.["containerID"]);
    for (const state of [a, b]) expect(state.text).toBe(JSON.stringify(state.object));
    expect(JSON.parse(b.text)).toEqual({ ...pod("b"), metadata: { ...pod("b").metadata, resourceVersion: "3" } });
  });

  test("share it also with those that were read from the disk", () => {
    const read = State.read(key("b"), 3, b.text);
    expect(read.object).toEqual(b.object);
    expect((read.object as unknown as { spec: object }).spec).toMatchObject({ containers });
    expect((read.object as unknown as { spec: { containers: object } }).spec.containers).toBe(
      (a.object as unknown as { spec: { containers: object } }).spec.containers,
    );
    expect(read.text).toBe(b.text);
  });

  test("have the same text again once they are history, which keeps what they share and no text", () => {
    const state = State.of(key("c"), 4, pod("c"), undefined);
    const { text, object, size } = state;
    state.keepOneForm();
    expect(state.object).toBe(object);
    expect(Object.values(state)).not.toContain(text);
    expect(state.text).toBe(text);
    expect(state.size).toBe(size);
  });

  test("are parsed again from their text where nothing is shared", () => {
    const state = State.of({ ...key("c"), resource: "/events" }, 4, pod("c"), undefined);
    const { object } = state;
    state.keepOneForm();
    expect(state.object).toEqual(object);
    expect(state.object).not.toBe(object);
    expect(JSON.parse(state.text)).toEqual(object);
  });
});

test("of very many pods no text is kept, whether they are written or read from the disk; lists and events have it all the same", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hue-many-"));
  const open = () => openStore({ path: join(folder, "store.db") });
  const spec = (n: number) => ({ apiVersion: "v1", kind: "Pod", metadata: { name: `p${n}` }, spec: { containers } }) as KubeObject;
  const bodies = (store: Store) => store.list({ resource: "/pods" }).objects.filter((state) => "body" in state && state.body).length;
  let store = await open();
  const told: string[] = [];
  store.watch({ resource: "/pods", from: 1 }, ({ object }) => void told.push(object.text));
  const write = (n: number) => store.write({ key: key(`p${n}`), expect: 0, object: spec(n) });
  await Promise.all(Array.from({ length: 10_100 }, (_, n) => write(n)));
  await write(10_100);
  expect(bodies(store)).toBe(10_001); // the first ones, and the last
  const texts = store.list({ resource: "/pods" }).objects.map(({ text }) => text);
  expect(texts.toSorted()).toEqual(told.toSorted());
  expect(bodies(store)).toBe(10_001);
  await store.close();
  store = await open();
  expect(bodies(store)).toBe(10_001);
  expect(store.list({ resource: "/pods" }).objects.map(({ text }) => text)).toEqual(texts);
  await store.close();
  rmSync(folder, { recursive: true });
});

test.each([
  ["no spec's fields", pod("d", { containers: undefined, tolerations: undefined, nodeName: undefined })],
  ["null and empty ones", pod("e", { affinity: null, securityContext: {}, volumes: [] })],
  ["very long ones", pod("f", { containers: [{ name: "c", image: "x".repeat(20_000) }] })],
  ["no container's status", { ...pod("h"), status: { containerStatuses: [], other: [1] } } as KubeObject],
  ["two containers' status", { ...pod("i"), status: { containerStatuses: [{ state: {} }, { state: { running: {} } }] } } as KubeObject],
  ["no status", { ...pod("g"), status: undefined } as KubeObject],
])("a pod with %s has the text that JSON makes of it", (_, object) => {
  const state = State.of(key(object.metadata.name ?? ""), 7, object, undefined);
  expect(state.text).toBe(JSON.stringify(state.object));
  expect(JSON.parse(state.text)).toEqual(JSON.parse(JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: "7" } })));
});
