import type { KubeObject } from "../api/meta/object.ts";
import type { Clock } from "../lib/clock.ts";
import type { Cache } from "./cache.ts";

/** How long a write may stay unseen before it no longer holds anybody up, in milliseconds: its watch has broken, and reconcile is level-triggered. */
const patience = 30_000;

interface Write {
  at: number;
  seen: () => boolean;
}

/**
 * Read your own writes. A controller that has just created a pod must not reconcile again on a cache that does not show the pod yet: it
 * would create another one. So reconcile notes what it writes for a key, and begins with
 *
 *     const wait = written.behind(key);
 *     if (wait) return wait;
 *
 * The event that brings the write into the cache wakes the key anyway, so that nothing is lost by returning. This is what upstream's
 * expectations do, without counting: a cache has seen a write when it has seen its resourceVersion.
 */
export class Written {
  private readonly clock: Clock;
  private readonly writes = new Map<string, Write[]>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Notes that `object` came back from a create, update or patch made for that key. */
  wrote<T extends KubeObject>(key: string, cache: Cache<T>, object: T): void {
    const { resourceVersion = "" } = object.metadata;
    this.note(key, () => cache.hasSeen(resourceVersion));
  }

  /** Notes that `object` was deleted for that key: seen when it is gone or marked as being deleted. */
  deleted<T extends KubeObject>(key: string, cache: Cache<T>, object: T): void {
    const { namespace, name = "", uid } = object.metadata;
    this.note(key, () => {
      const now = cache.get(namespace, name)?.metadata;
      return !now || now.uid !== uid || now.deletionTimestamp !== undefined;
    });
  }

  /** Milliseconds after which to look again at the latest when the caches do not show all writes of that key; undefined when they do. */
  behind(key: string): number | undefined {
    const writes = this.writes.get(key);
    if (!writes) return undefined;
    const now = this.clock.now();
    // The newest first: while that is unseen, the hundreds before it need not be asked.
    for (let write = writes.at(-1); write; write = writes.at(-1)) {
      if (now - write.at < patience && !write.seen()) return Math.max(1, write.at + patience - now);
      writes.pop();
    }
    this.writes.delete(key);
    return undefined;
  }

  private note(key: string, seen: () => boolean): void {
    if (seen()) return;
    const writes = this.writes.get(key);
    const write = { at: this.clock.now(), seen };
    if (writes) writes.push(write);
    else this.writes.set(key, [write]);
  }
}
