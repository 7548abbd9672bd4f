import type { Clock } from "../lib/clock.ts";
import type { ClusterEvent, Plugin } from "./framework.ts";
import type { PodInfo } from "./pod-info.ts";
import { comparePriority } from "./plugins/priority-sort.ts";

/** Waits of the queue, in milliseconds. */
const times = { firstBackoff: 1_000, lastBackoff: 10_000, longestWait: 300_000 };

/** A pod that waits for a node. */
export interface QueuedPod {
  pod: PodInfo;
  readonly priority: number;
  /** When it was first queued: the order among equal priorities. */
  readonly since: number;
  /** Tells apart what was queued in the same millisecond. */
  readonly order: number;
  attempts: number;
  /** When it was last tried. */
  tried: number;
  /** The plugins that rejected it; empty: any event may help. */
  rejectedBy: ReadonlySet<string>;
}

type Place = "active" | "backoff" | "unschedulable" | "gated" | "trying";

/**
 * The pods that wait: those to be tried now by priority, those tried a moment ago (back-off of 1 to 10 seconds), those that wait for an event that
 * may help, and those held by scheduling gates. The back-off of a pod that did not fit is cut short when nothing else is to be tried, that of one
 * whose attempt failed (a write, say) is not. Nothing polls: `ready` is called when there is something to try.
 */
export class SchedulingQueue {
  private readonly clock: Clock;
  private readonly plugins: ReadonlyMap<string, Plugin>;
  private readonly ready: () => void;
  private readonly pods = new Map<string, { entry: QueuedPod; place: Place }>();
  /** The next one last. */
  private readonly active: QueuedPod[] = [];
  /** Those that wait for an event, by uid: mostly few, however many are to be tried. */
  private readonly waiting = new Map<string, QueuedPod>();
  /** Those of the pods in back-off that may be tried early, by uid. */
  private readonly early = new Map<string, QueuedPod>();
  private sorted = true;
  private queued = 0;
  private cancelTimer: () => void = () => {};
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, plugins: readonly Plugin[], ready: () => void) {
    this.clock = clock;
    this.plugins = new Map(plugins.map((plugin) => [plugin.name, plugin]));
    this.ready = ready;
  }

  /** How many pods are to be tried now. */
  get length(): number {
    return this.active.length + this.early.size;
  }

  /** A pod without a node that is new or has changed. `retry`: its change may make it schedulable. */
  set(pod: PodInfo, retry: boolean): void {
    const known = this.pods.get(pod.uid);
    const gated = (pod.pod.spec.schedulingGates?.length ?? 0) > 0;
    if (!known) {
      const now = this.clock.now();
      const entry = { pod, priority: pod.priority, since: now, order: this.queued++, attempts: 0, tried: 0, rejectedBy: new Set<string>() };
      this.move(entry, gated ? "gated" : "active");
      return;
    }
    known.entry.pod = pod;
    if (known.place === "gated" && !gated) this.move(known.entry, "active");
    else if (known.place === "unschedulable" && retry) this.wake(known.entry);
  }

  /** A pod that is gone or has a node. */
  remove(uid: string): void {
    const known = this.pods.get(uid);
    if (known?.place === "active") this.active.splice(this.active.indexOf(known.entry), 1);
    this.early.delete(uid);
    this.waiting.delete(uid);
    this.pods.delete(uid);
  }

  /** The next pod to try; it stays known until removed, and is given back by `failed`. */
  pop(): QueuedPod | undefined {
    if (!this.sorted) this.active.sort((a, b) => comparePriority(b, a) || b.order - a.order);
    this.sorted = true;
    const entry = this.active.pop() ?? this.firstEarly();
    if (!entry) return undefined;
    this.early.delete(entry.pod.uid);
    entry.attempts++;
    entry.tried = this.clock.now();
    this.pods.set(entry.pod.uid, { entry, place: "trying" });
    return entry;
  }

  /** No node took the pod: it waits for an event that its rejecting plugins wait for. */
  unschedulable(entry: QueuedPod, rejectedBy: ReadonlySet<string>): void {
    if (!this.pods.has(entry.pod.uid)) return;
    entry.rejectedBy = rejectedBy;
    this.move(entry, "unschedulable");
    this.wakeAt(entry.tried + times.longestWait);
  }

  /** Something else went wrong (a write failed): try again after the back-off. */
  failed(entry: QueuedPod): void {
    if (!this.pods.has(entry.pod.uid)) return;
    this.move(entry, "backoff");
    this.wakeAt(this.backoffEnd(entry));
  }

  /** Wakes every pod that the event may help. */
  happened(event: ClusterEvent): void {
    for (const entry of this.waiting.values()) if (this.mayHelp(entry, event)) this.wake(entry);
  }

  /** Ends the timer. */
  stop(): void {
    this.cancelTimer();
  }

  private firstEarly(): QueuedPod | undefined {
    let first: QueuedPod | undefined;
    for (const entry of this.early.values()) if (!first || comparePriority(entry, first) < 0) first = entry;
    return first;
  }

  private mayHelp({ pod, rejectedBy }: QueuedPod, event: ClusterEvent): boolean {
    if (rejectedBy.size === 0) return true;
    for (const name of rejectedBy) if (this.plugins.get(name)?.wakes(pod, event)) return true;
    return false;
  }

  private backoffEnd(entry: QueuedPod): number {
    return entry.tried + Math.min(times.firstBackoff * 2 ** Math.max(0, entry.attempts - 1), times.lastBackoff);
  }

  private wake(entry: QueuedPod): void {
    const end = this.backoffEnd(entry);
    if (entry.attempts === 0 || end <= this.clock.now()) this.move(entry, "active");
    else {
      this.move(entry, "backoff");
      this.wakeAt(end);
      this.early.set(entry.pod.uid, entry);
      this.ready();
    }
  }

  private move(entry: QueuedPod, place: Place): void {
    this.pods.set(entry.pod.uid, { entry, place });
    this.early.delete(entry.pod.uid);
    if (place === "unschedulable") this.waiting.set(entry.pod.uid, entry);
    else this.waiting.delete(entry.pod.uid);
    if (place !== "active") return;
    this.active.push(entry);
    this.sorted = this.active.length === 1;
    this.ready();
  }

  /** One timer for the whole queue, set to the earliest moment at which a pod has to move. */
  private wakeAt(time: number): void {
    if (time >= this.timerAt) return;
    this.cancelTimer();
    this.timerAt = time;
    this.cancelTimer = this.clock.after(Math.max(0, time - this.clock.now()), () => this.tick());
  }

  private tick(): void {
    this.timerAt = Number.POSITIVE_INFINITY;
    const now = this.clock.now();
    for (const { entry, place } of [...this.pods.values()]) {
      const due = place === "backoff" ? this.backoffEnd(entry) : place === "unschedulable" ? entry.tried + times.longestWait : undefined;
      if (due === undefined) continue;
      if (due <= now) this.move(entry, "active");
      else this.wakeAt(due);
    }
  }
}
