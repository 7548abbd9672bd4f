import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** What is said of types (under "") and of their fields, by the type's name ("core.v1.Pod"). */
export type Descriptions = Record<string, Record<string, string> | undefined>;

/** Written by the build; beside the bundle, or where the build leaves it when the sources run. */
const places = ["descriptions.json.gz", "../../../dist/descriptions.json.gz"];

/** The file of descriptions as it is; undefined where the build had none to write. */
export function descriptionsFile(): Buffer | undefined {
  const found = places.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(url));
  return found && readFileSync(found);
}

let parsed: WeakRef<Descriptions> | undefined;

/** The descriptions, read when an OpenAPI document is made and not kept beyond that: they are two megabytes. */
export function descriptions(): Descriptions {
  let all = parsed?.deref();
  if (!all) {
    const file = descriptionsFile();
    // The build wrote it in this form.
    all = file ? (JSON.parse(gunzipSync(file).toString()) as Descriptions) : {};
    parsed = new WeakRef(all);
  }
  return all;
}
