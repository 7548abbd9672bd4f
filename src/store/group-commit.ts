import type { Log, LogRecord } from "./log.ts";

/**
 * Brings records to the log in batches: the records of one turn of the event loop go together; while one batch is on its
 * way the next one gathers. One fsync serves a whole batch.
 */
export class GroupCommit<T extends { readonly record: LogRecord }> {
  private readonly log: Log;
  private readonly committed: (batch: readonly T[]) => void;
  private readonly failed: (error: unknown, lost: readonly T[]) => void;
  private gathering: T[] = [];
  private underway: Promise<void> | undefined;

  /** `committed` is called with each batch that is durable, in order; `failed` once, with all that is lost, and nothing after it. */
  constructor(log: Log, committed: (batch: readonly T[]) => void, failed: (error: unknown, lost: readonly T[]) => void) {
    this.log = log;
    this.committed = committed;
    this.failed = failed;
  }

  add(write: T): void {
    this.gathering.push(write);
    this.underway ??= Promise.resolve().then(() => this.run());
  }

  /** Resolves when nothing is on its way any more, whether written or failed. */
  async idle(): Promise<void> {
    while (this.underway) await this.underway;
  }

  private async run(): Promise<void> {
    while (this.gathering.length > 0) {
      const batch = this.gathering;
      this.gathering = [];
      try {
        await this.log.append(batch.map((write) => write.record));
      } catch (error) {
        this.failed(error, [...batch, ...this.gathering.splice(0)]);
        break;
      }
      this.committed(batch);
    }
    this.underway = undefined;
  }
}
