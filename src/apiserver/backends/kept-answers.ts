import { hash } from "node:crypto";
import { BoundedMap } from "../../lib/bounded-map.ts";
import type { Clock } from "../../lib/clock.ts";

/** Answers of servers outside, kept for a while. A question that is under way is not asked twice. */
export class KeptAnswers<T> {
  private readonly clock: Clock;
  private readonly kept: BoundedMap<string, { value: T; until: number }>;
  private readonly underWay = new Map<string, Promise<T>>();

  constructor(clock: Clock, limit: number) {
    this.clock = clock;
    this.kept = new BoundedMap(limit);
  }

  /** The answer kept for the question, else that of `ask`; it is kept for the milliseconds that `keepFor` says. */
  get(question: string, ask: () => Promise<T>, keepFor: (value: T) => number): Promise<T> | T {
    // Questions hold tokens: those are not kept in memory.
    const key = hash("sha256", question, "base64");
    const known = this.kept.get(key);
    if (known && this.clock.now() < known.until) return known.value;
    const running = this.underWay.get(key);
    if (running) return running;
    const asked = (async () => {
      try {
        const value = await ask();
        const milliseconds = keepFor(value);
        if (milliseconds > 0) this.kept.set(key, { value, until: this.clock.now() + milliseconds });
        return value;
      } finally {
        this.underWay.delete(key);
      }
    })();
    this.underWay.set(key, asked);
    return asked;
  }
}
