import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type Option, readOptions } from "../../../src/cli/options.ts";
import { UsageError } from "../../../src/cli/usage-error.ts";

const folder = mkdtempSync(join(tmpdir(), "hue-options-"));
afterAll(() => rmSync(folder, { recursive: true }));
const config = join(folder, "hue.yaml");
writeFileSync(config, "data-dir: /from-file\nport: 1\nlabel: [a=1, b=2]\nquiet: true\n");

const options: Option[] = [
  { flag: "data-dir", type: "string", description: "" },
  { flag: "port", type: "number", description: "", default: 6443 },
  { flag: "label", type: "list", description: "" },
  { flag: "quiet", type: "boolean", description: "" },
];

describe("an option's value", () => {
  test.each<[string, Record<string, unknown>, NodeJS.ProcessEnv, object]>([
    ["is its default", {}, {}, { port: 6443 }],
    [
      "comes from the environment",
      {},
      { HUE_DATA_DIR: "/e", HUE_LABEL: "a=1,b=2", HUE_QUIET: "1" },
      { "data-dir": "/e", label: ["a=1", "b=2"], quiet: true },
    ],
    ["comes from the file", { config }, {}, { "data-dir": "/from-file", port: 1, label: ["a=1", "b=2"], quiet: true }],
    ["comes from the file that the environment names", {}, { HUE_CONFIG: config }, { "data-dir": "/from-file" }],
    ["comes from the environment rather than the file", { config }, { HUE_PORT: "2" }, { port: 2 }],
    ["comes from the flag rather than both", { config, port: 3 }, { HUE_PORT: "2" }, { port: 3 }],
    ["is what was said last when a flag is repeated", { port: [3, 4] }, {}, { port: 4 }],
    ["gathers when a list's flag is repeated", { label: ["a=1", "b=2,c=3"] }, {}, { label: ["a=1", "b=2", "c=3"] }],
    ["keeps a number's text for a text option", { dataDir: 7 }, {}, { "data-dir": "7" }],
  ])("%s", (_, flags, env, expected) => {
    expect(readOptions(options, flags, env)).toMatchObject(expected);
  });

  test.each<[string, Record<string, unknown>, NodeJS.ProcessEnv, string]>([
    ["an unknown flag", { dataDirr: "x" }, {}, "unknown flag --data-dirr; see --help"],
    ["a text for a number", { port: "x" }, {}, '--port: "x" is not a whole number'],
    ["a fraction for a number", {}, { HUE_PORT: "1.5" }, 'HUE_PORT: "1.5" is not a whole number'],
    ["a word for yes or no", {}, { HUE_QUIET: "perhaps" }, 'HUE_QUIET: "perhaps" is neither true nor false'],
    ["a flag without its value", { dataDir: true }, {}, "--data-dir needs one value"],
  ])("refuses %s, and names it", (_, flags, env, message) => {
    expect(() => readOptions(options, flags, env)).toThrow(new UsageError(message));
  });
});
