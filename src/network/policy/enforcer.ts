import type { Namespace, Node, Pod } from "../../api/types/core.v1.ts";
import type { NetworkPolicy } from "../../api/types/networking.v1.ts";
import { Namespaces, NetworkPolicies, Nodes, Pods } from "../../api/types/resources.ts";
import { keyOf } from "../../api/meta/object.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import type { Cache, Caches, Change } from "../../client/cache.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { isOnMachine, type NetworkHost } from "../host/host.ts";
import { RuleWriter } from "../host/rule-writer.ts";
import type { RuleSet } from "../host/rule-set.ts";
import { type PolicyConfig, policyChainPrefix, policyHooks, policyRules } from "./rules.ts";

/** Keeps the machine's rules in step with NetworkPolicies and the pods that they speak of. */
export class PolicyEnforcer {
  private readonly config: PolicyConfig;
  private readonly host: NetworkHost;
  private readonly caches: Caches;
  private readonly policies: Cache<NetworkPolicy> | undefined;
  private readonly namespaces: Cache<Namespace>;
  private readonly nodes: Cache<Node>;
  private readonly writer: RuleWriter;
  private pods: Cache<Pod> | undefined;
  /** The addresses that pods were given a moment ago, by "namespace/name": the API does not have them yet. */
  private readonly joining = new Map<string, string>();
  private begun: Promise<unknown> = Promise.resolve();
  private ends: (() => void)[] = [];

  /** Begins to follow policies, so that they are there when this process has to take the machine over; pods only once there is a policy. */
  constructor(options: { config: PolicyConfig; enabled: boolean; host: NetworkHost; caches: Caches; clock: Clock; log: Logger }) {
    this.config = options.config;
    this.host = options.host;
    this.caches = options.caches;
    this.policies = options.enabled ? options.caches.of(NetworkPolicies) : undefined;
    this.namespaces = options.caches.of(Namespaces);
    this.nodes = options.caches.of(Nodes);
    const found = (): Promise<RuleSet> => this.found();
    this.writer = new RuleWriter({ hooks: policyHooks(this.config), build: () => this.build(), found }, options);
    if (this.policies) this.ends.push(this.policies.onChange(() => this.followPods()));
  }

  /** Writes the first rules, or removes those of an earlier process, and follows changes from then on. */
  async start(): Promise<void> {
    await this.policies?.synced;
    await this.begun;
    await this.writer.start();
  }

  /** Leaves the rules as they are. */
  async stop(): Promise<void> {
    for (const end of this.ends) end();
    await this.writer.stop();
  }

  /** The pod is about to get that address: resolves when the rules for it are in place, as far as this process keeps the machine's. */
  async join(key: string, ip: string): Promise<void> {
    if (!this.policies?.list().length) return;
    this.joining.set(key, ip);
    await this.writer.flush();
  }

  private followPods(): void {
    if (this.pods) {
      this.touch();
      return;
    }
    const pods = this.caches.of(Pods);
    this.pods = pods;
    this.begun = Promise.all([pods.synced, this.namespaces.synced, this.nodes.synced]).then(() => {
      this.ends.push(
        pods.onChange((change) => {
          const pod = change.object ?? change.old;
          if (pod && (!change.object || pod.status.podIP === this.joining.get(keyOf(pod)))) this.joining.delete(keyOf(pod));
          if (matters(change)) this.touch();
        }),
        this.namespaces.onChange(({ object, old }) =>
          deepEqual(object?.metadata.labels, old?.metadata.labels) ? undefined : this.touch(),
        ),
        this.nodes.onChange(({ object, old }) => (object && old ? undefined : this.touch())),
      );
      this.touch();
    });
  }

  private touch(): void {
    if (this.pods?.isSynced) this.writer.touch();
  }

  private build(): RuleSet {
    const policies = this.policies?.list() ?? [];
    if (policies.length === 0) return {};
    const own = this.host.addresses();
    const local = new Set(
      this.nodes
        .list()
        .filter((node) => isOnMachine(node, own))
        .map((node) => node.metadata.name),
    );
    const pods = (this.pods?.list() ?? []).map((pod) => {
      const podIP = this.joining.get(keyOf(pod));
      return podIP === undefined ? pod : { ...pod, status: { ...pod.status, podIP } };
    });
    const objects = { policies, namespaces: this.namespaces.list(), pods, isLocal: (node: string) => local.has(node) };
    const mangle = policyRules(this.config, objects);
    return mangle.size > 0 ? { mangle } : {};
  }

  /** The chains of an earlier process, whatever their rules are. */
  private async found(): Promise<RuleSet> {
    const saved = (await this.host.save("mangle")).split("\n");
    const own = `:${policyChainPrefix(this.config.tag)}`;
    const chains = saved.filter((line) => line.startsWith(own)).map((line) => line.slice(1).split(" ")[0] ?? "");
    return { mangle: new Map(chains.map((chain) => [chain, []])) };
  }
}

function matters({ object, old }: Change<Pod>): boolean {
  if (!object || !old) return true;
  const [is, was] = [object.status, old.status];
  return is.podIP !== was.podIP || is.phase !== was.phase || !deepEqual(object.metadata.labels, old.metadata.labels);
}
