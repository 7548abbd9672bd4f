import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const cache = new URL("../../node_modules/.cache/hue/", import.meta.url).pathname;

/** The programs of a Python environment of its own with these packages ("kubernetes==36.0.3"); they are fetched the first time. */
export async function pythonPrograms(name: string, ...packages: string[]): Promise<string> {
  const programs = join(cache, name, "bin");
  const ready = join(cache, name, "ready");
  if (existsSync(ready)) return programs;
  await run("python3", ["-m", "venv", join(cache, name)]);
  await run(join(programs, "python"), ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
  writeFileSync(ready, "");
  return programs;
}
