// Started by crash.test.ts to be killed: writes under load, and prints every acknowledged write as a line of JSON.
import { writeSync } from "node:fs";
import { openStore } from "../../../src/store/open.ts";

const [path = "", round = "0"] = process.argv.slice(2);
const store = await openStore({ path });
const resource = "/configmaps";

/** Creates, updates and sometimes deletes its own few objects, one write after the other, for ever. */
async function client(number: number): Promise<void> {
  for (let i = 0; ; i++) {
    const key = { resource, namespace: `n-${number % 3}`, name: `c-${number}-${i % 5}` };
    const current = store.latest(key);
    const value = `${round}.${i}`;
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: key.name },
      data: { value, more: "x".repeat((i * 97) % 3000) },
    };
    const deleting = current !== undefined && i % 7 === 0;
    const stored = await store.write({ key, expect: current?.revision ?? 0, object: deleting ? undefined : object });
    const line = { id: `${key.namespace}/${key.name}`, revision: stored.revision, value: deleting ? null : value };
    writeSync(1, `${JSON.stringify(line)}\n`);
    if (number === 0 && i % 40 === 39) void store.compact(Math.max(store.revision - 200, 1));
  }
}

writeSync(1, "started\n");
await Promise.all(Array.from({ length: 20 }, (_, number) => client(number)));
