import { beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../../../src/store/open.ts";
import type { Key, ListQuery, Store } from "../../../src/store/store.ts";

const resource = "/configmaps";
const count = 1600;
let store: Store;

function keyOf(i: number): Key {
  return { resource, namespace: i % 2 ? "odd" : "even", name: `c-${String(i).padStart(4, "0")}` };
}

async function put(i: number, labels: Record<string, string> | undefined): Promise<void> {
  const key = keyOf(i);
  const metadata = { name: key.name, namespace: key.namespace, ...(labels ? { labels } : {}) };
  await store.write({ key, expect: store.latest(key)?.revision ?? 0, object: { apiVersion: "v1", kind: "ConfigMap", metadata } });
}

/** Both ways to the same list: by what each object says, and by the index where there is one. Also how many objects were looked at. */
function list(value: string, query: Partial<ListQuery> = {}): { names: string[]; remaining: number; looked: number } {
  const ask = (label?: ListQuery["label"]) => {
    let looked = 0;
    const match: ListQuery["match"] = ({ object }) => ++looked > 0 && object.metadata.labels?.["shard"] === value;
    const { objects, remaining } = store.list({ resource, ...query, match, label });
    return { names: objects.map(({ key }) => `${key.namespace}/${key.name}`), remaining, looked };
  };
  const { looked: _, ...walked } = ask();
  const { looked, ...found } = ask({ key: "shard", value });
  expect(found).toEqual(walked);
  return { ...found, looked };
}

beforeAll(async () => {
  store = await openStore({ path: "memory" });
  await Promise.all(Array.from({ length: count }, (_, i) => put(i, { shard: String(i % 40) })));
});

describe("objects selected by a label again and again", () => {
  test("are found without looking at the others", () => {
    expect(list("7")).toMatchObject({ looked: count });
    expect(list("7").names).toHaveLength(40);
    expect(list("7").looked).toBe(40);
    expect(list("none")).toEqual({ names: [], remaining: 0, looked: 0 });
  });

  test("also in one namespace, and page by page", () => {
    expect(list("7", { namespace: "odd" }).looked).toBe(40);
    expect(list("7", { namespace: "even" }).names).toEqual([]);
    const { names, remaining } = list("7", { limit: 15 });
    expect([names.length, remaining]).toEqual([15, 25]);
    const after = store.list({ resource, after: { namespace: "odd", name: "c-0567" }, limit: 1 }).objects[0]?.key;
    expect(list("7", { after: after ?? keyOf(0), limit: 15 }).remaining).toBeGreaterThan(0);
  });

  test("after labels were given, changed and taken, and objects deleted and made", async () => {
    await put(7, { shard: "8" });
    await put(8, { shard: "7", more: "x" });
    await put(47, undefined);
    await put(count, { shard: "7" });
    await store.write({ key: keyOf(87), expect: store.latest(keyOf(87))?.revision ?? 0, object: undefined });
    const { names, looked } = list("7");
    expect([names.length, looked]).toEqual([39, 39]);
    expect(names.slice(0, 2)).toEqual(["even/c-0008", "even/c-1600"]);
    expect(list("8").names).toContain("odd/c-0007");
  });

  test("of the past are those of that time", () => {
    expect(list("7", { revision: count + 1 }).names).toHaveLength(40);
  });

  test("most of all are not sorted anew", async () => {
    await Promise.all(Array.from({ length: 400 }, (_, i) => put(i, { shard: "7" })));
    expect(list("7").looked).toBe(store.count(resource));
  });
});
