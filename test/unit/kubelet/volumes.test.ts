import { mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ConfigMap } from "../../../src/api/types/core.v1.ts";
import { writeAtomically } from "../../../src/kubelet/volumes/atomic-writer.ts";
import { checkHostPath } from "../../../src/kubelet/volumes/host-path.ts";
import { type PayloadSources, volumePayload } from "../../../src/kubelet/volumes/payload.ts";
import { resolveSubPath } from "../../../src/kubelet/volumes/sub-path.ts";
import { pod } from "./pods.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hue-volumes-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const files = (entries: Record<string, string>, mode = 0o644) =>
  new Map(Object.entries(entries).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

describe("the atomic writer", () => {
  test("shows files through ..data, and swaps all of them at once", async () => {
    await writeAtomically(folder, files({ a: "1", "dir/b": "2" }), undefined, 0);
    expect(await readFile(join(folder, "dir/b"), "utf8")).toBe("2");
    const first = await readlink(join(folder, "..data"));
    await writeAtomically(folder, files({ a: "new", c: "3" }), undefined, 60_000);
    expect((await readdir(folder)).filter((n) => !n.startsWith(".."))).toEqual(["a", "c"]);
    expect(await readFile(join(folder, "a"), "utf8")).toBe("new");
    expect(await readdir(folder)).not.toContain(first);
    expect(await readlink(join(folder, "a"))).toBe("..data/a");
  });

  test("sets the mode of the file whatever the umask, and lets the group read", async () => {
    await writeAtomically(folder, files({ key: "x" }, 0o400), undefined, 0);
    expect((await stat(join(folder, "key"))).mode & 0o777).toBe(0o400);
    await writeAtomically(folder, files({ key: "y" }, 0o400), process.getgid?.() ?? 0, 1);
    expect((await stat(join(folder, "key"))).mode & 0o777).toBe(0o440);
  });
});

describe("the files of a volume", () => {
  const sources: PayloadSources = {
    node: { nodeName: "n1", hostIPs: [], podIPs: [], allocatable: {} },
    configMap: async (name) => (name === "cm" ? ({ data: { k: "v" }, binaryData: { bin: "AAE=" } } as unknown as ConfigMap) : undefined),
    secret: async () => undefined,
    token: async (audience, seconds) => `token for ${audience} ${seconds}`,
  };
  const payload = async (volume: object) =>
    Object.fromEntries(
      [...((await volumePayload(pod({ containers: [] }), volume, sources)) ?? [])].map(([path, f]) => [
        path,
        [f.data.toString("latin1"), f.mode],
      ]),
    );

  test("of a ConfigMap are all its keys, or its items under their paths and modes", async () => {
    expect(await payload({ configMap: { name: "cm", defaultMode: 0o600 } })).toEqual({ k: ["v", 0o600], bin: ["\0\x01", 0o600] });
    expect(await payload({ configMap: { name: "cm", items: [{ key: "k", path: "x/y", mode: 0o400 }] } })).toEqual({ "x/y": ["v", 0o400] });
  });

  test("of a projected volume come from all its sources", async () => {
    const projected = {
      sources: [
        { serviceAccountToken: { audience: "a", path: "token" } },
        { configMap: { name: "no", optional: true } },
        { downwardAPI: { items: [{ path: "n", fieldRef: { fieldPath: "metadata.name" } }] } },
      ],
    };
    expect(await payload({ projected })).toEqual({ token: ["token for a 3600", 0o644], n: ["web", 0o644] });
  });

  test.each([
    [{ configMap: { name: "no" } }, `configmap "no" not found`],
    [{ secret: { secretName: "no" } }, `secret "no" not found`],
    [{ configMap: { name: "cm", items: [{ key: "no", path: "x" }] } }, "configmap references non-existent config key: no"],
  ])("of %j cannot be had", async (volume, message) => {
    await expect(payload(volume)).rejects.toThrow(message);
  });
});

describe("a subPath", () => {
  test("is made when missing, and followed through the links of an atomic volume", async () => {
    expect(await resolveSubPath(folder, "new/deep", false)).toBe(join(await realpath(folder), "new/deep"));
    await writeAtomically(folder, files({ f: "1" }), undefined, 0);
    expect(await readFile(await resolveSubPath(folder, "f", true), "utf8")).toBe("1");
  });

  test("never leads out of the volume", async () => {
    await symlink("/etc", join(folder, "out"));
    await mkdir(join(folder, "in"));
    await expect(resolveSubPath(folder, "out/passwd", false)).rejects.toThrow("not within volume path");
    await expect(resolveSubPath(folder, "out/new", false)).rejects.toThrow("not within volume path");
    await expect(resolveSubPath(folder, "in/../../x", false)).rejects.toThrow("must not contain '..'");
    await expect(resolveSubPath(folder, "/etc", false)).rejects.toThrow("must not be an absolute path");
  });
});

describe("a hostPath", () => {
  test("is made where its type says so", async () => {
    await checkHostPath({ path: join(folder, "d"), type: "DirectoryOrCreate" });
    await checkHostPath({ path: join(folder, "f"), type: "FileOrCreate" });
    expect((await stat(join(folder, "d"))).isDirectory()).toBe(true);
    expect((await stat(join(folder, "f"))).isFile()).toBe(true);
  });

  test("must be what its type says", async () => {
    await writeFile(join(folder, "f"), "");
    await expect(checkHostPath({ path: join(folder, "f"), type: "Directory" })).rejects.toThrow(
      `hostPath type check failed: ${folder}/f is not a directory`,
    );
    await expect(checkHostPath({ path: join(folder, "no"), type: "Socket" })).rejects.toThrow("is not a socket file");
  });
});
