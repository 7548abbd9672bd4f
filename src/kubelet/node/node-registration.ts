import { isReason } from "../../api/errors.ts";
import { semanticEqual } from "../../api/meta/equality.ts";
import type { Node, Taint } from "../../api/types/core.v1.ts";
import { Nodes } from "../../api/types/resources.ts";
import type { Client } from "../../client/client.ts";
import { keepNodeLease } from "../../client/leases.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Machine, readMachine, readSharedMachine } from "./machine.ts";
import { type NodeFacts, newNode, nodeLabels, nodeStatus, withoutHeartbeats } from "./node-status.ts";

/** What a node is registered with. */
export interface RegistrationOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  runtime: Runtime;
  nodeName: string;
  nodeIP: string;
  dataDir: string;
  labels: Readonly<Record<string, string>>;
  taints: readonly Taint[];
  /** Instead of what the machine has. */
  capacity?: Readonly<Record<string, string>>;
  port(): number;
  /** The object as the cache has it. */
  node(): Node | undefined;
}

/** The status is told again after this long, also when nothing has changed; the lease beats every 10 s. */
const heartbeat = 300_000;

/** Registers the node, and keeps its status and its lease current. */
export class NodeRegistration {
  /** Why the node cannot run pods; undefined when it can. */
  notReady: string | undefined =
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:the node has no podCIDR yet";
  private readonly options: RegistrationOptions;
  private machine: Machine | undefined;
  private lease: { stop(): void } | undefined;
  private cancel = (): void => {};
  private written: Node | undefined;
  private busy = false;
  private again = false;
  private stopped = false;

  constructor(options: RegistrationOptions) {
    this.options = options;
  }

  /** Registers, trying until it works; then keeps the object current. */
  async start(): Promise<void> {
    const { clock, log, runtime, dataDir, capacity } = this.options;
    for (let wait = 100; !this.stopped; wait = Math.min(wait * 2, 7000)) {
      try {
        const read = runtime.usesHost ? readMachine : readSharedMachine;
        const machine = await read(dataDir, await runtime.version());
        this.machine = capacity ? { ...machine, capacity: { ...machine.capacity, ...capacity } } : machine;
        await this.register();
        break;
      } catch (error) {
        log.warn({ node: this.options.nodeName, error: String(error) }, "cannot register the node, trying again");
        await new Promise<void>((resolve) => clock.after(wait, resolve));
      }
    }
    if (this.stopped) return;
    const owner = (): { apiVersion: string; kind: string; name: string; uid: string } | undefined => {
      const node = this.current();
      return node && { apiVersion: "v1", kind: "Node", name: node.metadata.name, uid: node.metadata.uid };
    };
    this.lease = keepNodeLease(this.options, owner, this.options.nodeName);
    await this.update();
  }

  private current(): Node | undefined {
    return this.options.node() ?? this.written;
  }

  private async register(): Promise<void> {
    const { client, nodeName } = this.options;
    const facts = await this.facts();
    try {
      this.written = await client.create(Nodes, { ...newNode(facts), status: nodeStatus(facts, undefined, this.options.clock.now()) });
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
      const old = await client.get(Nodes, { name: nodeName });
      const labels = Object.entries(nodeLabels(facts)).filter(([k, v]) => old.metadata.labels?.[k] !== v);
      this.written = old;
      if (labels.length > 0)
        this.written = await client.patch(
          Nodes,
          { name: nodeName },
          { type: "strategic", body: { metadata: { labels: Object.fromEntries(labels) } } },
        );
    }
  }

  private async facts(): Promise<NodeFacts> {
    const { nodeName, nodeIP, labels, taints, runtime, port } = this.options;
    if (!this.machine) throw new Error("the machine has not been read yet");
    const images = await runtime.images().catch(() => []);
    return { name: nodeName, ip: nodeIP, labels, taints, machine: this.machine, port: port(), images, notReady: this.notReady };
  }

  /** Something about the node may have changed: writes it when it has, or when the last heartbeat is long ago. */
  async update(heartbeatDue = false): Promise<void> {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      do {
        this.again = false;
        await this.write(heartbeatDue);
      } while (this.again && !this.stopped);
    } catch (error) {
      if (isReason(error, "NotFound") && !this.stopped) {
        await this.register().catch(() => {}); // someone has deleted the node while it lives
        this.again = true;
      }
      if (!this.stopped) this.options.log.warn({ node: this.options.nodeName, error: String(error) }, "cannot write the node's status");
    } finally {
      this.busy = false;
      this.schedule(this.again ? 1000 : heartbeat);
    }
  }

  private schedule(wait: number): void {
    this.cancel();
    if (!this.stopped) this.cancel = this.options.clock.after(wait, () => void this.update(wait === heartbeat));
  }

  private async write(heartbeatDue: boolean): Promise<void> {
    const old = this.current()?.status;
    const status = nodeStatus(await this.facts(), old, this.options.clock.now());
    const known: Partial<Record<string, unknown>> = { ...withoutHeartbeats(old ?? {}) };
    const next: Record<string, unknown> = { ...withoutHeartbeats(status) };
    const changed = Object.keys(next).some((name) =>
      name === "capacity" || name === "allocatable" ? !contains(known[name], next[name]) : !sameField(known[name], next[name]),
    );
    if (!changed && !heartbeatDue) return;
    const { client, nodeName } = this.options;
    this.written = await client.patch(Nodes, { name: nodeName }, { type: "strategic", body: { status } }, { subresource: "status" });
  }

  stop(): void {
    this.stopped = true;
    this.lease?.stop();
    this.cancel();
  }
}

/** Conditions and addresses that others have added do not count as a difference. */
function sameField(known: unknown, next: unknown): boolean {
  if (!Array.isArray(next) || !Array.isArray(known)) return semanticEqual(known, next);
  return next.every((item, i) => semanticEqual(known[i], item) || known.some((k) => semanticEqual(k, item)));
}

function contains(map: unknown, part: unknown): boolean {
  const known = (map ?? {}) as Record<string, unknown>; // both are maps of quantities
  return Object.entries(part as Record<string, unknown>).every(([k, v]) => known[k] === v);
}
