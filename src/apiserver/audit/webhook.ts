import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { RemoteService } from "../backends/remote-service.ts";
import type { AuditEvent, Sink } from "./event.ts";

/** How events are gathered. */
export interface BatchOptions {
  /** So many events are sent at once. */
  maxSize: number;
  /** Milliseconds after which fewer are. */
  maxWait: number;
  clock: Clock;
  log: Logger;
}

/** So many events wait for a webhook that is slow; what comes then is dropped. */
const bufferSize = 10_000;

/** Sends events to a webhook as EventLists, one list after the other. A list that the service gives up on is dropped, which the log says. */
export function webhookSink(service: Pick<RemoteService, "ask" | "close">, { maxSize, maxWait, clock, log }: BatchOptions): Sink {
  const waiting: AuditEvent[] = [];
  let dropped = 0;
  let cancel: (() => void) | undefined;
  let sending: Promise<void> | undefined;
  const send = async (): Promise<void> => {
    while (waiting.length > 0) {
      const items = waiting.splice(0, maxSize);
      await service.ask({ kind: "EventList", apiVersion: "audit.k8s.io/v1", metadata: {}, items }).catch((error: unknown) => {
        log.error({ events: items.length, error: String(error) }, "the audit webhook did not take events");
      });
      if (dropped > 0) log.error({ events: dropped }, "audit events were dropped: the webhook is too slow");
      dropped = 0;
      if (waiting.length < maxSize && cancel) break;
    }
    sending = undefined;
  };
  const flush = (): Promise<void> => {
    cancel?.();
    cancel = undefined;
    return (sending ??= send());
  };
  return {
    write(event) {
      if (waiting.length >= bufferSize) {
        dropped++;
        return;
      }
      waiting.push(event);
      if (waiting.length >= maxSize) void flush();
      else cancel ??= clock.after(maxWait, () => void flush());
    },
    async close() {
      await flush();
      service.close();
    },
  };
}
