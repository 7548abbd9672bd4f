import type { Option, OptionValues } from "./options.ts";

/** What a command is started with. */
export interface Invocation {
  /** The words after the command's name. */
  words: readonly string[];
  options: OptionValues;
  env: NodeJS.ProcessEnv;
}

/** One command of the command line: one file each in commands/, listed in commands/index.ts. */
export interface CliCommand {
  /** As cac wants it: "token <action> [id]". */
  usage: string;
  description: string;
  options: readonly Option[];
  examples?: readonly string[];
  /** What follows the first word is another program's command line, and not looked at. */
  runs?: boolean;
  /** Gives the exit code; throws UsageError for a user's mistake. Imports what only it needs: hue version loads no server. */
  run(invocation: Invocation): Promise<number> | number;
}
