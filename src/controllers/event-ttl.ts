import { keyOf } from "../api/meta/object.ts";
import { parseTime } from "../api/meta/time.ts";
import type { Event } from "../api/types/core.v1.ts";
import { Events } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { ignoreMissing } from "./ownership.ts";

/** How long an event is kept after its last occurrence, in milliseconds. */
const lifetime = 3_600_000;
/** Events are removed in batches: one wake-up a minute at most. */
const coalesce = 60_000;
const only = "expired events";

/** When the event has last occurred, milliseconds since 1970. */
export function lastOccurrence(event: Event): number {
  const times = [event.lastTimestamp, event.series?.lastObservedTime, event.eventTime, event.metadata.creationTimestamp];
  return Math.max(0, ...times.map((time) => parseTime(time) ?? 0));
}

/** Forgets events after an hour. */
export const createEventTTL: ControllerFactory = ({ client, caches, clock }) => {
  const events = caches.of(Events);
  /** Since when each event is old, in the order of time: a change moves it to the end. */
  const expiry = new Map<string, number>();
  let armed = false;
  async function forget(key: string): Promise<void> {
    const { metadata } = events.byKey(key) ?? {};
    if (metadata)
      await client.delete(Events, metadata, { preconditions: { resourceVersion: metadata.resourceVersion } }).catch(ignoreMissing);
    expiry.delete(key);
  }
  return {
    name: "event-ttl",
    watches: [
      watch(events, (event) => {
        const key = keyOf(event);
        expiry.delete(key);
        if (events.byKey(key)) expiry.set(key, lastOccurrence(event) + lifetime);
        if (armed || expiry.size === 0) return [];
        armed = true;
        return [only];
      }),
    ],
    start() {
      for (const event of events.list().sort((a, b) => lastOccurrence(a) - lastOccurrence(b)))
        expiry.set(keyOf(event), lastOccurrence(event) + lifetime);
    },
    async reconcile() {
      const now = clock.now();
      const due = [...expiry].filter(([, time]) => time <= now).map(([key]) => key);
      // Together, so that the store makes one batch of many.
      while (due.length > 0) await Promise.all(due.splice(0, 200).map(forget));
      for (const [, time] of expiry) return Math.max(time - clock.now(), coalesce);
      armed = false;
    },
  };
};
