import type { CliCommand } from "../command.ts";
import { UsageError } from "../usage-error.ts";

/** `hue completion bash|zsh|fish`: a script for the shell, made from the commands themselves. */
export function completionCommand(commands: () => readonly CliCommand[]): CliCommand {
  return {
    usage: "completion <shell>",
    description: "Print a completion script for bash, zsh or fish",
    options: [],
    examples: ["completion bash > /etc/bash_completion.d/hue"],
    run({ words }) {
      const script = scripts[words[0] ?? ""];
      if (!script) throw new UsageError(`completion knows bash, zsh and fish, not "${words[0] ?? ""}"`);
      console.log(
        script(
          commands().map((c) => ({ name: c.usage.split(" ")[0] ?? "", flags: c.options.map((o) => `--${o.flag}`), about: c.description })),
        ),
      );
      return 0;
    },
  };
}

interface Word {
  name: string;
  flags: string[];
  about: string;
}

const scripts: Record<string, (words: Word[]) => string> = {
  bash: (words) =>
    [
      "_hue() {",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's own variable
      '  local current="${COMP_WORDS[COMP_CWORD]}"',
      `  if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W "${words.map((w) => w.name).join(" ")}" -- "$current")); return; fi`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's own variable
      '  case "${COMP_WORDS[1]}" in',
      ...words.map((w) => `    ${w.name}) COMPREPLY=($(compgen -W "${w.flags.join(" ")}" -- "$current")) ;;`),
      "  esac",
      "}",
      "complete -o default -F _hue hue",
    ].join("\n"),
  zsh: (words) =>
    [
      "#compdef hue",
      "_hue() {",
      `  if (( CURRENT == 2 )); then _values command ${words.map((w) => `'${w.name}[${w.about.replaceAll("'", "")}]'`).join(" ")}; return; fi`,
      '  case "$words[2]" in',
      ...words.map((w) => `    ${w.name}) compadd -- ${w.flags.join(" ")} ;;`),
      "  esac",
      "}",
      "compdef _hue hue",
    ].join("\n"),
  fish: (words) =>
    words
      .flatMap((w) => [
        `complete -c hue -n __fish_use_subcommand -a ${w.name} -d '${w.about.replaceAll("'", "")}'`,
        ...w.flags.map((flag) => `complete -c hue -n '__fish_seen_subcommand_from ${w.name}' -l ${flag.slice(2)}`),
      ])
      .join("\n"),
};
