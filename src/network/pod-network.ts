import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { AddressPool } from "../lib/address-pool.ts";
import type { NetworkHost } from "./host/host.ts";

/** The name of a node's bridge: at most 15 characters, as links have it, and its own for every data folder on the machine. */
export function bridgeName(dataDir: string, nodeName: string): string {
  return `hue-${createHash("sha256").update(`${dataDir} ${nodeName}`).digest("hex").slice(0, 11)}`;
}

/**
 * A node's pods on a bridge of their own, each joined by a pair of virtual links. The engine's own networks are left out of it: they start
 * several processes a container, and lose track of their endpoints when containers come and go quickly.
 */
export class BridgeNetwork {
  private readonly host: NetworkHost;
  private readonly bridge: string;
  private readonly beforeAttach: (pod: string, ip: string) => Promise<void>;
  private readonly before = new Set<string>();
  private pool: AddressPool | undefined;
  private bits = 24;

  /** `beforeAttach` is waited for before a pod ("namespace/name") can send or receive anything. */
  constructor(host: NetworkHost, bridge: string, beforeAttach: (pod: string, ip: string) => Promise<void>) {
    this.host = host;
    this.beforeAttach = beforeAttach;
    this.bridge = bridge;
  }

  /** Makes the bridge for that range, or finds it as it is. */
  async setup(podCIDR: string): Promise<void> {
    const pool = new AddressPool(podCIDR);
    this.bits = Number(podCIDR.split("/")[1]);
    const address = `${pool.gateway}/${this.bits}`;
    if (!linkExists(this.bridge)) await this.host.ip("link", "add", this.bridge, "type", "bridge");
    const addresses = await this.host.ip("-4", "-o", "address", "show", "dev", this.bridge);
    if (!addresses.includes(` ${address} `)) {
      await this.host.ip("address", "flush", "dev", this.bridge);
      await this.host.ip("address", "add", address, "dev", this.bridge);
    }
    await this.host.ip("link", "set", this.bridge, "up");
    for (const ip of this.before) pool.take(ip);
    this.pool = pool;
  }

  /** An address that no pod of the node has. Throws before setup() and when there is none left. */
  reserve(): string {
    if (!this.pool) throw new Error("the node's pod network is not ready");
    return this.pool.reserve();
  }

  /** Marks the address of a pod that was there before. */
  take(ip: string): void {
    if (this.pool) this.pool.take(ip);
    else this.before.add(ip);
  }

  /** Gives the address of a pod that is gone back. */
  release(ip: string): void {
    this.before.delete(ip);
    this.pool?.release(ip);
  }

  /** Whether the pod with that address is joined to the bridge. */
  isAttached(ip: string): boolean {
    return linkExists(this.linkOf(ip));
  }

  /** Joins the network namespace of that process of the pod ("namespace/name") to the bridge, under that address. The kernel takes it apart when the process ends. */
  async attach(pod: string, ip: string, pid: number): Promise<void> {
    await this.beforeAttach(pod, ip);
    const link = this.linkOf(ip);
    const peer = `p${link.slice(1)}`;
    if (linkExists(link)) await this.host.ip("link", "del", link);
    await this.host.ipBatch([
      `link add ${link} type veth peer name ${peer} netns ${pid}`,
      `link set ${link} master ${this.bridge} up`,
      // A pod that calls itself through a Service comes back by the port it went out of.
      `link set ${link} type bridge_slave hairpin on`,
    ]);
    await this.host.ipBatch(
      [
        "link set lo up",
        `link set ${peer} name eth0`,
        `address add ${ip}/${this.bits} dev eth0`,
        "link set eth0 up",
        `route add default via ${this.pool?.gateway}`,
      ],
      pid,
    );
  }

  private linkOf(ip: string): string {
    return `hue${createHash("sha256").update(`${this.bridge} ${ip}`).digest("hex").slice(0, 11)}`;
  }
}

/** Asks the process's own network namespace: /sys/class/net may show that of the mount's. */
function linkExists(name: string): boolean {
  return readFileSync("/proc/self/net/dev", "utf8")
    .split("\n")
    .some((line) => line.trimStart().startsWith(`${name}:`));
}
