import type { Clock } from "../lib/clock.ts";

/** What a work queue does with its keys. */
export interface QueueOptions {
  clock: Clock;
  /** How many keys are worked on side by side. */
  workers: number;
  /** Does the work of a key; returns in how many milliseconds the key shall come again, or nothing. When it throws, the key is retried. */
  work: (key: string) => Promise<number | void>;
  /** In how many milliseconds after its work a key may be worked on again at the earliest. Default: at once. */
  rest?: (key: string) => number;
  /** Told of each failure; `retries` counts from 1, `delay` is the wait in milliseconds. */
  failed?: (key: string, error: unknown, retries: number, delay: number) => void;
  /** The shortest and the longest wait after a failure, in milliseconds. Default 5 to 1,000,000, as in Kubernetes. */
  backoff?: { first: number; last: number };
}

/** How many keys are begun before other work of the process gets its turn. */
const burst = 64;

/**
 * Keys waiting for work. A key waits once, however often it is added; it is never worked on twice at the same time, and when it is added
 * while being worked on it comes again afterwards. Failed keys come back with exponential back-off.
 */
export class WorkQueue {
  private readonly options: QueueOptions;
  private readonly backoff: { first: number; last: number };
  private readonly waiting = new Set<string>();
  private readonly working = new Set<string>();
  private readonly resting = new Map<string, () => void>();
  private readonly delayed = new Map<string, { at: number; cancel: () => void }>();
  private readonly failures = new Map<string, number>();
  private stopped = false;
  private scheduled = false;
  private begun = 0;
  private idle: (() => void)[] = [];

  constructor(options: QueueOptions) {
    this.options = options;
    this.backoff = options.backoff ?? { first: 5, last: 1_000_000 };
  }

  /** Keys that wait for a worker, without those that are delayed. */
  get length(): number {
    return this.waiting.size;
  }

  /** Adds the key now. */
  add(key: string): void {
    if (this.stopped || this.waiting.has(key)) return;
    this.waiting.add(key);
    this.schedule();
  }

  /** Adds the key after so many milliseconds; of several delays the earliest counts. */
  addAfter(key: string, milliseconds: number): void {
    if (this.stopped) return;
    if (milliseconds <= 0) {
      this.add(key);
      return;
    }
    const at = this.options.clock.now() + milliseconds;
    const other = this.delayed.get(key);
    if (other && other.at <= at) return;
    other?.cancel();
    const cancel = this.options.clock.after(milliseconds, () => {
      this.delayed.delete(key);
      this.add(key);
    });
    this.delayed.set(key, { at, cancel });
  }

  /** Takes no more keys, forgets those that wait, and resolves when the work under way has ended. */
  stop(): Promise<void> {
    this.stopped = true;
    this.waiting.clear();
    for (const { cancel } of this.delayed.values()) cancel();
    this.delayed.clear();
    for (const cancel of this.resting.values()) cancel();
    this.resting.clear();
    return this.working.size === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
  }

  /** Adds made in one turn of the event loop are begun together, and after a burst the loop gets a turn, or timers and I/O would starve. */
  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    const pump = (): void => {
      this.scheduled = false;
      this.pump();
    };
    if (this.begun < burst) queueMicrotask(pump);
    else
      setImmediate(() => {
        this.begun = 0;
        pump();
      });
  }

  private pump(): void {
    for (const key of this.waiting) {
      if (this.working.size >= this.options.workers) return;
      if (this.working.has(key) || this.resting.has(key)) continue;
      if (this.begun >= burst) {
        this.schedule();
        return;
      }
      this.begun++;
      this.waiting.delete(key);
      this.working.add(key);
      void this.run(key);
    }
  }

  /** What happens to the key meanwhile is worked on once, afterwards. */
  private rest(key: string): void {
    const rest = this.stopped ? 0 : (this.options.rest?.(key) ?? 0);
    if (rest < 1) return;
    const end = (): void => {
      this.resting.delete(key);
      if (this.waiting.has(key)) this.schedule();
    };
    this.resting.set(key, this.options.clock.after(rest, end));
  }

  private async run(key: string): Promise<void> {
    try {
      const again = await this.options.work(key);
      this.failures.delete(key);
      if (typeof again === "number") this.addAfter(key, again);
    } catch (error) {
      const retries = (this.failures.get(key) ?? 0) + 1;
      this.failures.set(key, retries);
      const delay = Math.min(this.backoff.first * 2 ** (retries - 1), this.backoff.last);
      this.options.failed?.(key, error, retries, delay);
      this.addAfter(key, delay);
    }
    this.working.delete(key);
    this.rest(key);
    if (this.waiting.size > 0) this.schedule();
    if (this.working.size === 0) for (const resolve of this.idle.splice(0)) resolve();
  }
}
