import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, makeDefaultAccount, type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
  await makeDefaultAccount(running);
});
afterAll(() => running.stop());

const core = "/api/v1/namespaces/default";
const maps = `${core}/configmaps`;
const deployments = "/apis/apps/v1/namespaces/default/deployments";
const merge = { "content-type": "application/merge-patch+json" };
const selector = { matchLabels: { app: "w" } };
const template = { metadata: { labels: { app: "w" } }, spec: { containers: [{ name: "c", image: "i" }] } };

const create = (path: string, by: string, body: object): Promise<Answer> => running.request("POST", `${path}?fieldManager=${by}`, body);
const patch = (path: string, by: string, body: object): Promise<Answer> =>
  running.request("PATCH", `${path}?fieldManager=${by}`, body, merge);

/** Who owns what, as "manager operation subresource" to the paths of FieldsV1. */
function ownersOf({ body }: Answer): Record<string, string[]> {
  const paths = (fields: object, prefix: string): string[] =>
    Object.entries(fields).flatMap(([element, below]) => {
      const path = prefix ? `${prefix} ${element}` : element;
      return Object.keys(below).length > 0 ? paths(below, path) : [path];
    });
  const entries: { manager: string; operation: string; subresource?: string; fieldsV1: object }[] = body.metadata.managedFields ?? [];
  return Object.fromEntries(
    entries.map(({ manager, operation, subresource = "", fieldsV1 }) => [
      [manager, operation, subresource].join(" ").trim(),
      paths(fieldsV1, ""),
    ]),
  );
}

describe("who writes owns what is new or different", () => {
  test("of maps key by key, and nobody what is gone", async () => {
    await create(maps, "maker", { metadata: { name: "m" }, data: { a: "1", b: "1" } });
    expect(ownersOf(await patch(`${maps}/m`, "other", { data: { a: "2", c: "1" } }))).toEqual({
      "maker Update": ["f:data .", "f:data f:b"],
      "other Update": ["f:data f:a", "f:data f:c"],
    });
    expect(ownersOf(await patch(`${maps}/m`, "third", { data: { b: null } }))).toEqual({
      "maker Update": ["f:data"],
      "other Update": ["f:data f:a", "f:data f:c"],
    });
  });

  test("of lists by their keys, with defaults, but not what admission adds", async () => {
    const owned = ownersOf(await create(`${core}/pods`, "maker", { metadata: { name: "p" }, spec: template.spec }));
    expect(owned["maker Update"]).toContain('f:spec f:containers k:{"name":"c"} f:image');
    expect(owned["maker Update"]).toContain("f:spec f:dnsPolicy");
    expect(owned["maker Update"]?.filter((path) => /tolerations|serviceAccount|^f:status|f:name$/.test(path))).toEqual([
      'f:spec f:containers k:{"name":"c"} f:name',
    ]);
  });

  test("through subresources by themselves", async () => {
    await create(deployments, "maker", { metadata: { name: "d" }, spec: { replicas: 1, selector, template } });
    await patch(`${deployments}/d/status`, "watcher", { status: { readyReplicas: 1 }, spec: { paused: true } });
    await patch(`${deployments}/d/scale`, "scaler", { spec: { replicas: 2 } });
    const answer = await running.request("GET", `${deployments}/d`);
    const owned = ownersOf(answer);
    expect(owned["watcher Update status"]).toEqual(["f:status f:readyReplicas"]);
    expect(owned["scaler Update scale"]).toEqual(["f:spec f:replicas"]);
    expect(owned["maker Update"]).not.toContain("f:spec f:replicas");
    // Upstream keeps no time of those who scale.
    expect(answer.body.metadata.managedFields.filter(({ time }: { time?: string }) => time === undefined)).toMatchObject([
      { manager: "scaler", apiVersion: "apps/v1" },
    ]);
  });

  test("but not the node that a binding gives", async () => {
    await create(`${core}/pods`, "maker", { metadata: { name: "b" }, spec: template.spec });
    const before = (await running.request("GET", `${core}/pods/b`)).body.metadata.managedFields;
    const target = { kind: "Node", name: "n" };
    expect((await create(`${core}/pods/b/binding`, "scheduler", { metadata: { name: "b" }, target })).code).toBe(201);
    expect((await running.request("GET", `${core}/pods/b`)).body.metadata.managedFields).toEqual(before);
  });

  test("at most ten by name: the oldest become one", async () => {
    await create(maps, "u-0", { metadata: { name: "many" }, data: { k: "0" } });
    for (let i = 1; i <= 11; i++) await patch(`${maps}/many`, `u-${i + 10}`, { data: { [`k-${i}`]: "1" } });
    const owned = ownersOf(await running.request("GET", `${maps}/many`));
    expect(Object.keys(owned)).toHaveLength(10);
    expect(owned["ancient-changes Update"]).toEqual(["f:data .", "f:data f:k", "f:data f:k-1", "f:data f:k-2"]);
  });
});

describe("owners", () => {
  test("stay as they are when nothing changes, and so does the object", async () => {
    const { body } = await create(maps, "maker", { metadata: { name: "same" }, data: { a: "1" } });
    expect((await patch(`${maps}/same`, "other", { data: { a: "1" } })).body).toEqual(body);
  });

  test("are told of a dry run, and not kept", async () => {
    const { body } = await create(maps, "maker", { metadata: { name: "dry" }, data: { a: "1" } });
    expect(ownersOf(await patch(`${maps}/dry`, "other&dryRun=All", { data: { b: "1" } }))).toHaveProperty("other Update");
    expect((await running.request("GET", `${maps}/dry`)).body).toEqual(body);
  });

  test("may be changed by the client that knows them", async () => {
    const { body } = await create(maps, "maker", { metadata: { name: "moved" }, data: { a: "1" } });
    const [entry] = body.metadata.managedFields;
    const metadata = { managedFields: [{ ...entry, manager: "heir" }] };
    expect(ownersOf(await patch(`${maps}/moved`, "mover", { metadata }))).toEqual({ "heir Update": ["f:data .", "f:data f:a"] });
  });

  test.each([[[]], [[{}]]])("are forgotten by %j, and nobody becomes one without an apply", async (managedFields) => {
    const path = `${maps}/forgotten-${managedFields.length}`;
    await create(maps, "maker", { metadata: { name: `forgotten-${managedFields.length}` }, data: { a: "1" } });
    expect(ownersOf(await patch(path, "other", { metadata: { managedFields } }))).toEqual({});
    expect(ownersOf(await patch(path, "other", { data: { a: "2" } }))).toEqual({});
  });

  test("are part of the metadata that clients ask for alone, and of lists", async () => {
    await create(maps, "maker", { metadata: { name: "listed", labels: { only: "this" } }, data: { a: "1" } });
    const managedFields = [{ manager: "maker", operation: "Update", apiVersion: "v1", fieldsType: "FieldsV1" }];
    const partial = { accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" };
    expect((await running.request("GET", `${maps}/listed`, undefined, partial)).body).toMatchObject({ metadata: { managedFields } });
    const list = await running.request("GET", `${maps}?labelSelector=only%3Dthis`);
    expect(list.body.items).toMatchObject([{ metadata: { managedFields } }]);
    const table = await running.request("GET", `${maps}?labelSelector=only%3Dthis`, undefined, {
      accept: "application/json;as=Table;g=meta.k8s.io;v=v1",
    });
    expect(table.body.rows).toMatchObject([{ object: { metadata: { managedFields } } }]);
  });
});
