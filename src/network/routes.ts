import type { Node } from "../api/types/core.v1.ts";
import { Nodes } from "../api/types/resources.ts";
import type { Cache, Caches } from "../client/cache.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { NetworkHost } from "./host/host.ts";

/** The VXLAN network of pods on machines that are not on one segment. */
const vxlan = { link: "hue.vxlan", id: 4242, port: 8472 };

/** A pod range that lives on another machine. */
export interface RemoteRange {
  podCIDR: string;
  /** The machine's address. */
  via: string;
}

/** The pod ranges of nodes that are not on this machine; a pure function. */
export function remoteRanges(nodes: readonly Node[], own: readonly string[]): RemoteRange[] {
  const ranges: RemoteRange[] = [];
  for (const node of nodes) {
    const via = node.status.addresses?.find((a) => a.type === "InternalIP")?.address;
    if (via && node.spec.podCIDR && !own.includes(via)) ranges.push({ podCIDR: node.spec.podCIDR, via });
  }
  return ranges;
}

/**
 * The machine's routes: the pod and the Service range never leave by the default route, and pods on other machines are reached through
 * their machine, directly on one segment and over VXLAN elsewhere.
 */
export class Routes {
  private readonly options: { clusterCIDR: string; serviceCIDR: string; host: NetworkHost; caches: Caches; clock: Clock; log: Logger };
  private readonly nodes: Cache<Node>;
  private readonly routed = new Map<string, string>();
  private work: Promise<void> = Promise.resolve();
  private end: () => void = () => {};

  constructor(options: { clusterCIDR: string; serviceCIDR: string; host: NetworkHost; caches: Caches; clock: Clock; log: Logger }) {
    this.options = options;
    this.nodes = options.caches.of(Nodes);
  }

  /** Closes the default route to the cluster's ranges, before anything is started that could send there. */
  async start(): Promise<void> {
    const { host, log, clusterCIDR, serviceCIDR } = this.options;
    await host.sysctl("net/ipv4/ip_forward", "1");
    if (!(await host.sysctl("net/bridge/bridge-nf-call-iptables", "1")))
      log.warn({}, "the kernel has no br_netfilter: NetworkPolicies and Services do not hold between the pods of one node");
    // Node ports and host ports answer on 127.0.0.1 too.
    await host.sysctl("net/ipv4/conf/all/route_localnet", "1");
    // Each node's own range is a narrower route to its bridge; what is left of the range leads nowhere.
    await host.ip("route", "replace", "unreachable", clusterCIDR, "metric", "4000");
    // A Service address is rewritten by the rules; a route is needed only so that a local process gets that far.
    await host.ip("route", "replace", serviceCIDR, "dev", "lo", "metric", "4000");
    await this.nodes.synced;
    this.end = this.nodes.onChange(() => {
      this.work = this.work.then(() => this.sync());
    });
    await this.work;
  }

  /** Leaves the routes: pods go on talking to each other. */
  async stop(): Promise<void> {
    this.end();
    await this.work;
  }

  private async sync(): Promise<void> {
    const wanted = new Map(remoteRanges(this.nodes.list(), this.options.host.addresses()).map((r) => [r.podCIDR, r.via]));
    for (const [podCIDR, via] of this.routed) if (wanted.get(podCIDR) !== via) await this.remove(podCIDR);
    for (const [podCIDR, via] of wanted) if (!this.routed.has(podCIDR)) await this.add(podCIDR, via);
  }

  private async add(podCIDR: string, via: string): Promise<void> {
    const { host, log } = this.options;
    try {
      const direct = await host.ip("route", "get", via);
      if (/ via /.test(direct)) await this.overlay(podCIDR, via);
      else await host.ip("route", "replace", podCIDR, "via", via);
      this.routed.set(podCIDR, via);
    } catch (error) {
      log.warn({ podCIDR, via, error: String(error) }, "no route to another machine's pods");
    }
  }

  private async remove(podCIDR: string): Promise<void> {
    this.routed.delete(podCIDR);
    await this.options.host.ip("route", "del", podCIDR).catch(() => {});
  }

  /** Pods behind a router: their packets travel inside UDP to the other machine. */
  private async overlay(podCIDR: string, via: string): Promise<void> {
    const { host } = this.options;
    const exists = await host.ip("link", "show", vxlan.link).then(
      () => true,
      () => false,
    );
    if (!exists) {
      const [own = ""] = [/ src (\S+)/.exec(await host.ip("route", "get", via))?.[1]];
      const type = ["type", "vxlan", "id", String(vxlan.id), "dstport", String(vxlan.port), "local", own, "nolearning"];
      await host.ip("link", "add", vxlan.link, "address", overlayMac(own), ...type);
    }
    await host.ip("link", "set", vxlan.link, "up");
    const mac = overlayMac(via);
    // The range's first address stands for the other machine on the overlay.
    const gateway = podCIDR.replace(/\.\d+\/\d+$/, ".0");
    await host.ip("neigh", "replace", gateway, "lladdr", mac, "dev", vxlan.link, "nud", "permanent");
    await host.bridge("fdb", "replace", mac, "dev", vxlan.link, "dst", via);
    await host.ip("route", "replace", podCIDR, "via", gateway, "dev", vxlan.link, "onlink");
  }
}

/** The Ethernet address of a machine on the overlay, made from its IP address so that nobody has to ask for it. */
export function overlayMac(ip: string): string {
  return `02:68:${ip
    .split(".")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join(":")}`;
}
