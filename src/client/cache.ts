import type { KubeObject } from "../api/meta/object.ts";
import type { Resource } from "../api/resource.ts";

/** A change that a cache has seen. `object` is undefined for a delete, `old` for an add; never both. */
export interface Change<T> {
  object: T | undefined;
  old: T | undefined;
}

/** The objects of one resource, kept current by a watch. In the server's process they are the store's own objects, not copies. Never change them. */
export interface Cache<T> {
  readonly resource: Resource<T>;
  /** Resolves when everything that was there at the start has arrived. */
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  /** Whether everything up to that resourceVersion has arrived: what a writer asks before it trusts the cache again (see written.ts). */
  hasSeen(resourceVersion: string): boolean;
  get(namespace: string | undefined, name: string): T | undefined;
  /** By "namespace/name" or "name". */
  byKey(key: string): T | undefined;
  /** All, or those of one namespace. */
  list(namespace?: string): T[];
  /** Adds an index: the keys under which an object is found. Idempotent by name. */
  addIndex(name: string, keys: (object: T) => readonly string[]): void;
  /** The objects under that key of that index. Throws when there is no such index. */
  byIndex(name: string, key: string): T[];
  /** Calls for each object there now (as an add), then for each change. Returns how to end it. */
  onChange(handler: (change: Change<T>) => void): () => void;
}

/** Which objects a cache holds, and what of them. */
export interface CacheOptions<T> {
  fieldSelector?: string;
  /** What is kept of an object, with its metadata.uid and resourceVersion: for those who need little of very many. Gives a cache of their own. */
  reduce?: (object: T) => T;
}

/** The caches that all parts of one process share: one watch a resource, begun when first asked for. */
export interface Caches {
  of<T extends KubeObject>(resource: Resource<T>, options?: CacheOptions<T>): Cache<T>;
  /** Resolves when every cache asked for so far is synced. */
  synced(): Promise<void>;
  stop(): void;
}
