import { isReason } from "../api/errors.ts";
import { PodDisruptionBudgets, Pods } from "../api/types/resources.ts";
import type { ControllerContext } from "../client/controller.ts";
import { follow } from "./events.ts";
import type { Plugin } from "./framework.ts";
import { cacheLookups } from "./lookups.ts";
import { noNodes, unavailable, withPreemption } from "./messages.ts";
import type { NodeInfo } from "./node-info.ts";
import type { PodInfo } from "./pod-info.ts";
import { plugins as allPlugins } from "./plugins/list.ts";
import { PodWriter } from "./pod-writer.ts";
import { type Candidate, preempt } from "./preemption.ts";
import { type QueuedPod, SchedulingQueue } from "./queue.ts";
import { type Failure, type Framework, schedule } from "./schedule.ts";
import { volumeWriter } from "./volume-writer.ts";
import { World } from "./world.ts";

/** How long pods are scheduled before the event loop gets a turn: milliseconds, and pods. */
const slice = { milliseconds: 5, pods: 50 };

/** The scheduler's settings. */
export interface SchedulerOptions {
  /** 0 <= n < 1: chooses among equally good nodes. Default Math.random. */
  random?: () => number;
}

/** A scheduler that can be started once and stopped. */
export interface Scheduler {
  /** Resolves when the caches are synced and scheduling has begun. */
  start(): Promise<void>;
  /** Resolves when no binding is under way any more. */
  stop(): Promise<void>;
}

/** The default-scheduler: gives a node to each pod that has none and asks for no other scheduler. `events` should speak as "default-scheduler". */
export function createScheduler(context: ControllerContext, { random = Math.random }: SchedulerOptions = {}): Scheduler {
  return new DefaultScheduler(context, random);
}

class DefaultScheduler implements Scheduler {
  private readonly context: ControllerContext;
  private readonly world: World;
  private readonly plugins: readonly Plugin[];
  private readonly framework: Framework;
  private readonly queue: SchedulingQueue;
  private readonly writer: PodWriter;
  private readonly underWay = new Set<Promise<void>>();
  /** Pods for which victims are being removed right now. */
  private readonly preempting = new Set<string>();
  private running = false;
  private scheduled = false;
  private unfollow: () => void = () => {};

  constructor(context: ControllerContext, random: () => number) {
    this.context = context;
    this.world = new World(cacheLookups(context.caches));
    this.plugins = allPlugins(volumeWriter(context));
    this.framework = { plugins: this.plugins, world: this.world, random, offset: 0 };
    this.queue = new SchedulingQueue(context.clock, this.plugins, () => this.wake());
    this.writer = new PodWriter(context);
  }

  async start(): Promise<void> {
    const { caches } = this.context;
    caches.of(Pods);
    caches.of(PodDisruptionBudgets);
    this.running = true;
    await caches.synced();
    if (!this.running) return;
    this.unfollow = follow(caches, this.world, this.queue);
  }

  async stop(): Promise<void> {
    this.running = false;
    this.unfollow();
    this.queue.stop();
    await Promise.all(this.underWay);
  }

  private wake(): void {
    if (this.scheduled || !this.running) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.work();
    });
  }

  private work(): void {
    const { clock } = this.context;
    const end = clock.now() + slice.milliseconds;
    for (let n = 0; n < slice.pods && this.running && clock.now() < end; n++) {
      const entry = this.queue.pop();
      if (!entry) return;
      this.attempt(entry);
    }
    if (this.queue.length > 0) this.wake();
  }

  /** One pod, from the queue to a node, in one turn of the event loop: what the filters saw is still so when the pod is assumed. */
  private attempt(entry: QueuedPod): void {
    const { pod } = entry;
    if (this.world.hasPod(pod.uid)) return;
    try {
      if (this.world.nodes.length === 0) {
        this.reject(entry, new Set(), noNodes);
        return;
      }
      const { node, failure } = schedule(pod, this.framework);
      if (failure) this.fail(entry, failure);
      else this.take(entry, node);
    } catch (error) {
      this.context.log.error({ pod: pod.key, error }, "scheduling failed");
      this.later(entry, "SchedulerError", String(error));
    }
  }

  private take(entry: QueuedPod, node: NodeInfo): void {
    const { pod } = entry;
    const work = this.plugins.flatMap((plugin) => plugin.beforeBind?.(pod, node, this.world) ?? []);
    this.world.assume(pod, node.name);
    this.track(this.bind(entry, node.name, work));
  }

  private async bind(entry: QueuedPod, nodeName: string, work: readonly Promise<void>[]): Promise<void> {
    const { pod } = entry;
    try {
      if (work.length > 0) await Promise.all(work);
      await this.writer.bind(pod, nodeName);
      this.queue.remove(pod.uid);
    } catch (error) {
      this.world.forget(pod.uid);
      // The room that it would have taken may help others.
      this.queue.happened({ type: "pod", pod: undefined, old: pod.pod });
      if (isReason(error, "NotFound")) this.queue.remove(pod.uid);
      else this.later(entry, "SchedulerError", `binding rejected: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private fail(entry: QueuedPod, failure: Failure): void {
    const { pod } = entry;
    const total = this.world.nodes.length;
    const message = unavailable(total, failure.rejections.values(), failure.refusal);
    if (failure.refusal) {
      this.reject(entry, failure.plugins, message);
      return;
    }
    // Its victims are not marked as deleted yet: it would look for others.
    if (this.preempting.has(pod.uid)) {
      this.queue.unschedulable(entry, failure.plugins);
      return;
    }
    const budgets = this.context.caches.of(PodDisruptionBudgets).list();
    const { candidate, message: why } = preempt(pod, failure, this.world, budgets, this.framework.random);
    this.reject(entry, failure.plugins, withPreemption(message, why), candidate);
    if (candidate) this.track(this.makeRoom(entry, candidate));
  }

  private reject(entry: QueuedPod, plugins: ReadonlySet<string>, message: string, candidate?: Candidate): void {
    const { pod } = entry;
    if (candidate) this.world.nominate(pod, candidate.node.name);
    this.queue.unschedulable(entry, plugins);
    this.track(this.writer.unschedulable(pod, "Unschedulable", message, candidate?.node.name));
  }

  /** Removes the victims, and takes back the promise of lower pods to get this node. */
  private async makeRoom({ pod }: QueuedPod, { node, victims }: Candidate): Promise<void> {
    const displaced: PodInfo[] = [...this.world.nominatedPods(node.name)].filter((other) => other.priority < pod.priority);
    for (const other of displaced) this.world.unnominate(other.uid);
    this.preempting.add(pod.uid);
    try {
      await Promise.all([
        ...victims.map((victim) => this.writer.evict(victim, pod, node.name)),
        ...displaced.map((other) => this.writer.clearNomination(other)),
      ]);
    } catch (error) {
      this.context.log.warn({ pod: pod.key, error: String(error) }, "preemption failed");
      this.world.unnominate(pod.uid);
      this.queue.happened({ type: "pod", pod: undefined, old: pod.pod });
    } finally {
      this.preempting.delete(pod.uid);
    }
  }

  private later(entry: QueuedPod, reason: string, message: string): void {
    this.queue.failed(entry);
    this.track(this.writer.unschedulable(entry.pod, reason, message, undefined));
  }

  private track(work: Promise<void>): void {
    this.underWay.add(work);
    void work.finally(() => this.underWay.delete(work));
  }
}
