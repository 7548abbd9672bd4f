import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { makeKubeconfig, mergeKubeconfig, writeKubeconfig } from "../../../src/pki/kubeconfig.ts";

const config = makeKubeconfig({ server: "https://127.0.0.1:6443", authority: "CA", user: { certificate: "CERT", key: "KEY" } });
const base64 = (text: string): string => Buffer.from(text).toString("base64");

const existing = `# my clusters
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- name: work # do not touch
  cluster: {server: "https://work:6443", insecure-skip-tls-verify: true}
- name: hue
  cluster: {server: "https://old:1"}
users:
- name: work
  user: {exec: {command: login, apiVersion: client.authentication.k8s.io/v1}}
contexts: []
current-context: work
`;

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hue-kubeconfig-"));
  path = join(folder, "config");
});
afterEach(() => rm(folder, { recursive: true }));

const read = async (): Promise<typeof config> => parse(await readFile(path, "utf8"));

describe("kubeconfig", () => {
  test("holds everything that a client needs", () => {
    expect(config).toEqual({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "hue", cluster: { server: "https://127.0.0.1:6443", "certificate-authority-data": base64("CA") } }],
      users: [{ name: "hue", user: { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY") } }],
      contexts: [{ name: "hue", context: { cluster: "hue", user: "hue" } }],
      "current-context": "hue",
    });
    const other = makeKubeconfig({ name: "n", server: "s", authority: "CA", user: { token: "t" }, namespace: "ns" });
    expect(other).toMatchObject({
      users: [{ user: { token: "t" } }],
      contexts: [{ context: { namespace: "ns" } }],
      "current-context": "n",
    });
  });

  test("is written for its owner only, also in a folder that is not there yet", async () => {
    path = join(folder, "deep", "down", "config");
    await writeKubeconfig(path, config);
    expect(await read()).toEqual(config);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(path, ".."))).toEqual(["config"]);
  });

  test("merged into a file it replaces its own entries and keeps the others, with their comments", async () => {
    await writeFile(path, existing, { mode: 0o644 });
    await mergeKubeconfig(path, config);
    const text = await readFile(path, "utf8");
    expect(text).toContain("# my clusters");
    expect(text).toContain("# do not touch");
    const merged = await read();
    expect(merged).toMatchObject({ preferences: { colors: true }, "current-context": "hue", contexts: config.contexts });
    expect(merged.clusters).toEqual([parse(existing).clusters[0], config.clusters[0]]);
    expect(merged.users).toEqual([parse(existing).users[0], config.users[0]]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await mergeKubeconfig(path, config);
    expect(await readFile(path, "utf8")).toBe(text);
  });

  test("merges into a new, an empty, and a linked file, and into lists that are null", async () => {
    await mergeKubeconfig(path, config);
    expect(await read()).toEqual(config);
    await writeFile(path, "\n");
    await mergeKubeconfig(path, config);
    expect(await read()).toEqual(config);
    await writeFile(path, "clusters: null\nusers:\n");
    await mergeKubeconfig(path, config);
    expect(await read()).toMatchObject({ clusters: config.clusters, users: config.users });
    const link = join(folder, "link");
    await symlink(path, link);
    await mergeKubeconfig(link, makeKubeconfig({ name: "two", server: "s", authority: "CA", user: { token: "t" } }));
    expect((await read()).clusters.map((c) => c.name)).toEqual(["hue", "two"]);
  });

  test.each(["{", "- a", "just text"])("a file with %j is not touched", async (text) => {
    await writeFile(path, text);
    await expect(mergeKubeconfig(path, config)).rejects.toThrow(`${path} is not a kubeconfig; move it away, or name another file`);
    expect(await readFile(path, "utf8")).toBe(text);
  });
});
