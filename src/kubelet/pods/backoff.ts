/** How long something that keeps failing is left alone: milliseconds. */
export interface BackoffLimits {
  first: number;
  last: number;
}

/** Restarts of containers, and pulls of images: 10 s, doubling to 5 minutes; forgotten after 10 minutes without failure. */
export const restartBackoff: BackoffLimits = { first: 10_000, last: 300_000 };

interface Entry {
  delay: number;
  /** When the delay was last used. */
  at: number;
}

/** Delays by key: each failure doubles its key's one. Times in milliseconds since 1970. */
export class Backoff {
  private readonly entries = new Map<string, Entry>();
  private readonly limits: BackoffLimits;

  constructor(limits: BackoffLimits = restartBackoff) {
    this.limits = limits;
  }

  /** Milliseconds still to wait after a failure at that time; 0 when the next attempt may begin. */
  remaining(key: string, failedAt: number, now: number): number {
    const entry = this.current(key, failedAt);
    return entry ? Math.max(failedAt + entry.delay - now, 0) : 0;
  }

  /** The delay that holds now: for messages. */
  delay(key: string): number {
    return this.entries.get(key)?.delay ?? 0;
  }

  /** Notes that an attempt begins, after a failure at that time: the next failure waits for longer. */
  next(key: string, failedAt: number): void {
    const entry = this.current(key, failedAt);
    this.entries.set(key, { delay: entry ? Math.min(entry.delay * 2, this.limits.last) : this.limits.first, at: failedAt });
  }

  /** Forgets all keys that begin so. */
  forget(prefix: string): void {
    for (const key of this.entries.keys()) if (key.startsWith(prefix)) this.entries.delete(key);
  }

  private current(key: string, failedAt: number): Entry | undefined {
    const entry = this.entries.get(key);
    return entry && failedAt - entry.at <= this.limits.last * 2 ? entry : undefined;
  }
}
