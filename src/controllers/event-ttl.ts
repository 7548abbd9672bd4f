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
/** How many are removed together, so that the store makes one batch of many. */
const atOnce = 200;

/** When the event has last occurred, milliseconds since 1970. */
export function lastOccurrence(event: Event): number {
  const times = [event.lastTimestamp, event.series?.lastObservedTime, event.eventTime, event.metadata.creationTimestamp];
  return Math.max(0, ...times.map((time) => parseTime(time) ?? 0));
}

const nobody = {};

/** What of an event tells when it is to go. */
function reduced({ apiVersion, kind, metadata, lastTimestamp, series, eventTime }: Event): Event {
  const { namespace, name, uid, resourceVersion, creationTimestamp } = metadata;
  return {
    ...{ apiVersion, kind, involvedObject: nobody },
    metadata: { namespace, name, uid, resourceVersion, creationTimestamp },
    ...(lastTimestamp ? { lastTimestamp } : {}),
    ...(series ? { series } : {}),
    ...(eventTime ? { eventTime } : {}),
  };
}

/** Forgets events after an hour, and the oldest earlier when there are too many. */
export function eventTTL(most = 100_000): ControllerFactory {
  return ({ client, caches, clock }) => {
    const events = caches.of(Events, { reduce: reduced });
    /** Since when each event is old, in the order of time: a change moves it to the end. */
    const expiry = new Map<string, number>();
    let armed = false;

    async function forget(key: string): Promise<void> {
      const event = events.byKey(key);
      if (event) {
        const preconditions = { resourceVersion: event.metadata.resourceVersion };
        await client.delete(Events, event.metadata, { preconditions }).catch(ignoreMissing);
      }
      expiry.delete(key);
    }

    return {
      name: "event-ttl",
      watches: [
        watch(events, (event) => {
          const key = keyOf(event);
          expiry.delete(key);
          if (events.byKey(key)) expiry.set(key, lastOccurrence(event) + lifetime);
          if (expiry.size <= most && (armed || expiry.size === 0)) return [];
          armed = true;
          return [only];
        }),
      ],
      start() {
        for (const event of events.list().sort((a, b) => lastOccurrence(a) - lastOccurrence(b)))
          expiry.set(keyOf(event), lastOccurrence(event) + lifetime);
      },
      async reconcile() {
        const batch: Promise<void>[] = [];
        let surplus = expiry.size - most;
        for (const [key, time] of expiry) {
          const left = time - clock.now();
          if (left > 0 && surplus-- <= 0) {
            await Promise.all(batch);
            return Math.max(left, coalesce);
          }
          if (batch.push(forget(key)) >= atOnce) await Promise.all(batch.splice(0));
        }
        await Promise.all(batch);
        armed = false;
      },
    };
  };
}
