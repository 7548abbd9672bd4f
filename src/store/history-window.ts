import type { Clock } from "../lib/clock.ts";
import type { Store } from "./store.ts";

/**
 * Keeps history for a time: at each mark, everything before the previous mark is forgotten, so that any change can be
 * read back for at least `every` milliseconds (5 minutes, as upstream) and at most twice that. Touches no disk when
 * nothing has changed. `failed` hears why a compaction did not work; the next mark tries again. Returns how to end it.
 */
export function startHistory(store: Store, options: { clock: Clock; every?: number; failed?: (error: unknown) => void }): () => void {
  const { clock, every = 5 * 60_000, failed = () => {} } = options;
  let mark = store.revision;
  let cancel = clock.after(every, tick);
  function tick(): void {
    store.compact(mark).catch(failed);
    mark = store.revision;
    cancel = clock.after(every, tick);
  }
  return () => cancel();
}
