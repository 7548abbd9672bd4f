import type { KubeObject } from "../api/meta/object.ts";
import type { Resource } from "../api/resource.ts";
import type { Cache, Change } from "./cache.ts";

type Handler<T> = (change: Change<T>) => void;

/** One "path=value" of a field selector; undefined for any other selector. */
export function singleField(selector: string): { path: string; value: string } | undefined {
  const [, path, value] = /^([\w.]+)==?([^=,!\\]+)$/.exec(selector) ?? [];
  return path !== undefined && value !== undefined ? { path, value } : undefined;
}

/**
 * The views of one field of a cache: an index, and one handler that finds those concerned by a change. A change costs the same
 * whether there is one view or five thousand (a simulated node's kubelet has one on pods and one on nodes).
 */
export class FieldViews<T extends KubeObject> {
  private readonly cache: Cache<T>;
  private readonly path: readonly string[];
  private readonly index: string;
  private readonly handlers = new Map<string, Set<Handler<T>>>();

  constructor(cache: Cache<T>, path: string) {
    this.cache = cache;
    this.path = path.split(".");
    this.index = `field ${path}`;
    cache.addIndex(this.index, (object) => [this.valueOf(object)]);
    cache.onChange((change) => this.change(change));
  }

  /** The objects whose field has that value, as if they had a cache of their own. */
  view(value: string): Cache<T> {
    return new FieldView(this.cache, {
      has: (object) => this.valueOf(object) === value,
      list: () => this.cache.byIndex(this.index, value),
      follow: (handler) => this.follow(value, handler),
    });
  }

  private valueOf(object: T): string {
    let at: unknown = object;
    for (const name of this.path) at = (at as Record<string, unknown> | undefined)?.[name]; // any object on the way, or nothing
    return typeof at === "string" ? at : "";
  }

  private follow(value: string, handler: Handler<T>): () => void {
    const handlers = this.handlers.get(value) ?? new Set();
    this.handlers.set(value, handlers.add(handler));
    return () => {
      if (handlers.delete(handler) && handlers.size === 0 && this.handlers.get(value) === handlers) this.handlers.delete(value);
    };
  }

  /** An object that gets another value leaves one view and comes into another. */
  private change({ object, old }: Change<T>): void {
    const before = old && this.valueOf(old);
    const after = object && this.valueOf(object);
    if (before === after) this.tell(after, { object, old });
    else {
      if (old) this.tell(before, { object: undefined, old });
      if (object) this.tell(after, { object, old: undefined });
    }
  }

  private tell(value: string | undefined, change: Change<T>): void {
    const handlers = this.handlers.get(value ?? "");
    if (handlers) for (const handler of handlers) handler(change);
  }
}

/** What a view asks of the views of its field. */
interface Selected<T> {
  has(object: T): boolean;
  list(): T[];
  follow(handler: Handler<T>): () => void;
}

class FieldView<T extends KubeObject> implements Cache<T> {
  private readonly cache: Cache<T>;
  private readonly selected: Selected<T>;

  constructor(cache: Cache<T>, selected: Selected<T>) {
    this.cache = cache;
    this.selected = selected;
  }

  get resource(): Resource<T> {
    return this.cache.resource;
  }

  get synced(): Promise<void> {
    return this.cache.synced;
  }

  get isSynced(): boolean {
    return this.cache.isSynced;
  }

  hasSeen(resourceVersion: string): boolean {
    return this.cache.hasSeen(resourceVersion);
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.own(this.cache.get(namespace, name));
  }

  byKey(key: string): T | undefined {
    return this.own(this.cache.byKey(key));
  }

  list(namespace?: string): T[] {
    const all = this.selected.list();
    return namespace ? all.filter((object) => object.metadata.namespace === namespace) : all;
  }

  addIndex(name: string, keys: (object: T) => readonly string[]): void {
    this.cache.addIndex(name, keys);
  }

  byIndex(name: string, key: string): T[] {
    return this.cache.byIndex(name, key).filter((object) => this.selected.has(object));
  }

  onChange(handler: Handler<T>): () => void {
    for (const object of this.selected.list()) handler({ object, old: undefined });
    // Each registration is its own, also when one function is registered twice.
    return this.selected.follow((change) => handler(change));
  }

  private own(object: T | undefined): T | undefined {
    return object && this.selected.has(object) ? object : undefined;
  }
}
