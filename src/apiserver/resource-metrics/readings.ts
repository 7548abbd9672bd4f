import { type Clock, sleep } from "../../lib/clock.ts";
import { parseResourceMetrics, type NodeSample } from "./samples.ts";
import { type NodeUsage, usageBetween } from "./usage.ts";

/** Figures younger than this are told again; milliseconds. */
const freshness = 5_000;
/** A sample older than this says nothing of the present: two new ones are taken then, so far apart. */
const useful = 90_000;
const apart = 1_200;

/** One node's figures, taken when somebody asks. Between questions nothing is read. */
interface Reading {
  sample: NodeSample;
  /** When it was taken. */
  at: number;
  usage: NodeUsage;
}

/** The usage of nodes, from their kubelets' /metrics/resource. */
export class Readings {
  private readonly clock: Clock;
  private readonly fetch: (node: string) => Promise<string>;
  private readonly last = new Map<string, Reading>();
  private readonly running = new Map<string, Promise<NodeUsage | undefined>>();

  /** `fetch` reads a node's /metrics/resource. */
  constructor(clock: Clock, fetch: (node: string) => Promise<string>) {
    this.clock = clock;
    this.fetch = fetch;
  }

  /** What the node and its pods use; undefined when its kubelet does not answer. */
  async of(node: string): Promise<NodeUsage | undefined> {
    const last = this.last.get(node);
    if (last && this.clock.now() - last.at < freshness) return last.usage;
    let running = this.running.get(node);
    if (!running) {
      running = this.read(node, last).finally(() => this.running.delete(node));
      this.running.set(node, running);
    }
    return running;
  }

  /** Forgets the nodes that are no more. */
  keepOnly(nodes: ReadonlySet<string>): void {
    for (const node of this.last.keys()) if (!nodes.has(node)) this.last.delete(node);
  }

  private async read(node: string, last: Reading | undefined): Promise<NodeUsage | undefined> {
    try {
      let before = last && this.clock.now() - last.at < useful ? last.sample : undefined;
      if (!before) {
        before = await this.sample(node);
        await sleep(this.clock, apart);
      }
      const sample = await this.sample(node);
      const usage = usageBetween(before, sample);
      this.last.set(node, { sample, at: this.clock.now(), usage });
      return usage;
    } catch {
      this.last.delete(node);
      return undefined;
    }
  }

  private async sample(node: string): Promise<NodeSample> {
    return parseResourceMetrics(await this.fetch(node), this.clock.now());
  }
}
