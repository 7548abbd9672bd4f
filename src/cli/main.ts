import { cac } from "cac";
import { declareOptions, readOptions } from "./options.ts";
import { commands } from "./commands/index.ts";
import { UsageError } from "./usage-error.ts";
import { version } from "../lib/version.ts";

/** Runs the command line and gives the exit code. What the user got wrong is one line on standard error. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const cli = cac("hue");
  const [own, others] = split(argv);
  let running: Promise<number> | undefined;
  for (const command of commands) {
    const declared = cli.command(command.usage, command.description).allowUnknownOptions();
    declareOptions(declared, command.options);
    for (const example of command.examples ?? []) declared.example(`  $ hue ${example}`);
    declared.action((...all: unknown[]) => {
      const flags = all.at(-1) as Record<string, unknown>;
      const words = all
        .slice(0, -1)
        .flat()
        .filter((word): word is string => typeof word === "string");
      running = Promise.resolve(command.run({ words: [...words, ...others], options: readOptions(command.options, flags, env), env }));
    });
  }
  cli.help();
  cli.version(version);
  try {
    const parsed = cli.parse(["node", "hue", ...own], { run: false });
    if (parsed.options["help"] || parsed.options["version"]) return 0;
    if (!cli.matchedCommand) {
      if (parsed.args[0]) throw new UsageError(`unknown command "${parsed.args[0]}"; see hue --help`);
      cli.outputHelp();
      return 0;
    }
    cli.runMatchedCommand();
    return (await running) ?? 0;
  } catch (error) {
    return report(error);
  }
}

/** What is hue's own of a command line, and what is another program's. */
function split(argv: readonly string[]): [own: readonly string[], others: readonly string[]] {
  const command = commands.find(({ usage, runs }) => runs && usage.split(" ")[0] === argv[0]);
  if (!command) return [argv, []];
  let word = 1;
  while (argv[word]?.startsWith("-")) word += command.options.some(({ flag }) => `--${flag}` === argv[word]) ? 2 : 1;
  return [argv.slice(0, word + 1), argv.slice(word + (argv[word + 1] === "--" ? 2 : 1))];
}

function report(error: unknown): number {
  if (error instanceof UsageError) {
    console.error(`hue: ${error.message}`);
    return error.exitCode;
  }
  if (error instanceof Error && error.name === "CACError") {
    console.error(`hue: ${error.message}; see --help`);
    return 2;
  }
  console.error(`hue: ${error instanceof Error ? error.message : error}`);
  if (process.env["HUE_DEBUG"] && error instanceof Error) console.error(error.stack);
  return 1;
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
