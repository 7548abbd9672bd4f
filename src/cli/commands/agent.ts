import { resolve } from "node:path";
import { systemClock } from "../../lib/clock.ts";
import type { CliCommand } from "../command.ts";
import { ensureDockerEngine } from "../docker-engine.ts";
import { collectWhenIdle } from "../idle-memory.ts";
import { createLogger } from "../logger.ts";
import { untilSignal } from "../signals.ts";
import { UsageError } from "../usage-error.ts";
import { defaultDataDir, list, nodeConfig, nodeOptions, text } from "./node-options.ts";
import { disableable } from "../../agent/config.ts";

/** `hue agent`: one more node. */
export const agentCommand: CliCommand = {
  usage: "agent",
  description: "Join a cluster as a node",
  options: [
    { flag: "join", type: "string", value: "URL", description: "The server: https://HOST:PORT" },
    { flag: "token", type: "string", value: "TOKEN", description: "From the server's data folder (file token), or from hue token create" },
    { flag: "disable", type: "list", value: "PART", description: `Parts to leave out: ${disableable.join(", ")}` },
    {
      flag: "install-engine",
      type: "boolean",
      description: "Install and start Debian's docker.io when no Docker Engine answers (root only)",
    },
    ...nodeOptions,
  ],
  examples: [
    "agent --join https://192.168.1.10:6443 --token K10...",
    "agent --join https://127.0.0.1:6443 --token K10... --node-name two --data-dir /tmp/two --kubelet-port 0",
  ],
  async run({ options, env }) {
    const join = text(options, "join");
    if (!/^https:\/\/[^/]+\/?$/.test(join)) throw new UsageError(`--join: "${join}" must be the server's address, https://HOST:PORT`);
    const dataDir = resolve(text(options, "data-dir") || `${defaultDataDir(env)}-agent`);
    const node = nodeConfig(options);
    if (node.runtime === "docker") await ensureDockerEngine(node.dockerHost, options["install-engine"] === true);
    const { startAgent } = await import("../../agent/agent.ts");
    const log = createLogger(text(options, "log-level"));
    const agent = await startAgent(
      { server: join.replace(/\/$/, ""), token: text(options, "token"), dataDir, disable: list(options, "disable"), node },
      log,
    );
    collectWhenIdle(systemClock);
    console.log(`hue: node ${node.name} has joined ${join}`);
    await untilSignal();
    await agent.stop();
    return 0;
  },
};
