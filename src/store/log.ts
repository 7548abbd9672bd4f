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
  /** Forgets states that were replaced or deleted at or before that revision, and remembers it; nothing when that was done already. */
  compact(revision: number): Promise<void>;
  /** Writes a consistent copy to a new file. */
  backup(path: string): Promise<void>;
  close(): Promise<void>;
  /** Why no state of the resource can be written now; left out where all can always. */
  refusal?(resource: string): string | undefined;
  /** Whether something was replaced that should not lie on the disk any longer than history is kept. */
  readonly wantsCompaction?: boolean;
  /** Whether a state lies on the disk in another form than it would be written in now. */
  isStale?(key: Key, revision: number): boolean;
}
