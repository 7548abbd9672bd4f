import type { Logger } from "../lib/log.ts";
import type { Pki } from "../pki/pki.ts";
import type { ServerConfig } from "./config.ts";
import type { ControlPlane } from "./control-plane.ts";

/** What the nodes inside a server's process need. */
export interface ServerNodesOptions {
  config: ServerConfig;
  controlPlane: ControlPlane;
  pki: Pki;
  address: string;
  log: Logger;
}

/** Starts the server's own node and its simulated ones. */
export async function startServerNodes(_options: ServerNodesOptions): Promise<{ stop(): Promise<void> }> {
  return { stop: async () => {} };
}
