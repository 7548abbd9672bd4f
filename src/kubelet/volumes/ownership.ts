import type { Stats } from "node:fs";
import { chmod, lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Gives a folder and all in it to a group that may read and write; what is created in it later belongs to the group too. */
export async function giveToGroup(path: string, group: number, onlyOnMismatch: boolean): Promise<void> {
  if (onlyOnMismatch) {
    const root = await lstat(path);
    if (root.gid === group && (root.mode & 0o2070) === 0o2070) return;
  }
  await give(path, group, await lstat(path));
}

async function give(path: string, group: number, info: Stats): Promise<void> {
  await lchown(path, info.uid, group);
  if (info.isSymbolicLink()) return;
  await chmod(path, (info.mode & 0o7777) | (info.isDirectory() ? 0o2770 : 0o660));
  if (!info.isDirectory()) return;
  for (const name of await readdir(path)) await give(join(path, name), group, await lstat(join(path, name)));
}
