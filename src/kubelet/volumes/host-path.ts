import { chmod, mkdir, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { HostPathVolumeSource } from "../../api/types/core.v1.ts";
import { VolumeError } from "./payload.ts";

/** Makes sure that a hostPath is what its type says; creates what may be created. Throws VolumeError. */
export async function checkHostPath({ path, type = "" }: HostPathVolumeSource): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (!found && (type === "DirectoryOrCreate" || type === "")) {
    await mkdir(path, { recursive: true, mode: 0o755 });
    return path;
  }
  if (!found && type === "FileOrCreate") {
    const parent = await stat(dirname(path)).catch(() => undefined);
    if (!parent?.isDirectory()) throw failed(`open ${path}: no such file or directory`);
    await writeFile(path, "", { mode: 0o644 });
    await chmod(path, 0o644);
    return path;
  }
  if (type === "") return path;
  const kind = type.replace("OrCreate", "");
  const checks: Record<string, [boolean | undefined, string]> = {
    Directory: [found?.isDirectory(), "directory"],
    File: [found?.isFile(), "file"],
    Socket: [found?.isSocket(), "socket file"],
    CharDevice: [found?.isCharacterDevice(), "character device"],
    BlockDevice: [found?.isBlockDevice(), "block device"],
  };
  const [good, words] = checks[kind] ?? [false, kind];
  if (!good) throw failed(`${path} is not a ${words}`);
  return path;
}

function failed(why: string): VolumeError {
  return new VolumeError(`hostPath type check failed: ${why}`);
}
