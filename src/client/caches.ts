import { StatusError } from "../api/errors.ts";
import { key, type KubeObject, splitKey } from "../api/meta/object.ts";
import type { Resource } from "../api/resource.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { Cache, CacheOptions, Caches, Change } from "./cache.ts";
import { FieldViews, singleField } from "./field-view.ts";
import type { Transport, WatchEvent } from "./transport.ts";

/** Waits before a broken watch is begun anew, in milliseconds: doubles from the first to the last, back to the first after a watch that held. */
const backoff = { first: 100, last: 30_000, held: 5_000 };

/**
 * The caches of a process: one watch for each resource (and field selector), begun when first asked for. Where the whole resource is
 * watched already, a selection by one field is a view of that.
 */
export function createCaches(transport: Transport, clock: Clock, log: Logger): Caches {
  const caches = new Map<string, WatchedCache<KubeObject>>();
  const views = new Map<string, FieldViews<KubeObject>>();
  function viewOf(whole: Cache<KubeObject>, id: string, { path, value }: { path: string; value: string }): Cache<KubeObject> {
    let fields = views.get(`${id}${path}`);
    if (!fields) views.set(`${id}${path}`, (fields = new FieldViews(whole, path)));
    return fields.view(value);
  }
  return {
    of<T extends KubeObject>(resource: Resource<T>, { fieldSelector = "", reduce }: CacheOptions<T> = {}): Cache<T> {
      const whole = `${resource.groupVersion}/${resource.plural}?`;
      const id = `${whole}${fieldSelector}${reduce ? " reduced" : ""}`;
      let cache: Cache<KubeObject> | undefined = caches.get(id);
      if (!cache) {
        const all = caches.get(whole);
        const field = singleField(fieldSelector);
        if (all && field && !reduce) cache = viewOf(all, whole, field);
        else {
          const watched = new WatchedCache<KubeObject>(resource, fieldSelector, {
            ...{ transport, clock, log },
            // The resource is that of the function's objects.
            ...(reduce ? { reduce: reduce as unknown as (object: KubeObject) => KubeObject } : {}),
          });
          caches.set(id, (cache = watched));
        }
      }
      // The resource is part of the id, so what is found under it holds objects of its type.
      return cache as unknown as Cache<T>;
    },
    async synced() {
      await Promise.all([...caches.values()].map((cache) => cache.synced));
    },
    stop() {
      for (const cache of caches.values()) cache.stop();
    },
  };
}

interface Index<T> {
  keys: (object: T) => readonly string[];
  /** Most keys have one object only: a set for each would take more memory than all else that is kept of it here. */
  entries: Map<string, T | Set<T>>;
}

interface Environment {
  reduce?: (object: KubeObject) => KubeObject;
  transport: Transport;
  clock: Clock;
  log: Logger;
}

/** The objects in memory: by namespace and name, and by index. Knows nothing of watches. */
class Objects<T extends KubeObject> {
  private readonly byNamespace = new Map<string, Map<string, T>>();
  private readonly indexes = new Map<string, Index<T>>();

  get(namespace: string, name: string): T | undefined {
    return this.byNamespace.get(namespace)?.get(name);
  }

  list(namespace?: string): T[] {
    if (namespace !== undefined && namespace !== "") return [...(this.byNamespace.get(namespace)?.values() ?? [])];
    const all: T[] = [];
    for (const objects of this.byNamespace.values()) for (const object of objects.values()) all.push(object);
    return all;
  }

  /** Puts `object` in the place of `old`; either may be missing, and both have the same name. */
  replace(old: T | undefined, object: T | undefined): void {
    const { namespace = "", name = "" } = (object ?? old)?.metadata ?? {};
    let objects = this.byNamespace.get(namespace);
    if (object) {
      if (!objects) this.byNamespace.set(namespace, (objects = new Map()));
      objects.set(name, object);
    } else if (objects?.delete(name) && objects.size === 0) this.byNamespace.delete(namespace);
    for (const index of this.indexes.values()) {
      if (old) remove(index, old);
      if (object) insert(index, object);
    }
  }

  addIndex(name: string, keys: Index<T>["keys"]): void {
    if (this.indexes.has(name)) return;
    const index: Index<T> = { keys, entries: new Map() };
    this.indexes.set(name, index);
    for (const object of this.list()) insert(index, object);
  }

  byIndex(name: string, key: string): T[] {
    const index = this.indexes.get(name);
    if (!index) throw new Error(`there is no index ${name}`);
    const entry = index.entries.get(key);
    return entry instanceof Set ? [...entry] : entry ? [entry] : [];
  }
}

function insert<T extends object>(index: Index<T>, object: T): void {
  for (const key of index.keys(object)) {
    const entry = index.entries.get(key);
    if (entry instanceof Set) entry.add(object);
    else index.entries.set(key, entry && entry !== object ? new Set([entry, object]) : object);
  }
}

function remove<T extends object>(index: Index<T>, object: T): void {
  for (const key of index.keys(object)) {
    const entry = index.entries.get(key);
    if (entry === object || (entry instanceof Set && entry.delete(object) && entry.size === 0)) index.entries.delete(key);
  }
}

/**
 * A cache and the watch that feeds it. A watch that ends is resumed from the last revision seen; when that is too old (410), or before
 * the first sync, it starts over: everything is delivered again, and what did not come again has been deleted meanwhile.
 */
class WatchedCache<T extends KubeObject> implements Cache<T> {
  readonly resource: Resource<T>;
  readonly synced: Promise<void>;
  isSynced = false;
  private readonly fieldSelector: string;
  private readonly environment: Environment;
  private readonly objects = new Objects<T>();
  private readonly handlers = new Set<(change: Change<T>) => void>();
  private resolveSynced: () => void = () => {};
  private revision = 0n;
  /** The newest revision among the initial events. */
  private startRevision = 0n;
  /** Keys delivered since a start over; undefined while changes stream in. */
  private delivered: Set<string> | undefined;
  private stopped = false;
  private endWatch: () => void = () => {};
  private delay = backoff.first;

  constructor(resource: Resource<T>, fieldSelector: string, environment: Environment) {
    this.resource = resource;
    this.fieldSelector = fieldSelector;
    this.environment = environment;
    this.synced = new Promise((resolve) => (this.resolveSynced = resolve));
    this.watch(true);
  }

  hasSeen(resourceVersion: string): boolean {
    return this.revision >= toRevision(resourceVersion);
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.objects.get(namespace ?? "", name);
  }

  byKey(objectKey: string): T | undefined {
    const { namespace, name } = splitKey(objectKey);
    return this.objects.get(namespace, name);
  }

  list(namespace?: string): T[] {
    return this.objects.list(namespace);
  }

  addIndex(name: string, keys: (object: T) => readonly string[]): void {
    this.objects.addIndex(name, keys);
  }

  byIndex(name: string, indexKey: string): T[] {
    return this.objects.byIndex(name, indexKey);
  }

  onChange(handler: (change: Change<T>) => void): () => void {
    for (const object of this.objects.list()) this.tell(handler, { object, old: undefined });
    // Each registration is its own, also when one function is registered twice.
    const own = (change: Change<T>): void => handler(change);
    this.handlers.add(own);
    return () => this.handlers.delete(own);
  }

  stop(): void {
    this.stopped = true;
    this.endWatch();
  }

  private watch(startOver: boolean): void {
    if (this.stopped) return;
    const { transport, clock } = this.environment;
    const begun = clock.now();
    let over = false;
    this.delivered = startOver ? new Set() : undefined;
    const stop = transport.watch(
      { resource: this.resource },
      {
        event: (event) => this.receive(event),
        synced: () => this.finishStart(),
        closed: (error) => {
          over = true;
          if (clock.now() - begun >= backoff.held) this.delay = backoff.first;
          this.resume(error);
        },
      },
      {
        ...(this.fieldSelector ? { fieldSelector: this.fieldSelector } : {}),
        ...(startOver ? {} : { resourceVersion: String(this.revision) }),
      },
    );
    if (!over) this.endWatch = stop;
    if (this.stopped) stop();
  }

  private resume(error: unknown): void {
    if (this.stopped) return;
    const { clock, log } = this.environment;
    const tooOld = error instanceof StatusError && error.code === 410;
    const startOver = tooOld || this.delivered !== undefined || !this.isSynced;
    if (error && !tooOld)
      log.warn({ resource: this.resource.plural, error: String(error), again: this.delay }, "watch failed, it is begun again");
    this.endWatch = clock.after(error && !tooOld ? this.delay : 0, () => this.watch(startOver));
    if (error) this.delay = Math.min(this.delay * 2, backoff.last);
  }

  private receive({ type, object: received }: WatchEvent): void {
    const { reduce } = this.environment;
    const object = reduce && type !== "BOOKMARK" ? reduce(received) : received;
    const revision = toRevision(object.metadata.resourceVersion);
    if (type === "BOOKMARK") {
      this.advance(revision);
      return;
    }
    const { namespace, name = "" } = object.metadata;
    this.delivered?.add(key(namespace, name));
    const old = this.get(namespace, name);
    // Initial events come in no order of revisions: only a bookmark or the end of the start says how far the cache is.
    if (!this.delivered) this.advance(revision);
    else if (revision > this.startRevision) this.startRevision = revision;
    if (type === "DELETED") this.change(old, undefined, object);
    else if (old && old.metadata.uid !== object.metadata.uid) {
      this.change(old, undefined, old);
      this.change(undefined, object as T, object);
    } else if (old?.metadata.resourceVersion !== object.metadata.resourceVersion) this.change(old, object as T, object);
  }

  private advance(revision: bigint): void {
    if (revision > this.revision) this.revision = revision;
  }

  private finishStart(): void {
    const { delivered } = this;
    if (!delivered) return;
    this.delivered = undefined;
    this.advance(this.startRevision);
    for (const object of this.objects.list())
      if (!delivered.has(key(object.metadata.namespace, object.metadata.name ?? ""))) this.change(object, undefined, object);
    this.delay = backoff.first;
    this.isSynced = true;
    this.resolveSynced();
  }

  /** `last` is the state that handlers are told of a deleted object: newer than the cached one where the server sent it. */
  private change(old: T | undefined, object: T | undefined, last: KubeObject): void {
    if (!old && !object) return;
    this.objects.replace(old, object);
    const change: Change<T> = { object, old: object ? old : (last as T) };
    for (const handler of this.handlers) this.tell(handler, change);
  }

  private tell(handler: (change: Change<T>) => void, change: Change<T>): void {
    try {
      handler(change);
    } catch (error) {
      this.environment.log.error({ resource: this.resource.plural, error }, "a handler of cache changes threw");
    }
  }
}

function toRevision(resourceVersion: string | undefined): bigint {
  return resourceVersion && /^\d+$/.test(resourceVersion) ? BigInt(resourceVersion) : 0n;
}
