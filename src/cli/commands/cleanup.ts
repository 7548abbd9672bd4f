import type { CliCommand } from "../command.ts";

/** `hue cleanup` */
export const cleanupCommand: CliCommand = {
  usage: "cleanup",
  description: "Remove every container, rule, link and folder that hue made",
  options: [],
  run: () => 0,
};
