import type { Clock } from "../../lib/clock.ts";

/** Bookmarks come about this often to those who asked for them. */
const interval = 60_000;

/** One timer for the bookmarks of all watches; none while nobody watches. */
export class Bookmarks {
  private readonly clock: Clock;
  private readonly watches = new Set<() => void>();
  private cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Calls about once a minute until the returned function is called. */
  add(send: () => void): () => void {
    this.watches.add(send);
    this.cancel ??= this.clock.after(interval, () => this.fire());
    return () => {
      this.watches.delete(send);
      if (this.watches.size > 0) return;
      this.cancel?.();
      this.cancel = undefined;
    };
  }

  private fire(): void {
    this.cancel = this.clock.after(interval, () => this.fire());
    for (const send of [...this.watches]) send();
  }
}
