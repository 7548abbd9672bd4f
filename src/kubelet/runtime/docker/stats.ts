import type { ContainerStats } from "../runtime.ts";
import { cgroupStats } from "./cgroup-stats.ts";
import { type Engine, ifFound } from "./engine.ts";
import type { EngineContainer } from "./states.ts";

/** What hue reads of the engine's own figures. */
interface EngineStats {
  read: string;
  cpu_stats: { cpu_usage: { total_usage: number } };
  memory_stats: { usage: number; stats: Partial<Record<string, number>> };
  networks?: Record<string, { rx_bytes: number; rx_errors: number; tx_bytes: number; tx_errors: number }>;
}

/**
 * What a container uses at the time `now` (milliseconds), in one reading; undefined when it does not run. The kernel's accounts are asked
 * before the engine, which has no figures of containers in a network that is not its own.
 */
export async function readStats(engine: Engine, id: string, now: number): Promise<ContainerStats | undefined> {
  const info = await ifFound(engine.call<EngineContainer>("GET", `/containers/${id}/json`));
  if (!info?.State.Running) return undefined;
  const own = await cgroupStats(info.State.Pid, info.Id, now);
  if (own) return own;
  const query = { stream: false, "one-shot": true };
  const raw = await ifFound(engine.call<EngineStats>("GET", `/containers/${id}/stats`, { query }));
  return raw?.memory_stats?.usage === undefined ? undefined : statsOf(raw);
}

/** The engine's reading in the kubelet's words, for both cgroup versions. */
export function statsOf(raw: EngineStats): ContainerStats {
  const memory = raw.memory_stats.stats ?? {};
  const inactive = memory["total_inactive_file"] ?? memory["inactive_file"] ?? 0;
  const sum = { rxBytes: 0, rxErrors: 0, txBytes: 0, txErrors: 0 };
  for (const n of Object.values(raw.networks ?? {})) {
    sum.rxBytes += n.rx_bytes;
    sum.rxErrors += n.rx_errors;
    sum.txBytes += n.tx_bytes;
    sum.txErrors += n.tx_errors;
  }
  return {
    at: Date.parse(raw.read),
    cpuNanoseconds: raw.cpu_stats.cpu_usage.total_usage,
    memoryUsageBytes: raw.memory_stats.usage,
    memoryWorkingSetBytes: Math.max(raw.memory_stats.usage - inactive, 0),
    memoryRssBytes: memory["total_rss"] ?? memory["anon"] ?? memory["rss"] ?? 0,
    pageFaults: memory["total_pgfault"] ?? memory["pgfault"] ?? 0,
    majorPageFaults: memory["total_pgmajfault"] ?? memory["pgmajfault"] ?? 0,
    network: raw.networks ? sum : undefined,
  };
}
