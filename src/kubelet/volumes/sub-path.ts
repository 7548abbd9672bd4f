import { lstat, mkdir, realpath } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { ConfigError } from "../pods/env.ts";

/** The file or folder of a volume that a subPath names, made when it is missing. Throws ConfigError when it would lead out of the volume. */
export async function resolveSubPath(volume: string, subPath: string, readOnly: boolean): Promise<string> {
  if (isAbsolute(subPath)) throw new ConfigError(`subPath must not be an absolute path: "${subPath}"`);
  if (subPath.split("/").includes("..")) throw new ConfigError(`subPath must not contain '..': "${subPath}"`);
  const root = await realpath(volume);
  const wanted = join(root, subPath);
  const found = await lstat(wanted).catch(() => undefined);
  if (!found) {
    if (readOnly && (await lstat(root).catch(() => undefined)) === undefined)
      throw new ConfigError(`failed to prepare subPath "${subPath}"`);
    await within(root, wanted, subPath);
    await mkdir(wanted, { recursive: true, mode: 0o777 });
  }
  const real = await realpath(wanted);
  if (real !== root && !real.startsWith(`${root}/`)) throw new ConfigError(`subPath "${subPath}" not within volume path`);
  return real;
}

/** The nearest existing parent must lie in the volume before anything is made in it. */
async function within(root: string, wanted: string, subPath: string): Promise<void> {
  for (let at = wanted; at.length > root.length; at = join(at, "..")) {
    const real = await realpath(at).catch(() => undefined);
    if (real === undefined) continue;
    if (real !== root && !real.startsWith(`${root}/`)) throw new ConfigError(`subPath "${subPath}" not within volume path`);
    return;
  }
}
