import { randomBytes } from "node:crypto";
import { chmod, chown, lchown, mkdir, readdir, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** One file of a volume that the kubelet writes. */
export interface VolumeFile {
  data: Buffer;
  /** Permission bits. */
  mode: number;
}

/** The files of such a volume by their path in it. */
export type Payload = ReadonlyMap<string, VolumeFile>;

/** Whether two payloads are alike to the byte. */
export function samePayload(a: Payload, b: Payload): boolean {
  if (a.size !== b.size) return false;
  for (const [path, file] of a) {
    const other = b.get(path);
    if (!other || other.mode !== file.mode || !other.data.equals(file.data)) return false;
  }
  return true;
}

/**
 * Makes a folder hold exactly these files, all changed in one moment: they lie in a folder named by the time, which the link ..data
 * leads to, and the visible names lead through that link. A reader sees the old files or the new ones, never a mixture.
 * With a group, files belong to it and it may read them.
 */
export async function writeAtomically(folder: string, payload: Payload, group: number | undefined, now: number): Promise<void> {
  const stamp = `..${new Date(now).toISOString().slice(0, 19).replace(/[-:T]/g, "_")}.${randomBytes(4).toString("hex")}`;
  const old = await readlink(join(folder, "..data")).catch(() => undefined);
  const fresh = join(folder, stamp);
  await makeFolder(fresh, group);
  for (const [path, file] of payload) {
    const target = join(fresh, path);
    if (dirname(target) !== fresh) await makeFolders(fresh, dirname(path), group);
    await writeFile(target, file.data);
    await chmod(target, group === undefined ? file.mode : file.mode | 0o440);
    if (group !== undefined) await chown(target, 0, group);
  }
  const temporary = join(folder, "..data_tmp");
  await rm(temporary, { force: true });
  await symlink(stamp, temporary);
  await rename(temporary, join(folder, "..data"));
  await linkVisibleNames(folder, payload, group);
  if (old && old !== stamp) await rm(join(folder, old), { recursive: true, force: true });
}

async function linkVisibleNames(folder: string, payload: Payload, group: number | undefined): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split("/")[0] ?? path));
  for (const name of await readdir(folder)) {
    if (name.startsWith("..")) continue;
    if (!wanted.delete(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
  for (const name of wanted) {
    await symlink(join("..data", name), join(folder, name));
    if (group !== undefined) await lchown(join(folder, name), 0, group);
  }
}

async function makeFolders(root: string, path: string, group: number | undefined): Promise<void> {
  let at = root;
  for (const part of path.split("/")) {
    at = join(at, part);
    await makeFolder(at, group);
  }
}

async function makeFolder(path: string, group: number | undefined): Promise<void> {
  await mkdir(path, { recursive: true });
  if (group !== undefined) await chown(path, 0, group);
  await chmod(path, group === undefined ? 0o755 : 0o2775);
}
