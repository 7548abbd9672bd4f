import { readFile, statfs } from "node:fs/promises";
import { cpus, freemem, totalmem } from "node:os";
import { formatTime } from "../../api/meta/time.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import type { ContainerState, ContainerStats } from "../runtime/runtime.ts";
import type { ServerContext } from "./server-context.ts";

/** One reading of a container. */
export interface ContainerReading {
  container: ContainerState;
  stats: ContainerStats;
  /** Nanoseconds of CPU a second, since the last reading. */
  cpuNanoCores: number;
}

/** One reading of a pod: its running containers, and its network. */
export interface PodReading {
  pod: Pod;
  startedAt: number;
  containers: ContainerReading[];
  network: ContainerStats["network"];
}

/** One reading of the node. */
export interface NodeReading {
  at: number;
  cpuNanoseconds: number;
  cpuNanoCores: number;
  memoryTotal: number;
  memoryWorkingSet: number;
}

/** Everything at one time. */
export interface Readings {
  node: NodeReading;
  pods: PodReading[];
}

/** Readings younger than this are told again: many may ask at once. Milliseconds. */
const freshness = 1000;

/** Reads what pods and the node use, when asked. */
export class StatsReader {
  private readonly context: ServerContext;
  private readonly last = new Map<string, { at: number; cpu: number; rate: number }>();
  private current: { at: number; readings: Promise<Readings> } | undefined;

  constructor(context: ServerContext) {
    this.context = context;
  }

  /** What is used now. */
  read(): Promise<Readings> {
    const at = this.context.clock.now();
    if (!this.current || at - this.current.at > freshness) this.current = { at, readings: this.readAll(at) };
    return this.current.readings;
  }

  private async readAll(at: number): Promise<Readings> {
    const { runtime } = this.context;
    const states = new Map((await runtime.pods()).map((s) => [s.pod.uid, s]));
    const seen = new Set(["node"]);
    const pods = await Promise.all(
      this.context.pods().map(async (pod): Promise<PodReading | undefined> => {
        const state = states.get(pod.metadata.uid);
        const sandbox = state?.sandboxes.find((s) => s.running);
        if (!state || !sandbox) return undefined;
        const running = state.containers.filter((c) => c.state === "running");
        const containers = await Promise.all(
          running.map(async (container): Promise<ContainerReading[]> => {
            const stats = await runtime.stats(container.id);
            if (!stats) return [];
            seen.add(container.id);
            return [{ container, stats, cpuNanoCores: this.rate(container.id, stats.at, stats.cpuNanoseconds, container.startedAt) }];
          }),
        );
        const network = pod.spec.hostNetwork ? undefined : (await runtime.stats(sandbox.id))?.network;
        return { pod, startedAt: sandbox.createdAt, containers: containers.flat(), network };
      }),
    );
    const node = await this.readNode(at);
    for (const id of this.last.keys()) if (!seen.has(id)) this.last.delete(id);
    return { node, pods: pods.filter((p) => p !== undefined) };
  }

  /** CPU a second since the last reading; at the first one, since the start. */
  private rate(id: string, at: number, cpu: number, startedAt: number): number {
    const last = this.last.get(id) ?? { at: startedAt, cpu: 0, rate: 0 };
    const rate = at > last.at ? Math.max(((cpu - last.cpu) * 1000) / (at - last.at), 0) : last.rate;
    this.last.set(id, { at, cpu, rate });
    return Math.round(rate);
  }

  private async readNode(at: number): Promise<NodeReading> {
    const times = cpus().map((c) => c.times);
    const cpuNanoseconds = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.irq, 0) * 1e6;
    const total = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.irq + t.idle, 0) / Math.max(times.length, 1);
    const info = await readFile("/proc/meminfo", "utf8").catch(() => "");
    const available = Number(/^MemAvailable:\s+(\d+)/m.exec(info)?.[1] ?? freemem() / 1024) * 1024;
    const cpuNanoCores = this.rate("node", at, cpuNanoseconds, at - total);
    return { at, cpuNanoseconds, cpuNanoCores, memoryTotal: totalmem(), memoryWorkingSet: totalmem() - available };
  }

  /** The document of /stats/summary. */
  async summary(): Promise<object> {
    const { node, pods } = await this.read();
    const disk = await statfs(this.context.dataDir).catch(() => undefined);
    const fs = disk && {
      time: formatTime(node.at),
      availableBytes: disk.bavail * disk.bsize,
      capacityBytes: disk.blocks * disk.bsize,
      usedBytes: (disk.blocks - disk.bfree) * disk.bsize,
      inodesFree: disk.ffree,
      inodes: disk.files,
      inodesUsed: disk.files - disk.ffree,
    };
    return {
      node: {
        nodeName: this.context.nodeName,
        startTime: formatTime(node.at - Math.round(node.cpuNanoseconds / 1e6)),
        cpu: { time: formatTime(node.at), usageNanoCores: node.cpuNanoCores, usageCoreNanoSeconds: Math.round(node.cpuNanoseconds) },
        memory: {
          time: formatTime(node.at),
          availableBytes: node.memoryTotal - node.memoryWorkingSet,
          usageBytes: node.memoryWorkingSet,
          workingSetBytes: node.memoryWorkingSet,
        },
        ...(fs ? { fs, runtime: { imageFs: fs, containerFs: fs } } : {}),
      },
      pods: pods.map(podSummary),
    };
  }
}

function podSummary({ pod, startedAt, containers, network }: PodReading): object {
  const sum = (of: (r: ContainerReading) => number): number => containers.reduce((total, r) => total + of(r), 0);
  const { name, namespace, uid } = pod.metadata;
  const time = formatTime(Math.max(startedAt, ...containers.map((c) => c.stats.at)));
  return {
    podRef: { name, namespace, uid },
    startTime: formatTime(startedAt),
    containers: containers.map(({ container, stats, cpuNanoCores }) => ({
      name: container.name,
      startTime: formatTime(container.startedAt),
      cpu: { time: formatTime(stats.at), usageNanoCores: cpuNanoCores, usageCoreNanoSeconds: stats.cpuNanoseconds },
      memory: {
        time: formatTime(stats.at),
        usageBytes: stats.memoryUsageBytes,
        workingSetBytes: stats.memoryWorkingSetBytes,
        rssBytes: stats.memoryRssBytes,
        pageFaults: stats.pageFaults,
        majorPageFaults: stats.majorPageFaults,
      },
    })),
    cpu: { time, usageNanoCores: sum((r) => r.cpuNanoCores), usageCoreNanoSeconds: sum((r) => r.stats.cpuNanoseconds) },
    memory: {
      time,
      usageBytes: sum((r) => r.stats.memoryUsageBytes),
      workingSetBytes: sum((r) => r.stats.memoryWorkingSetBytes),
      rssBytes: sum((r) => r.stats.memoryRssBytes),
    },
    ...(network ? { network: { time, name: "eth0", ...network, interfaces: [{ name: "eth0", ...network }] } } : {}),
  };
}
