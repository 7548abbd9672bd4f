import type { Cache, Caches } from "../../client/cache.ts";
import type { Node, Service } from "../../api/types/core.v1.ts";
import type { EndpointSlice } from "../../api/types/discovery.v1.ts";
import { EndpointSlices, Nodes, Services } from "../../api/types/resources.ts";
import { keyOf } from "../../api/meta/object.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { NetworkHost } from "../host/host.ts";
import { staleFlows } from "./flows.ts";
import { buildRules, hooks, type ProxyConfig, type RuleSet, restoreText } from "./rules.ts";
import { type ServicePortRules, servicePorts } from "./services.ts";

/** How long changes are gathered before rules are written, in milliseconds. */
const gatherMilliseconds = 20;

/** Keeps the machine's rules in step with Services and their endpoints. */
export class ServiceProxy {
  private readonly config: ProxyConfig;
  private readonly host: NetworkHost;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly services: Cache<Service>;
  private readonly slices: Cache<EndpointSlice>;
  private readonly nodes: Cache<Node>;
  private readonly ports = new Map<string, ServicePortRules[]>();
  private readonly stale = new Set<string>();
  private written: RuleSet | undefined;
  private cancelTimer: (() => void) | undefined;
  private writing: Promise<void> = Promise.resolve();
  private ends: (() => void)[] = [];

  constructor(options: { config: ProxyConfig; host: NetworkHost; caches: Caches; clock: Clock; log: Logger }) {
    this.config = options.config;
    this.host = options.host;
    this.clock = options.clock;
    this.log = options.log;
    this.services = options.caches.of(Services);
    this.slices = options.caches.of(EndpointSlices);
    this.nodes = options.caches.of(Nodes);
    this.slices.addIndex("service", (slice) => [serviceOf(slice)]);
  }

  /** Writes the first rules and follows changes from then on. */
  async start(): Promise<void> {
    await Promise.all([this.services.synced, this.slices.synced, this.nodes.synced]);
    await this.hook();
    this.ends = [
      this.services.onChange(({ object, old }) => this.touch(keyOf(object ?? old ?? { metadata: {} }))),
      this.slices.onChange(({ object, old }) => this.touch(serviceOf(object ?? old))),
      this.nodes.onChange(({ object, old }) => {
        if (!object || !old) for (const service of this.services.list()) this.touch(keyOf(service));
      }),
    ];
    await this.write();
  }

  /** Leaves the rules as they are: pods go on talking to each other. */
  async stop(): Promise<void> {
    for (const end of this.ends) end();
    this.cancelTimer?.();
    await this.writing;
  }

  private touch(service: string): void {
    this.stale.add(service);
    this.cancelTimer ??= this.clock.after(gatherMilliseconds, () => {
      this.cancelTimer = undefined;
      this.writing = this.writing.then(() => this.write());
    });
  }

  private async write(): Promise<void> {
    const flows = [...this.stale].flatMap((key) => this.refresh(key));
    this.stale.clear();
    const rules = buildRules(this.config, [...this.ports.values()].flat());
    const text = restoreText(this.written, rules);
    if (!text) return;
    try {
      await this.host.restore(text);
      this.written = rules;
      for (const flow of flows) await this.host.conntrack(...flow);
    } catch (error) {
      // Somebody else may have removed our chains: begin from nothing next time.
      this.written = undefined;
      this.log.warn({ error: String(error) }, "iptables rules could not be written; trying again");
      await this.hook();
      this.cancelTimer ??= this.clock.after(1000, () => {
        this.cancelTimer = undefined;
        this.writing = this.writing.then(() => this.write());
      });
    }
  }

  /** Works the Service out anew. Returns the flows that are then to be forgotten. */
  private refresh(key: string): string[][] {
    const service = this.services.byKey(key);
    const before = this.ports.get(key) ?? [];
    if (service)
      this.ports.set(
        key,
        servicePorts(service, this.slices.byIndex("service", key), (node) => this.isLocal(node)),
      );
    else this.ports.delete(key);
    return staleFlows(before, this.ports.get(key) ?? []);
  }

  private isLocal(node: string): boolean {
    const own = this.host.addresses();
    return (this.nodes.get(undefined, node)?.status.addresses ?? []).some((a) => a.type === "InternalIP" && own.includes(a.address));
  }

  /** Makes our chains and, once, the jumps to them, ahead of everybody else's. */
  private async hook(): Promise<void> {
    const all = hooks(this.config.tag);
    const declare = (table: string): string =>
      `*${table}\n${all
        .filter((h) => h.table === table)
        .map((h) => `:${h.to} - [0:0]\n`)
        .join("")}COMMIT\n`;
    await this.host.restore(declare("nat") + declare("filter"));
    for (const { table, from, to } of all) {
      // Docker drops what passes between its bridges after it has asked DOCKER-USER: what is ours has to be said there.
      const inDockerUser = from === "FORWARD" && (await this.host.iptables("-t", table, "-n", "-L", "DOCKER-USER", "1"));
      const chain = inDockerUser ? "DOCKER-USER" : from;
      if (!(await this.host.iptables("-t", table, "-C", chain, "-j", to)))
        await this.host.iptables("-t", table, "-I", chain, "1", "-j", to);
    }
  }
}

function serviceOf(slice: EndpointSlice | undefined): string {
  const service = slice?.metadata.labels?.["kubernetes.io/service-name"];
  return slice && service ? `${slice.metadata.namespace}/${service}` : "";
}
