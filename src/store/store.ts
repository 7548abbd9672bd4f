import type { ManagedFields } from "../api/meta/apply/managed-fields.ts";
import type { KubeObject } from "../api/meta/object.ts";
import type { Past } from "./past.ts";

/** Where an object lives: resource is "group/plural" ("/pods", "apps/deployments"), namespace "" outside namespaces. */
export interface Key {
  resource: string;
  namespace: string;
  name: string;
}

/** One object at one revision. Never changes: a later state is another StoredObject. */
export interface StoredObject {
  readonly key: Key;
  /** The revision of the write that made it: its metadata.resourceVersion. */
  readonly revision: number;
  /** Its JSON text, metadata.resourceVersion and managedFields included. */
  readonly text: string;
  /** Who owns which of its fields. */
  readonly managed?: ManagedFields | undefined;
  /** Its parsed, deep-frozen form, without managedFields: made when first asked for, then shared by everybody. */
  readonly object: Readonly<KubeObject>;
}

/** A create, update or delete on its way. */
export interface Write {
  key: Key;
  /**
   * What must be there now, checked against the newest state including writes still on their way to the disk:
   * a revision, or 0 for "nothing is there". Otherwise the write fails with a PreconditionFailed.
   */
  expect: number;
  /** The new state, or undefined to delete. metadata.resourceVersion is set by the store. The caller gives the object away. */
  object: KubeObject | undefined;
  /** Who owns which of its fields; what the object's own metadata says of that is left out. */
  managed?: ManagedFields | undefined;
}

/** The newest state is not what the write expected; `current` is what is there. */
export class PreconditionFailed extends Error {
  readonly current: StoredObject | undefined;

  constructor(key: Key, current: StoredObject | undefined) {
    super(`${key.resource} ${key.namespace}/${key.name} is at revision ${current?.revision ?? 0}`);
    this.current = current;
  }
}

/** The revision asked for is older than the history kept, or was lost in a crash; `oldest`: the next one that is known. */
export class Compacted extends Error {
  readonly oldest: number;

  constructor(revision: number, oldest: number) {
    super(`revision ${revision} has been compacted; the oldest is ${oldest}`);
    this.oldest = oldest;
  }
}

/**
 * The store cannot go on: the disk is full or broken, another process has the file, the file is damaged or not ours.
 * The message is one sentence that says what happened and what to do. Nothing that was acknowledged is lost; reads go on.
 */
export class StoreFailed extends Error {}

/** What to list. */
export interface ListQuery {
  resource: string;
  /** Undefined: all namespaces. */
  namespace?: string;
  /** Only keys after this one, in the order of "namespace/name": where a page goes on. */
  after?: { namespace: string; name: string };
  /** At most that many matching objects. */
  limit?: number;
  /** The state at that revision; undefined: the newest committed one. Throws Compacted when too old. */
  revision?: number;
  /** Counted towards the limit only when it says yes. */
  match?: ((object: StoredObject) => boolean) | undefined;
  /** A label that all have for which match says yes: an index may find them. */
  label?: { key: string; value: string } | undefined;
}

/** Objects in the order of "namespace/name", as in etcd: all of a namespace side by side. */
export interface ListResult {
  objects: StoredObject[];
  /** The revision that the list shows. */
  revision: number;
  /** How many matching objects come after the last one. */
  remaining: number;
}

/** One committed change. */
export interface StoreEvent {
  type: "ADDED" | "MODIFIED" | "DELETED";
  /** The new state; for DELETED the last state, carrying the deletion's revision. */
  object: StoredObject;
  /** The state before, for ADDED undefined. */
  previous: StoredObject | undefined;
}

/** A running watch. */
export interface StoreWatch {
  /** No event is delivered after this returns. */
  stop(): void;
}

/** What answers gets and lists. */
export type Reads = Pick<Store, "revision" | "get" | "list">;

/** The store: a log of revisions, and an index of the newest states in memory. Reads are synchronous; writes are durable when they resolve, unless lazy. */
export interface Store {
  /** The newest committed revision; 1 for a new store, as in etcd. */
  readonly revision: number;
  /** The oldest revision that list and watch can go back to. */
  readonly oldestRevision: number;
  /** What the disk has been asked for since the store was opened. */
  readonly counts: { readonly batches: number; readonly syncs: number };
  /** Why nothing can be written any more; undefined while all is well. */
  readonly failure: StoreFailed | undefined;
  /** The cluster at past moments. */
  readonly past: Past;
  /** The newest committed state. */
  get(key: Key): StoredObject | undefined;
  /** The newest state, including writes still on their way to the disk: what the next write's `expect` is checked against. */
  latest(key: Key): StoredObject | undefined;
  list(query: ListQuery): ListResult;
  /** How many objects of the resource there are. */
  count(resource: string): number;
  /** Whether the disk holds it in another form than it would be written in now: unencrypted, or with a key that is not the first any more. */
  isStale(object: StoredObject): boolean;
  /**
   * Checks the expectation and takes the revision at once (throws PreconditionFailed synchronously), resolves after the fsync;
   * a lazy write (see StoreOptions) as soon as everything before it is done.
   * Resolves to the new state; for a delete, to the last state carrying the deletion's revision.
   * Throws or rejects with StoreFailed when the disk does not take it.
   */
  write(write: Write): Promise<StoredObject>;
  /**
   * Every committed change after `from` of the resource (undefined: of all), in order, each once. Old ones are delivered before this
   * returns. Handlers run synchronously after the commit and must not throw. Throws Compacted when `from` is too old.
   */
  watch(options: { resource?: string; namespace?: string; from: number }, handler: (event: StoreEvent) => void): StoreWatch;
  /** Forgets history before that revision; newest states stay. The disk follows when much can be forgotten, and when the store is closed. */
  compact(revision: number): Promise<void>;
  /** Writes a consistent copy of everything committed to a new file, which openStore can open. Fails when the file exists. */
  backup(path: string): Promise<void>;
  /** Writes what is on its way, then closes files. Later writes and watches fail. */
  close(): Promise<void>;
}
