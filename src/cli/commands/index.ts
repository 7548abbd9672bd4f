import type { CliCommand } from "../command.ts";
import { agentCommand } from "./agent.ts";
import { atCommand } from "./at.ts";
import { cleanupCommand } from "./cleanup.ts";
import { completionCommand } from "./completion.ts";
import { diffCommand } from "./diff.ts";
import { kubeconfigCommand } from "./kubeconfig.ts";
import { secretsEncryptCommand } from "./secrets-encrypt.ts";
import { serverCommand } from "./server.ts";
import { statusCommand } from "./status.ts";
import { tokenCommand } from "./token.ts";
import { versionCommand } from "./version.ts";

/** All commands, in the order of --help. */
export const commands: readonly CliCommand[] = [
  serverCommand,
  agentCommand,
  tokenCommand,
  secretsEncryptCommand,
  kubeconfigCommand,
  statusCommand,
  atCommand,
  diffCommand,
  cleanupCommand,
  versionCommand,
  completionCommand(() => commands),
];
