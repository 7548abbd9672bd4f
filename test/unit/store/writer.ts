// Started by crash.test.ts to be killed: writes under load, and prints every acknowledged write as a line of JSON.
import { writeSync } from "node:fs";
import { openStore } from "../../../src/store/open.ts";

const [path = "", round = "0"] = process.argv.slice(2);
const store = await openStore({
  path,
  lazy: ({ resource: of }) => of === "/leases",
  lazyDelay: 40,
  past: { milliseconds: 60 * 60_000, bytes: 2 ** 30 },
});
const resource = "/configmaps";

/** The line is with the reader when this returns, however slowly it reads: what comes later depends on it. */
function print(line: object): void {
  const text = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let written = 0; written < text.length; ) {
    try {
      written += writeSync(1, text, written);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
  }
}

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
    print(line);
    if (number === 0 && i % 40 === 39) void store.compact(Math.max(store.revision - 200, 1));
  }
}

/** Renews a lease for ever: lazy writes between the others. */
async function renew(name: string): Promise<void> {
  for (let i = 0; ; i++) {
    const key = { resource: "/leases", namespace: "", name };
    const object = { apiVersion: "v1", kind: "Lease", metadata: { name }, data: { value: `${round}.${i}` } };
    const { revision } = await store.write({ key, expect: store.latest(key)?.revision ?? 0, object });
    print({ id: name, revision, value: `${round}.${i}`, lazy: true });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

writeSync(1, "started\n");
// The last moments of every third round are those of an idle cluster.
const clients = Number(round) % 3 === 2 ? 0 : 20;
await Promise.all([renew("a"), renew("b"), ...Array.from({ length: clients }, (_, number) => client(number))]);
