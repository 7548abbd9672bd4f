import type Docker from "dockerode";
import type { ContainerStats } from "../runtime.ts";
import { cgroupStats } from "./cgroup-stats.ts";
import { calling, statusOf } from "./engine.ts";

/**
 * What a container uses at the time `now` (milliseconds), in one reading; undefined when it does not run. The kernel's accounts are asked
 * before the engine, which has no figures of containers in a network that is not its own.
 */
export async function readStats(docker: Docker, id: string, now: number): Promise<ContainerStats | undefined> {
  let raw: Docker.ContainerStats;
  try {
    const { Id, State } = await docker.getContainer(id).inspect();
    if (!State.Running) return undefined;
    const own = await cgroupStats(State.Pid, Id, now);
    if (own) return own;
    raw = await docker.getContainer(id).stats({ stream: false, "one-shot": true });
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    return calling(Promise.reject(error));
  }
  return raw.memory_stats?.usage === undefined ? undefined : statsOf(raw);
}

/** The engine's reading in the kubelet's words, for both cgroup versions. */
export function statsOf(raw: Docker.ContainerStats): ContainerStats {
  const memory: Partial<Record<string, number>> = { ...raw.memory_stats.stats };
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
