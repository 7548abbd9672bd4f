import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import type { Node } from "../../api/types/core.v1.ts";
import type { Table } from "./rule-set.ts";

/**
 * The one door to the machine's network: links, routes, rules, sysctls. On Linux the machine itself (linuxHost); where the containers
 * run inside a virtual machine, a helper inside it can implement the same.
 */
export interface NetworkHost {
  /** Runs `ip` with these arguments. Throws with what it printed. */
  ip(...args: string[]): Promise<string>;
  /** Runs several `ip` commands in one process, in the network namespace of the process with that id when given. Throws at the first that fails. */
  ipBatch(commands: readonly string[], pid?: number): Promise<void>;
  /** Runs `bridge` (of iproute2) with these arguments. Throws with what it printed. */
  bridge(...args: string[]): Promise<string>;
  /** Feeds iptables-restore --noflush: chains that the text declares are replaced in one step, all others are left alone. */
  restore(text: string): Promise<void>;
  /** What iptables-save prints of one table. */
  save(table: Table): Promise<string>;
  /** Runs `iptables -w` with these arguments; tells whether it succeeded. */
  iptables(...args: string[]): Promise<boolean>;
  /** Runs `conntrack` with these arguments where it is installed; that nothing matches, or that it is missing, is fine. */
  conntrack(...args: string[]): Promise<void>;
  /** Sets a sysctl, given as its path ("net/ipv4/ip_forward"). Tells whether there is such a key. */
  sysctl(path: string, value: string): Promise<boolean>;
  /** The machine's own IPv4 addresses. */
  addresses(): string[];
}

/** The Linux machine that this process runs on. Needs root (CAP_NET_ADMIN). */
export const linuxHost: NetworkHost = {
  ip: (...args) => run("ip", args),
  async ipBatch(commands, pid) {
    const ip = ["ip", "-batch", "-"];
    const [program = "", ...args] = pid === undefined ? ip : ["nsenter", "-t", String(pid), "-n", ...ip];
    await run(program, args, `${commands.join("\n")}\n`);
  },
  bridge: (...args) => run("bridge", args),
  async restore(text) {
    await run("iptables-restore", ["--noflush", "-w", "10"], text);
  },
  save: (table) => run("iptables-save", ["-t", table]),
  async iptables(...args) {
    try {
      await run("iptables", ["-w", "10", ...args]);
      return true;
    } catch {
      return false;
    }
  },
  async conntrack(...args) {
    await run("conntrack", args).catch(() => "");
  },
  async sysctl(path, value) {
    const write = (): Promise<void> => writeFile(`/proc/sys/${path}`, value);
    try {
      // The keys of bridges are there once that module is.
      await (path.startsWith("net/bridge/") ? write().catch(() => run("modprobe", ["br_netfilter"]).then(write, write)) : write());
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
      throw error;
    }
  },
  addresses() {
    const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    return all.filter((a) => a.family === "IPv4").map((a) => a.address);
  },
};

/** Whether the node is on the machine with these addresses. */
export function isOnMachine(node: Node | undefined, addresses: readonly string[]): boolean {
  return (node?.status.addresses ?? []).some((a) => a.type === "InternalIP" && addresses.includes(a.address));
}

function run(program: string, args: readonly string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(" ")}: ${stderr.trim() || error.message}`));
      else resolve(stdout);
    });
    if (input !== undefined) child.stdin?.end(input);
  });
}
