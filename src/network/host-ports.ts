import { createHash } from "node:crypto";
import type { Pod } from "../api/types/core.v1.ts";
import { Pods } from "../api/types/resources.ts";
import type { Cache, Caches } from "../client/cache.ts";
import type { Logger } from "../lib/log.ts";
import type { NetworkHost } from "./host/host.ts";
import { masqueradeMark } from "./proxy/rules.ts";

/** A port of a pod that is reached at the machine's own addresses. */
export interface HostPort {
  /** "" for all addresses. */
  hostIP: string;
  hostPort: number;
  protocol: "tcp" | "udp" | "sctp";
  podIP: string;
  containerPort: number;
}

/** The host ports of a node's pods: none of those that use the host's network or have ended. A pure function. */
export function hostPorts(pods: readonly Pod[]): HostPort[] {
  const running = pods.filter(
    (p) => !p.spec.hostNetwork && p.status.podIP && p.status.phase !== "Succeeded" && p.status.phase !== "Failed",
  );
  return running.flatMap((pod) =>
    [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap((container) =>
      (container.ports ?? []).flatMap((port) =>
        port.hostPort
          ? [
              {
                hostIP: port.hostIP === "0.0.0.0" ? "" : (port.hostIP ?? ""),
                hostPort: port.hostPort,
                protocol: port.protocol === "UDP" ? ("udp" as const) : port.protocol === "SCTP" ? ("sctp" as const) : ("tcp" as const),
                podIP: pod.status.podIP ?? "",
                containerPort: port.containerPort,
              },
            ]
          : [],
      ),
    ),
  );
}

/** The rules for them, each without its chain. A pure function. */
export function hostPortRules(ports: readonly HostPort[]): string[] {
  return ports.flatMap((port) => {
    const to = port.hostIP ? `-d ${port.hostIP}/32 ` : "";
    const match = `${to}-p ${port.protocol} -m ${port.protocol} --dport ${port.hostPort}`;
    const mark = `-j MARK --set-xmark ${masqueradeMark}`;
    return [
      // From the pod itself and from the machine's own addresses the answer would not find back without a new source address.
      `-s ${port.podIP}/32 ${match} ${mark}`,
      `-m addrtype --src-type LOCAL ${match} ${mark}`,
      `${match} -j DNAT --to-destination ${port.podIP}:${port.containerPort}`,
    ];
  });
}

/** Keeps the host ports of one node's pods open. Each node of a machine has a chain of its own. */
export class HostPorts {
  private readonly host: NetworkHost;
  private readonly log: Logger;
  private readonly pods: Cache<Pod>;
  private readonly chain: string;
  private written = "";
  private working: Promise<void> = Promise.resolve();
  private end: () => void = () => {};

  constructor(options: { tag: string; nodeName: string; host: NetworkHost; caches: Caches; log: Logger }) {
    this.host = options.host;
    this.log = options.log;
    this.pods = options.caches.of(Pods, { fieldSelector: `spec.nodeName=${options.nodeName}` });
    this.chain = `HUE-${options.tag}-HP-${createHash("sha256").update(options.nodeName).digest("hex").slice(0, 12).toUpperCase()}`;
  }

  /** Follows the node's pods from now on. */
  async start(): Promise<void> {
    await this.pods.synced;
    this.end = this.pods.onChange(() => {
      this.working = this.working.then(() => this.sync());
    });
    await this.working;
  }

  /** Leaves the rules: the pods go on being reached. */
  async stop(): Promise<void> {
    this.end();
    await this.working;
  }

  private async sync(): Promise<void> {
    const rules = hostPortRules(hostPorts(this.pods.list()));
    const text = [`*nat`, `:${this.chain} - [0:0]`, ...rules.map((rule) => `-A ${this.chain} ${rule}`), "COMMIT", ""].join("\n");
    if (text === this.written || (rules.length === 0 && this.written === "")) return;
    try {
      await this.host.restore(text);
      for (const from of ["PREROUTING", "OUTPUT"]) {
        const jump = ["-m", "addrtype", "--dst-type", "LOCAL", "-j", this.chain];
        if (!(await this.host.iptables("-t", "nat", "-C", from, ...jump))) await this.host.iptables("-t", "nat", "-I", from, "1", ...jump);
      }
      this.written = text;
    } catch (error) {
      this.log.warn({ error: String(error) }, "host ports could not be opened");
    }
  }
}
