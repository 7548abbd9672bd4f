import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerStats } from "../runtime.ts";

/** Where the kernel's accounts are mounted; another folder in tests. */
export interface CgroupRoots {
  proc: string;
  cgroup: string;
}

const machine: CgroupRoots = { proc: "/proc", cgroup: "/sys/fs/cgroup" };

/**
 * What the container of that id, whose first process has that pid, uses by the kernel's own accounts (cgroup v1 or v2). Undefined where
 * they cannot be read: the engine runs in a virtual machine, or the process is another one. `at` in milliseconds is the time now.
 */
export async function cgroupStats(pid: number, id: string, at: number, roots = machine): Promise<ContainerStats | undefined> {
  try {
    const paths = cgroupPaths(await readFile(join(roots.proc, String(pid), "cgroup"), "utf8"), id);
    const read = (controller: string, file: string): Promise<string> => {
      const path = paths.get(controller);
      if (path === undefined) throw new Error(`the process is in no cgroup of ${controller}`);
      return readFile(join(roots.cgroup, controller, path, file), "utf8");
    };
    const usage = paths.has("memory") ? await usageV1(read) : await usageV2(read);
    return { at, ...usage, network: networkOf(await readFile(join(roots.proc, String(pid), "net", "dev"), "utf8")) };
  } catch {
    return undefined;
  }
}

type Read = (controller: string, file: string) => Promise<string>;
type Usage = Omit<ContainerStats, "at" | "network">;

/** The cgroup of each controller ("" for v2's only one), as far as they are that container's. */
function cgroupPaths(text: string, id: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, controllers = "", ...path] = line.split(":");
    if (!path.join(":").includes(id)) continue;
    for (const controller of controllers.split(",")) paths.set(controller, path.join(":"));
  }
  return paths;
}

async function usageV1(read: Read): Promise<Usage> {
  const [cpu, memory, stat] = await Promise.all([
    read("cpuacct", "cpuacct.usage"),
    read("memory", "memory.usage_in_bytes"),
    read("memory", "memory.stat"),
  ]);
  const figures = figuresOf(stat);
  return usageOf(Number(cpu), Number(memory), {
    inactive: figures.get("total_inactive_file"),
    rss: figures.get("total_rss"),
    faults: figures.get("total_pgfault"),
    majorFaults: figures.get("total_pgmajfault"),
  });
}

async function usageV2(read: Read): Promise<Usage> {
  const [cpu, memory, stat] = await Promise.all([read("", "cpu.stat"), read("", "memory.current"), read("", "memory.stat")]);
  const figures = figuresOf(stat);
  return usageOf((figuresOf(cpu).get("usage_usec") ?? 0) * 1000, Number(memory), {
    inactive: figures.get("inactive_file"),
    rss: figures.get("anon"),
    faults: figures.get("pgfault"),
    majorFaults: figures.get("pgmajfault"),
  });
}

function usageOf(
  cpuNanoseconds: number,
  memory: number,
  { inactive = 0, rss = 0, faults = 0, majorFaults = 0 }: { inactive?: number; rss?: number; faults?: number; majorFaults?: number },
): Usage {
  return {
    cpuNanoseconds,
    memoryUsageBytes: memory,
    memoryWorkingSetBytes: Math.max(memory - inactive, 0),
    memoryRssBytes: rss,
    pageFaults: faults,
    majorPageFaults: majorFaults,
  };
}

/** Lines of a name and a number. */
function figuresOf(text: string): Map<string, number> {
  return new Map(text.split("\n").map((line) => [line.split(" ", 1)[0] ?? "", Number(line.split(" ")[1])]));
}

/** The sum of all links but the loopback; undefined without any. */
function networkOf(text: string): ContainerStats["network"] {
  const sum = { rxBytes: 0, rxErrors: 0, txBytes: 0, txErrors: 0 };
  let any = false;
  for (const line of text.split("\n").slice(2)) {
    const [name, numbers] = line.split(":");
    if (!numbers || name?.trim() === "lo") continue;
    const columns = numbers.trim().split(/\s+/).map(Number);
    any = true;
    sum.rxBytes += columns[0] ?? 0;
    sum.rxErrors += columns[2] ?? 0;
    sum.txBytes += columns[8] ?? 0;
    sum.txErrors += columns[10] ?? 0;
  }
  return any ? sum : undefined;
}
