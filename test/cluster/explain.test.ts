import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { builtInResources } from "../../src/api/resource.ts";
import type { TypeFacts } from "../../src/api/schema/facts.ts";
import types from "../../src/api/schema/types.json" with { type: "json" };
import { tool } from "../support/kubectl.ts";
import { type RunningServer, startServer } from "../unit/apiserver/running-server.ts";

const facts: Readonly<Record<string, TypeFacts>> = types;

let running: RunningServer;
let folder: string;

beforeAll(async () => {
  running = await startServer();
  folder = await mkdtemp(join(tmpdir(), "hue-explain-"));
  const ca = Buffer.from(running.authority.certificate).toString("base64");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "hue", cluster: { server: running.url, "certificate-authority-data": ca } }],
    users: [{ name: "admin", user: { token: "admin" } }],
    contexts: [{ name: "admin", context: { cluster: "hue", user: "admin" } }],
    "current-context": "admin",
  };
  await writeFile(join(folder, "config"), JSON.stringify(config));
});
afterAll(async () => {
  await running.stop();
  await rm(folder, { recursive: true, force: true });
});

async function kubectl(...args: string[]): Promise<string> {
  const env = { ...process.env, KUBECONFIG: join(folder, "config"), HOME: folder };
  return (await promisify(execFile)(tool("kubectl"), args, { env, timeout: 60_000, maxBuffer: 2 ** 26 })).stdout;
}

/** The names of all fields of a type and of what it holds. */
function fieldsOf(type: string, seen = new Set<string>()): string[] {
  const name = type.replace(/^[[{]+|[\]}]+$/g, "");
  if (seen.has(name)) return [];
  seen.add(name);
  return Object.entries(facts[name]?.fields ?? {}).flatMap(([field, { type }]) => [
    ...(field.startsWith("~") ? [] : [field]),
    ...fieldsOf(type, seen),
  ]);
}

test("explain --recursive shows every field of every kind", async () => {
  const kinds = builtInResources().filter(({ type, verbs }) => type && verbs.includes("get"));
  const waiting = kinds[Symbol.iterator]();
  const explained: string[] = [];
  await Promise.all(
    [1, 2, 3].map(async () => {
      for (const { groupVersion, plural, kind, type = "" } of waiting) {
        const text = await kubectl("explain", plural, `--api-version=${groupVersion}`, "--recursive");
        expect(text).toMatch(new RegExp(`^(GROUP: .*\\n)?KIND: +${kind}\\n`));
        const shown = new Set(Array.from(text.matchAll(/^ +(\S+)\t</gm), ([, field]) => field));
        expect(fieldsOf(type).filter((field) => !shown.has(field))).toEqual([]);
        explained.push(kind);
      }
    }),
  );
  expect(explained.length).toBeGreaterThan(50);
}, 180_000);

test("explain --recursive shows the schema of a custom resource, with its metadata", async () => {
  const schema = {
    type: "object",
    properties: {
      spec: {
        type: "object",
        required: ["size"],
        properties: {
          size: { type: "integer" },
          colors: { type: "array", items: { type: "object", properties: { hue: { type: "string", enum: ["red", "blue"] } } } },
          marks: { type: "object", additionalProperties: { type: "object", properties: { inked: { type: "boolean" } } } },
          template: { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
          port: { "x-kubernetes-int-or-string": true },
        },
      },
    },
  };
  await writeFile(
    join(folder, "definition.json"),
    JSON.stringify({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "shirts.stable.example.com" },
      spec: {
        group: "stable.example.com",
        scope: "Namespaced",
        names: { plural: "shirts", singular: "shirt", kind: "Shirt" },
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      },
    }),
  );
  await kubectl("create", "-f", join(folder, "definition.json"));
  await kubectl("wait", "crd/shirts.stable.example.com", "--for=condition=Established");
  let text = "";
  await expect
    .poll(async () => (text = await kubectl("explain", "shirts", "--recursive").catch(() => "")), { timeout: 10_000 })
    .not.toBe("");
  expect(text).toContain("  metadata\t<ObjectMeta>\n    annotations\t<map[string]string>\n");
  expect(text).toContain("    colors\t<[]Object>\n      hue\t<string>\n      enum: red, blue\n");
  expect(text).toContain("    marks\t<map[string]Object>\n      inked\t<boolean>\n");
  expect(text).toContain("    size\t<integer> -required-\n");
  expect(text).toMatch(/ {4}template\t<Object>/);
  expect(text).toMatch(/ {4}port\t</);
});
