import type { Key } from "./store.ts";

/** One revision of the log: a row on the disk. */
export interface LogRecord {
  revision: number;
  key: Key;
  /** The revision of the state that this one replaces, 0 for a create. */
  replaces: number;
  /** The new state's JSON, or undefined for a deletion. */
  text: string | undefined;
  /** The revision of the record before this one; default: one less. What lies between was lazy: replaced on its way to the disk, or lost. */
  follows?: number | undefined;
  /** When it was written, in seconds since 1970: only with the first record of a second. */
  time?: number | undefined;
}

/** Which states of the past are wanted: those that an object, or all of a resource, had at that revision. */
export interface PastQuery {
  resource: string;
  namespace?: string | undefined;
  name?: string | undefined;
  revision: number;
}

/** The first revision of a second, in seconds since 1970, in which something was written. */
export interface Moment {
  revision: number;
  time: number;
}

/** What compaction leaves readable: states that were still there after that revision, up to about so many bytes. */
export interface Keep {
  after: number;
  bytes: number;
}

/** What a log still has of states that are not the newest any more. Throws or rejects with StoreFailed. */
export interface PastLog {
  /** From which revision on the past is whole, and about how many bytes it takes. */
  facts(): { oldest: number; bytes: number };
  /** Of the states wanted those that ended after the one and up to the other revision. */
  states(query: PastQuery, after: number, upTo: number): Promise<LogRecord[]> | LogRecord[];
  /** The last moment up to that time or revision, or the first one after a revision. */
  moment(by: "time" | "revision" | "after", value: number): Moment | undefined;
}

/** What a log has cost since it was opened. */
export interface LogCounts {
  /** Transactions that were written. */
  batches: number;
  /** Calls of fsync. */
  syncs: number;
}

/**
 * Where revisions are kept: the narrow interface below the store. It knows nothing of objects, watches or preconditions.
 * Calls are served in the order in which they were made. All reject with StoreFailed.
 */
export interface Log {
  readonly counts: LogCounts;
  /**
   * Takes the log for this process alone and gives the revision it was last compacted to: 1 for a new one; and its ceiling: revisions up
   * to it may have been told to somebody although no record of them is there.
   */
  open(): Promise<{ compacted: number; ceiling: number }>;
  /** The next records after that revision, in the order of revisions, some thousands at a time; empty at the end. */
  read(after: number): Promise<LogRecord[]>;
  /** Adds records and sets the ceiling, all or nothing of it; durable when it resolves. */
  append(records: readonly LogRecord[], ceiling?: number): Promise<void>;
  /**
   * Forgets states that were replaced or deleted at or before that revision, but for what is to be kept (default: nothing), and remembers it;
   * nothing when that was done already.
   */
  compact(revision: number, keep?: Keep): Promise<void>;
  /** Undefined: nothing is left of what was compacted. */
  readonly past?: PastLog | undefined;
  /** Writes a consistent copy to a new file. */
  backup(path: string): Promise<void>;
  close(): Promise<void>;
  /** Why no state of the resource can be written now; left out where all can always. */
  refusal?(resource: string): string | undefined;
  /** Whether something was replaced that should not lie on the disk any longer than watches need history: then nothing of the past is to be kept. */
  readonly wantsCompaction?: boolean;
  /** Whether a state lies on the disk in another form than it would be written in now. */
  isStale?(key: Key, revision: number): boolean;
}
