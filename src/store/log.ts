import type { Key } from "./store.ts";

/** One revision of the log: a row on the disk. */
export interface LogRecord {
  revision: number;
  key: Key;
  /** The revision of the state that this one replaces, 0 for a create. */
  replaces: number;
  /** The new state's JSON, or undefined for a deletion. */
  text: string | undefined;
}

/**
 * Where revisions are kept: the narrow interface below the store. It knows nothing of objects, watches or preconditions.
 * Calls are served in the order in which they were made. All reject with StoreFailed.
 */
export interface Log {
  /** Takes the log for this process alone and gives the revision it was last compacted to: 1 for a new one. */
  open(): Promise<{ compacted: number }>;
  /** The next records after that revision, in the order of revisions, some thousands at a time; empty at the end. */
  read(after: number): Promise<LogRecord[]>;
  /** Adds records, all or none of them; durable when it resolves. */
  append(records: readonly LogRecord[]): Promise<void>;
  /** Forgets states that were replaced or deleted at or before that revision, and remembers it; nothing when that was done already. */
  compact(revision: number): Promise<void>;
  /** Writes a consistent copy to a new file. */
  backup(path: string): Promise<void>;
  close(): Promise<void>;
}
