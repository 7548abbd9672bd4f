import type { Cache, Caches } from "../../client/cache.ts";
import type { Node, Service } from "../../api/types/core.v1.ts";
import type { EndpointSlice } from "../../api/types/discovery.v1.ts";
import { EndpointSlices, Nodes, Services } from "../../api/types/resources.ts";
import { keyOf } from "../../api/meta/object.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { isOnMachine, type NetworkHost } from "../host/host.ts";
import { RuleWriter } from "../host/rule-writer.ts";
import type { RuleSet } from "../host/rule-set.ts";
import { staleFlows } from "./flows.ts";
import { buildRules, hooks, type ProxyConfig } from "./rules.ts";
import { type ServicePortRules, servicePorts } from "./services.ts";

/** Keeps the machine's rules in step with Services and their endpoints. */
export class ServiceProxy {
  private readonly config: ProxyConfig;
  private readonly host: NetworkHost;
  private readonly services: Cache<Service>;
  private readonly slices: Cache<EndpointSlice>;
  private readonly nodes: Cache<Node>;
  private readonly writer: RuleWriter;
  private readonly ports = new Map<string, ServicePortRules[]>();
  private readonly stale = new Set<string>();
  private flows: string[][] = [];
  private ends: (() => void)[] = [];

  constructor(options: { config: ProxyConfig; host: NetworkHost; caches: Caches; clock: Clock; log: Logger }) {
    this.config = options.config;
    this.host = options.host;
    this.services = options.caches.of(Services);
    this.slices = options.caches.of(EndpointSlices);
    this.nodes = options.caches.of(Nodes);
    this.slices.addIndex("service", (slice) => [serviceOf(slice)]);
    this.writer = new RuleWriter({ hooks: hooks(this.config.tag), build: () => this.build(), written: () => this.forgetFlows() }, options);
  }

  /** Writes the first rules and follows changes from then on. */
  async start(): Promise<void> {
    await Promise.all([this.services.synced, this.slices.synced, this.nodes.synced]);
    this.ends = [
      this.services.onChange(({ object, old }) => this.touch(keyOf(object ?? old ?? { metadata: {} }))),
      this.slices.onChange(({ object, old }) => this.touch(serviceOf(object ?? old))),
      this.nodes.onChange(({ object, old }) => {
        if (!object || !old) for (const service of this.services.list()) this.touch(keyOf(service));
      }),
    ];
    await this.writer.start();
  }

  /** Leaves the rules as they are: pods go on talking to each other. */
  async stop(): Promise<void> {
    for (const end of this.ends) end();
    await this.writer.stop();
  }

  private touch(service: string): void {
    this.stale.add(service);
    this.writer.touch();
  }

  private build(): RuleSet {
    for (const key of this.stale) this.flows.push(...this.refresh(key));
    this.stale.clear();
    return buildRules(this.config, [...this.ports.values()].flat());
  }

  private async forgetFlows(): Promise<void> {
    const flows = this.flows;
    this.flows = [];
    for (const flow of flows) await this.host.conntrack(...flow);
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
    return isOnMachine(this.nodes.get(undefined, node), this.host.addresses());
  }
}

function serviceOf(slice: EndpointSlice | undefined): string {
  const service = slice?.metadata.labels?.["kubernetes.io/service-name"];
  return slice && service ? `${slice.metadata.namespace}/${service}` : "";
}
