import type { Logger } from "../lib/log.ts";
import type { AgentConfig } from "./config.ts";
/** tmp */
export async function startAgent(_config: AgentConfig, _log: Logger): Promise<{ stop(): Promise<void> }> {
  return { stop: async () => {} };
}
