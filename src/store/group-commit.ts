import type { Clock } from "../lib/clock.ts";
import type { Log, LogRecord } from "./log.ts";

/** How many revisions are reserved at a time: so many lazy writes cause one write to the disk of their own. */
const reserve = 10_000;

/** A write that wants to be in the log. */
export interface Logged {
  readonly record: LogRecord;
  /** It may be told before it is on the disk: a crash may lose it. */
  readonly lazy: boolean;
}

/** What GroupCommit needs. */
export interface GroupCommitOptions<T> {
  log: Log;
  clock: Clock;
  /** How long a lazy write may stay away from the disk, in milliseconds. */
  lazyDelay: number;
  /** Called with each batch that may be told, in order. */
  committed(batch: readonly T[]): void;
  /** Called once, with all that is lost, and nothing after it. */
  failed(error: unknown, lost: readonly T[]): void;
}

/**
 * Brings records to the log in batches: the records of one turn of the event loop go together; while one batch is on its
 * way the next one gathers. One fsync serves a whole batch.
 *
 * A batch of lazy writes alone is committed at once; its records wait for the next batch that goes to the disk, of each key
 * only the newest, so that the log always holds a beginning of what was told. Before lazy writes are told their revisions
 * are reserved on the disk: after a crash the log goes on above the ceiling, and no revision is given twice.
 */
export class GroupCommit<T extends Logged> {
  private readonly options: GroupCommitOptions<T>;
  private gathering: T[] = [];
  private underway: Promise<void> | undefined;
  /** Told, but not on the disk: the newest record of each key, in the order of revisions. */
  private readonly waiting = new Map<string, LogRecord>();
  private cancelTimer: (() => void) | undefined;
  private flushing = false;
  /** The revision of the last record given to the log. */
  private logged = 1;
  /** Lazy writes below that revision may be told. */
  private ceiling = 1;
  /** How many rows of the log have been replaced or are deletions: what compacting it would give back. */
  deadRows = 0;

  constructor(options: GroupCommitOptions<T>) {
    this.options = options;
  }

  /** Where the log ends and which ceiling it has; before the first write. */
  start(logged: number, ceiling: number): void {
    this.logged = logged;
    this.ceiling = ceiling;
  }

  add(write: T): void {
    this.gathering.push(write);
    this.wake();
  }

  /** Brings what was given before to the disk; resolves when it is there, or has failed. */
  async flush(): Promise<void> {
    // One batch may be on its way; what it has not taken in goes with the next one.
    for (let i = 0; i < 2; i++) {
      this.flushing ||= this.waiting.size > 0;
      this.wake();
      await this.underway;
    }
  }

  /** As flush, for the last time: gives back the revisions that were reserved and not used. */
  async finish(committed: number): Promise<void> {
    await this.flush();
    this.cancelTimer?.();
    if (this.ceiling > committed) await this.options.log.append([], (this.ceiling = committed));
  }

  private wake(): void {
    this.underway ??= Promise.resolve().then(() => this.run());
  }

  private async run(): Promise<void> {
    const batch = this.gathering;
    this.gathering = [];
    if (batch.length > 0 || this.flushing) await this.bring(batch);
    this.underway = undefined;
    if (this.gathering.length > 0 || this.flushing) this.wake();
  }

  private async bring(batch: readonly T[]): Promise<void> {
    if (!this.flushing && batch.every(({ lazy, record }) => lazy && record.revision < this.ceiling)) this.defer(batch);
    else {
      try {
        await this.write(batch);
      } catch (error) {
        this.flushing = false;
        return this.options.failed(error, [...batch, ...this.gathering.splice(0)]);
      }
    }
    this.options.committed(batch);
  }

  private defer(batch: readonly T[]): void {
    for (const { record } of batch) {
      const key = idInLog(record);
      const before = this.waiting.get(key);
      this.waiting.delete(key);
      this.waiting.set(key, before ? { ...record, replaces: before.replaces, time: record.time ?? before.time } : record);
    }
    const { clock, lazyDelay } = this.options;
    this.cancelTimer ??= clock.after(lazyDelay, () => void this.flush());
  }

  private write(batch: readonly T[]): Promise<void> {
    const records = [...this.waiting.values()];
    for (const { record } of batch) records.push(record);
    this.waiting.clear();
    this.flushing = false;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    for (let i = 0; i < records.length; i++) {
      const record = records[i];
      if (!record) continue;
      if (record.revision !== this.logged + 1) records[i] = { ...record, follows: this.logged };
      this.logged = record.revision;
      if (record.replaces > 0) this.deadRows++;
      if (record.text === undefined) this.deadRows++;
    }
    if (this.logged < this.ceiling || !batch.some(({ lazy }) => lazy)) return this.options.log.append(records);
    const ceiling = this.logged + reserve;
    return this.options.log.append(records, ceiling).then(() => {
      this.ceiling = ceiling;
    });
  }
}

/** What names the record's object among all. */
function idInLog({ key }: LogRecord): string {
  return `${key.resource}/${key.namespace}/${key.name}`;
}
