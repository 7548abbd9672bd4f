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

/** One event that has been told, or is about to be. */
interface Told {
  message: string;
  /** How often; 0 before it is written. */
  count: number;
  firstTimestamp: string;
  name: string;
  epoch: number;
  /** Settles when what was told before is written: a count must not overtake the event that it counts. */
  writing: Promise<void>;
}

/** The events of one type and reason about one object. */
interface Group {
  at: number;
  /** Counts the times of silence, after which a flood is over, and the messages since the last one. */
  epoch: number;
  distinct: number;
  told: Told[];
  combined: Told | undefined;
}

/** Keeps the newest entries of a map. */
class Recent<V> {
  private readonly entries = new Map<string, V>();
  private readonly remembered: number;

  constructor(remembered: number) {
    this.remembered = remembered;
  }

  get(key: string): V | undefined {
    return this.entries.get(key);
  }

  set(key: string, value: V): V {
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > this.remembered)
      for (const oldest of this.entries.keys()) {
        this.entries.delete(oldest);
        break;
      }
    return value;
  }
}

/** What recorders remember of the events that they have told. Those of thousands of simulated nodes share one. */
export class EventMemory {
  readonly buckets: Recent<{ tokens: number; at: number }>;
  readonly groups: Recent<Group>;

  constructor(remembered = limits.remembered) {
    this.buckets = new Recent(remembered);
    this.groups = new Recent(remembered);
  }
}

/** An event recorder that writes core/v1 Events as that source. */
export function createEventRecorder(
  client: Client,
  clock: Clock,
  log: Logger,
  source: EventSource,
  memory: EventMemory = new EventMemory(),
): EventRecorder {
  return new Recorder({ client, clock, log, source, memory });
}

interface RecorderOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  source: EventSource;
  memory: EventMemory;
}

class Recorder implements EventRecorder {
  private readonly options: RecorderOptions;
  private waiting = 0;
  private last = 0n;

  constructor(options: RecorderOptions) {
    this.options = options;
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
    const { clock, log } = this.options;
    if (this.waiting >= limits.waiting || !this.mayTell([object.kind, namespace, name, uid].join("\n"))) return;
    const told = this.toldOf([object.kind, namespace, name, uid, fieldPath, type, reason].join("\n"), message);
    const text = told.message === message ? message : `(combined from similar events): ${message}`;
    const time = now(clock);
    this.waiting++;
    told.writing = told.writing
      .then(() => this.write(involved, { type, reason, message: text }, time, told))
      .catch((error: unknown) => log.debug({ reason, name, error: String(error) }, "event lost"))
      .finally(() => this.waiting--);
  }

  /** A bucket of tokens for each object. */
  private mayTell(subject: string): boolean {
    const { buckets } = this.options.memory;
    const now = this.options.clock.now();
    const bucket = buckets.get(subject) ?? { tokens: limits.burst, at: now };
    const tokens = Math.min(limits.burst, bucket.tokens + (now - bucket.at) / limits.refill);
    buckets.set(subject, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    return tokens >= 1;
  }

  /** The event that this one counts with. When more than ten have differed only in their message within ten minutes, they become one. */
  private toldOf(about: string, message: string): Told {
    const { groups } = this.options.memory;
    const now = this.options.clock.now();
    const group: Group = groups.get(about) ?? { at: now, epoch: 0, distinct: 0, told: [], combined: undefined };
    groups.set(about, group);
    if (now - group.at > limits.window) {
      group.epoch++;
      group.distinct = 0;
    }
    group.at = now;
    const made = (): Told => ({ message, count: 0, firstTimestamp: "", name: "", epoch: -1, writing: Promise.resolve() });
    const known = group.told.find((told) => told.message === message);
    const told = known ?? made();
    if (told.epoch !== group.epoch && group.distinct <= limits.similar) {
      group.distinct++;
      told.epoch = group.epoch;
    }
    if (group.distinct > limits.similar) return (group.combined ??= { ...made(), message: "" });
    if (!known && group.told.push(told) > 2 * limits.similar) group.told.shift();
    return told;
  }

  private async write(
    involvedObject: ObjectReference,
    what: { type: Severity; reason: string; message: string },
    time: string,
    told: Told,
  ): Promise<void> {
    const { client, source } = this.options;
    const namespace = involvedObject.namespace ?? "default";
    const count = told.count + 1;
    if (told.count > 0) {
      try {
        const body = { count, lastTimestamp: time, message: what.message };
        await client.patch(Events, { namespace, name: told.name }, { type: "strategic", body });
        told.count = count;
        return;
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
    }
    const firstTimestamp = told.firstTimestamp || time;
    const event: Omit<Event, "metadata"> = {
      apiVersion: "v1",
      kind: "Event",
      involvedObject,
      ...what,
      source: source.host ? { component: source.component, host: source.host } : { component: source.component },
      firstTimestamp,
      lastTimestamp: time,
      count,
      reportingComponent: source.component,
      reportingInstance: source.host ?? "",
    };
    for (;;) {
      const name = `${involvedObject.name}.${this.stamp()}`;
      try {
        await client.create(Events, { ...event, metadata: { name, namespace } });
        Object.assign(told, { count, firstTimestamp, name });
        return;
      } catch (error) {
        // Another source may have told of the object in the same millisecond.
        if (!isReason(error, "AlreadyExists")) throw error;
      }
    }
  }

  /** Nanoseconds in hexadecimal, never the same twice: the end of an event's name. */
  private stamp(): string {
    const now = BigInt(Math.trunc(this.options.clock.now())) * 1_000_000n;
    this.last = now > this.last ? now : this.last + 1n;
    return this.last.toString(16);
  }
}
