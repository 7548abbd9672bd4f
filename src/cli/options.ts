import { readFileSync } from "node:fs";
import type { Command } from "cac";
import { parse } from "yaml";
import { UsageError } from "./usage-error.ts";

/** One option: a flag, an environment variable (HUE_DATA_DIR for --data-dir) and a key of the YAML file (data-dir). */
export interface Option {
  /** As the flag is written, without the dashes. */
  flag: string;
  /** Its short form, one letter. */
  short?: string;
  type: "string" | "number" | "boolean" | "list";
  description: string;
  /** What stands for the value in --help: "DIR". */
  value?: string;
  default?: string | number | boolean;
}

/** The values of a command's options, under their flags' names. A list is an array; what nobody gave and has no default is left out. */
export type OptionValues = Readonly<Record<string, string | number | boolean | string[] | undefined>>;

/** Declares the options on a command, for --help and parsing. */
export function declareOptions(command: Command, options: readonly Option[]): void {
  for (const option of options) {
    const name = option.short ? `-${option.short}, --${option.flag}` : `--${option.flag}`;
    const flag = option.type === "boolean" ? name : `${name} <${option.value ?? option.type}>`;
    const fallback = option.default === undefined || option.default === false ? "" : ` (default: ${option.default})`;
    command.option(flag, option.description + fallback);
  }
  command.option("--config <FILE>", "YAML file with any of these options, e.g. data-dir: /srv/hue");
}

/**
 * The values from flags, else from the environment, else from the file, else the defaults.
 * Throws UsageError for a flag, key or value that makes no sense, naming it.
 */
export function readOptions(options: readonly Option[], flags: Record<string, unknown>, env: NodeJS.ProcessEnv): OptionValues {
  const byCamel = new Map(options.map((o) => [camel(o.flag), o]));
  for (const [name, value] of Object.entries(flags)) {
    if (name === "--" || name === "config" || byCamel.has(name) || options.some(({ short }) => short === name)) continue;
    // --no-x is read as x: false.
    throw new UsageError(`unknown flag --${value === false ? "no-" : ""}${kebab(name)}; see --help`);
  }
  const configFile = flags["config"] ?? env["HUE_CONFIG"];
  const file = configFile === undefined ? {} : readFile(String(configFile), options);
  const values: Record<string, string | number | boolean | string[] | undefined> = {};
  for (const option of options) {
    const environment = `HUE_${option.flag.toUpperCase().replaceAll("-", "_")}`;
    const sources: [string, unknown][] = [
      [`--${option.flag}`, last(option, flags[camel(option.flag)])],
      [environment, env[environment]],
      [`${option.flag} in ${configFile}`, file[option.flag]],
    ];
    const [name, given] = sources.find(([, value]) => value !== undefined) ?? ["default", option.default];
    if (given !== undefined) values[option.flag] = convert(option, name, given);
  }
  return values;
}

/** A flag given twice means what was said last, as everywhere; only lists gather. */
function last(option: Option, given: unknown): unknown {
  return Array.isArray(given) && option.type !== "list" ? given.at(-1) : given;
}

function readFile(path: string, options: readonly Option[]): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read --config ${path}: ${error instanceof Error ? error.message : error}`);
  }
  let content: unknown;
  try {
    content = parse(text) ?? {};
  } catch (error) {
    throw new UsageError(`${path} is not YAML: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw new UsageError(`${path} must hold options, one a line, such as "data-dir: /srv/hue"`);
  const known = new Set(options.map((o) => o.flag));
  for (const key of Object.keys(content)) if (!known.has(key)) throw new UsageError(`${path}: unknown option "${key}"`);
  return content as Record<string, unknown>;
}

function convert(option: Option, source: string, given: unknown): string | number | boolean | string[] {
  switch (option.type) {
    case "boolean":
      if (given === true || given === "true" || given === "1") return true;
      if (given === false || given === "false" || given === "0") return false;
      throw new UsageError(`${source}: "${given}" is neither true nor false`);
    case "number": {
      const number = Number(given);
      if (given === "" || typeof given === "boolean" || typeof given === "object" || !Number.isInteger(number))
        throw new UsageError(`${source}: "${given}" is not a whole number`);
      return number;
    }
    case "list":
      return (Array.isArray(given) ? given : [given]).flatMap((item) => String(item).split(",")).filter((item) => item !== "");
    default:
      if (typeof given === "object" || typeof given === "boolean") throw new UsageError(`${source} needs one value`);
      return String(given);
  }
}

function camel(flag: string): string {
  return flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
