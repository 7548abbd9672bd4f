import { execFile } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const cache = new URL("../../node_modules/.cache/hue/java/", import.meta.url).pathname;
const libraries = join(cache, "libraries");

/** Has Maven fetch the libraries that a folder's pom.xml names, unless they are there. The reason why they cannot be had, or undefined. */
export async function missingLibraries(folder: string): Promise<string | undefined> {
  const asked = readFileSync(join(folder, "pom.xml"), "utf8");
  const ready = join(cache, "pom.xml");
  if (existsSync(ready) && readFileSync(ready, "utf8") === asked) return undefined;
  rmSync(libraries, { recursive: true, force: true });
  const copy = "org.apache.maven.plugins:maven-dependency-plugin:3.11.0:copy-dependencies";
  try {
    await run("mvn", ["-B", "-q", "-f", join(folder, "pom.xml"), copy, `-DoutputDirectory=${libraries}`]);
  } catch (error) {
    return `Maven has not fetched the libraries: ${error instanceof Error ? error.message : error}`;
  }
  writeFileSync(ready, asked);
  return undefined;
}

/** Compiles a folder's programs for these libraries. Gives the arguments of `java` that come before a program's name. */
export async function compileJava(folder: string, programs: readonly string[]): Promise<string[]> {
  const classes = join(cache, "classes");
  const sources = programs.map((name) => join(folder, `${name}.java`));
  await run("javac", ["-d", classes, "-sourcepath", folder, "-cp", `${libraries}/*`, ...sources]);
  return ["-XX:TieredStopAtLevel=1", "-cp", `${classes}:${libraries}/*`];
}
