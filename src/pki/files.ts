import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";

/** Something in the folder of keys and certificates cannot be used. The message is one sentence that says what to do. */
export class PkiFailed extends Error {}

/** The file's text, undefined when there is none. Rejects with PkiFailed when it is there but cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new PkiFailed(`${path} cannot be read: ${String(error)}; check its permissions`);
  }
}

/** The file holds the whole text on the disk when this resolves, or what it held before, never a part. The mode is as given. */
export async function writeAtomically(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new PkiFailed(`${path} cannot be written: ${String(error)}; check the permissions of its folder and the free space`);
  }
}
