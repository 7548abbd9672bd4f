import type { Clock } from "../../lib/clock.ts";

/** Milliseconds. A watcher that was just told something hears what follows together, after this long. */
const beat = 10;

/** Something that has data to send now and then. */
export interface Paced {
  /** Sends what there is; says whether there was anything. */
  flush(): boolean;
}

/**
 * When watchers are written to: at the end of the turn in which something comes, so that what one commit brings goes out in one piece;
 * and those that were written to a moment ago together at the next beat. No timer runs while all is quiet.
 */
export class WatchPace {
  private readonly clock: Clock;
  private due: Paced[] = [];
  private recent: Paced[] = [];
  private readonly known = new Set<Paced>();
  private beating = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Has it flushed soon: it has something to send. */
  wake(stream: Paced): void {
    if (this.known.has(stream)) return;
    this.known.add(stream);
    if (this.due.push(stream) === 1) process.nextTick(() => this.turn());
  }

  private turn(): void {
    const streams = this.due;
    this.due = [];
    this.flush(streams);
  }

  private flush(streams: readonly Paced[]): void {
    for (const stream of streams)
      if (stream.flush()) this.recent.push(stream);
      else this.known.delete(stream);
    if (this.beating || this.recent.length === 0) return;
    this.beating = true;
    this.clock.after(beat, () => {
      this.beating = false;
      const streams = this.recent;
      this.recent = [];
      this.flush(streams);
    });
  }
}
