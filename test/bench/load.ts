import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "./process.ts";
import type { Running } from "./system.ts";

/** Where the reference's scripts keep what they build; the variable is theirs. */
export const cache = process.env["HUE_REFERENCE"] ?? join(homedir(), ".cache/hue-reference");

/** What the load generator tells of one operation. */
export interface Loaded {
  op: string;
  n: number;
  errors: number;
  seconds: number;
  perSecond: number;
  p50ms: number;
  p99ms: number;
  /** Microseconds of CPU of all the server's processes. */
  serverCpuUsPerOp?: number;
  firstError?: string;
}

/** Drives a server with the operations, one after the other. Throws when one of them had errors. */
export async function load(server: Running, ops: readonly string[], flags: Record<string, string | number> = {}): Promise<Loaded[]> {
  const all = { server: server.server, ...server.access, pids: server.pids().join(","), ...flags };
  const args = [...Object.entries(all).flatMap(([name, value]) => [`-${name}`, String(value)]), ...ops];
  const lines = (await run(join(cache, "load"), args)).trim().split("\n");
  const results = lines.map((line) => JSON.parse(line) as Loaded);
  for (const { op, errors, firstError } of results) {
    if (errors > 0) throw new Error(`${server.side}: ${op} had ${errors} errors${firstError ? `, the first ${firstError}` : ""}`);
  }
  return results;
}
