import { isReason } from "../api/errors.ts";
import type { KubeObject } from "../api/meta/object.ts";
import { now } from "../api/meta/time.ts";
import type { Event, ObjectReference } from "../api/types/core.v1.ts";
import { Events } from "../api/types/resources.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { Client } from "./client.ts";
import type { EventRecorder } from "./events.ts";

/** Who speaks: component is what `kubectl describe` shows under From ("deployment-controller"), host the node for a kubelet. */
export interface EventSource {
  component: string;
  host?: string;
}

/** The limits of upstream's event correlator: an object may cause 25 events at once, then one every 5 minutes. */
const limits = { burst: 25, refill: 300_000, similar: 10, window: 600_000, remembered: 4096, waiting: 1000 };

type Severity = "Normal" | "Warning";

interface Told {
  count: number;
  firstTimestamp: string;
  name: string;
}

/** An event recorder that writes core/v1 Events as that source. */
export function createEventRecorder(client: Client, clock: Clock, log: Logger, source: EventSource): EventRecorder {
  return new Recorder(client, clock, log, source);
}

/** Keeps the newest entries of a map. */
class Recent<V> {
  private readonly entries = new Map<string, V>();

  get(key: string): V | undefined {
    return this.entries.get(key);
  }

  set(key: string, value: V): V {
    this.entries.delete(key);
    this.entries.set(key, value);
    const [oldest] = this.entries.size > limits.remembered ? this.entries.keys() : [];
    if (oldest !== undefined) this.entries.delete(oldest);
    return value;
  }
}

class Recorder implements EventRecorder {
  private readonly client: Client;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly source: EventSource;
  private readonly buckets = new Recent<{ tokens: number; at: number }>();
  private readonly groups = new Recent<{ messages: Set<string>; at: number }>();
  private readonly told = new Recent<Told>();
  private writing: Promise<void> = Promise.resolve();
  private waiting = 0;
  private last = 0n;

  constructor(client: Client, clock: Clock, log: Logger, source: EventSource) {
    this.client = client;
    this.clock = clock;
    this.log = log;
    this.source = source;
  }

  event(object: KubeObject, type: Severity, reason: string, message: string, fieldPath?: string): void {
    const { namespace, name = "", uid, resourceVersion } = object.metadata;
    const involved: ObjectReference = {
      kind: object.kind,
      ...(namespace ? { namespace } : {}),
      name,
      ...(uid ? { uid } : {}),
      apiVersion: object.apiVersion,
      ...(resourceVersion ? { resourceVersion } : {}),
      ...(fieldPath ? { fieldPath } : {}),
    };
    const about = [object.kind, namespace, name, uid, fieldPath, type, reason].join("\n");
    if (this.waiting >= limits.waiting || !this.mayTell([object.kind, namespace, name, uid].join("\n"))) return;
    const combined = this.isFlood(about, message);
    const text = combined ? `(combined from similar events): ${message}` : message;
    const time = now(this.clock);
    this.waiting++;
    // One after the other: a count must not overtake the event that it counts.
    this.writing = this.writing
      .then(() => this.write(involved, { type, reason, message: text }, time, combined ? about : `${about}\n${message}`))
      .catch((error: unknown) => this.log.debug({ reason, name, error: String(error) }, "event lost"))
      .finally(() => this.waiting--);
  }

  /** A bucket of tokens for each object. */
  private mayTell(subject: string): boolean {
    const now = this.clock.now();
    const bucket = this.buckets.get(subject) ?? { tokens: limits.burst, at: now };
    const tokens = Math.min(limits.burst, bucket.tokens + (now - bucket.at) / limits.refill);
    this.buckets.set(subject, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    return tokens >= 1;
  }

  /** Whether more than ten events have differed only in their message within ten minutes. */
  private isFlood(about: string, message: string): boolean {
    const now = this.clock.now();
    let group = this.groups.get(about);
    if (!group || now - group.at > limits.window) group = { messages: new Set(), at: now };
    group.at = now;
    if (group.messages.size <= limits.similar) group.messages.add(message);
    this.groups.set(about, group);
    return group.messages.size > limits.similar;
  }

  private async write(
    involvedObject: ObjectReference,
    what: { type: Severity; reason: string; message: string },
    time: string,
    key: string,
  ): Promise<void> {
    const namespace = involvedObject.namespace ?? "default";
    const before = this.told.get(key);
    if (before) {
      const count = before.count + 1;
      try {
        const body = { count, lastTimestamp: time, message: what.message };
        await this.client.patch(Events, { namespace, name: before.name }, { type: "strategic", body });
        this.told.set(key, { ...before, count });
        return;
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
    }
    const count = (before?.count ?? 0) + 1;
    const firstTimestamp = before?.firstTimestamp ?? time;
    const name = `${involvedObject.name}.${this.stamp()}`;
    const event: Omit<Event, "metadata"> & { metadata: { name: string; namespace: string } } = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject,
      ...what,
      source: this.source.host ? { component: this.source.component, host: this.source.host } : { component: this.source.component },
      firstTimestamp,
      lastTimestamp: time,
      count,
      reportingComponent: this.source.component,
      reportingInstance: this.source.host ?? "",
    };
    await this.client.create(Events, event);
    this.told.set(key, { count, firstTimestamp, name });
  }

  /** Nanoseconds in hexadecimal, never the same twice: the end of an event's name. */
  private stamp(): string {
    const now = BigInt(Math.trunc(this.clock.now())) * 1_000_000n;
    this.last = now > this.last ? now : this.last + 1n;
    return this.last.toString(16);
  }
}
