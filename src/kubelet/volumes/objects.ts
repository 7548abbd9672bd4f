import { key, type KubeObject } from "../../api/meta/object.ts";
import type { Resource } from "../../api/resource.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Transport, WatchEvent } from "../../client/transport.ts";

/**
 * The ConfigMaps and Secrets that this node's pods use, each kept current by a watch of its own: a node may read only what its pods
 * refer to, so that it cannot watch all of them.
 */
export class ReferencedObjects {
  private readonly entries = new Map<string, Entry>();
  private readonly transport: Transport;
  private readonly clock: Clock;
  private readonly changed: (podUid: string) => void;

  /** `changed` is called for each pod that uses an object that has changed, come or gone. */
  constructor(transport: Transport, clock: Clock, changed: (podUid: string) => void) {
    this.transport = transport;
    this.clock = clock;
    this.changed = changed;
  }

  /** The object as it is now; undefined when there is none. From now on that pod hears of its changes. Throws what the API says. */
  async get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string, podUid: string): Promise<T | undefined> {
    const id = `${resource.plural}/${key(namespace, name)}`;
    let entry = this.entries.get(id);
    if (!entry) {
      entry = new Entry(() => {
        for (const uid of entry?.users ?? []) this.changed(uid);
      });
      this.entries.set(id, entry);
      entry.follow(this.transport, this.clock, { resource, namespace, name });
    }
    entry.users.add(podUid);
    await entry.ready;
    return entry.object as T | undefined; // the watch is of this resource
  }

  /** The pod is gone: what no other pod uses is no longer watched. */
  release(podUid: string): void {
    for (const [id, entry] of this.entries) {
      if (!entry.users.delete(podUid) || entry.users.size > 0) continue;
      entry.stop();
      this.entries.delete(id);
    }
  }

  stop(): void {
    for (const entry of this.entries.values()) entry.stop();
    this.entries.clear();
  }
}

class Entry {
  readonly users = new Set<string>();
  object: KubeObject | undefined;
  /** Settles when it is known whether the object is there; anew after an error. */
  ready: Promise<void>;
  private settle: { resolve: () => void; reject: (error: unknown) => void } = { resolve: () => {}, reject: () => {} };
  private isSynced = false;
  private stopped = false;
  private end: () => void = () => {};
  private readonly notify: () => void;

  constructor(notify: () => void) {
    this.notify = notify;
    this.ready = this.pending();
  }

  private pending(): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => (this.settle = { resolve, reject }));
    promise.catch(() => {}); // whoever asks gets the error
    return promise;
  }

  follow(transport: Transport, clock: Clock, target: { resource: Resource<KubeObject>; namespace: string; name: string }): void {
    if (this.stopped) return;
    let seen: KubeObject | undefined;
    let started = false;
    const handler = {
      event: ({ type, object }: WatchEvent): void => {
        if (type === "BOOKMARK" || object.metadata.name !== target.name) return;
        seen = type === "DELETED" ? undefined : object;
        if (started) this.set(seen);
      },
      synced: (): void => {
        started = true;
        if (!this.isSynced) {
          this.isSynced = true;
          this.object = seen;
          this.settle.resolve();
        } else this.set(seen);
      },
      closed: (error: unknown): void => {
        if (!this.isSynced) {
          this.settle.reject(error ?? new Error(`watching ${target.resource.plural} "${target.name}" ended`));
          this.ready = this.pending();
        }
        this.end = clock.after(error ? 1000 : 50, () => this.follow(transport, clock, target));
      },
    };
    const { resource, namespace, name } = target;
    this.end = transport.watch({ resource, namespace }, handler, { fieldSelector: `metadata.name=${name}` });
  }

  private set(object: KubeObject | undefined): void {
    if (object?.metadata.resourceVersion === this.object?.metadata.resourceVersion) return;
    this.object = object;
    this.notify();
  }

  stop(): void {
    this.stopped = true;
    this.end();
  }
}
