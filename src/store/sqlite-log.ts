import { fdatasync } from "node:fs";
import { promisify } from "node:util";
import type { Keep, Log, LogCounts, LogRecord, PastLog } from "./log.ts";
import { SqliteFile, type SqliteOptions } from "./sqlite-file.ts";
import { StoreFailed } from "./store.ts";

const sync = promisify(fdatasync);

/** From this many bytes on, the write-ahead log is brought into the file. It is as long from the beginning. */
const longWal = 2 ** 20;

/**
 * The log in an SQLite file. SQLite writes to the kernel's memory on the event loop, which takes microseconds; what takes milliseconds, the
 * way to the disk, is done beside it, so that a slow disk never holds up the event loop.
 *
 * SQLite's own syncs are off, so that their order is kept here, one call at a time: a commit is answered when the write-ahead log has been
 * synced; that is copied into the file only then, and emptied only when the file has been synced, too. So at each moment the disk
 * holds all that was answered, in the file or in the write-ahead log (see "Write-Ahead Logging", sqlite.org).
 *
 * The write-ahead log's file keeps its length, and is written over from its head again and again: a sync that has no new length to bring
 * to the disk takes two thirds of the time. What is left of earlier rounds has other salts than the header and does not count. But the
 * kernel writes in any order: were frames to come to the disk before the new header, the old header would call what is left between them
 * a log, and its old pages would hide newer ones of the file. So the old header is wiped, and synced, before the first frame is written.
 */
export class SqliteLog implements Log {
  readonly counts: LogCounts = { batches: 0, syncs: 0 };
  readonly past: PastLog = {
    facts: () => this.atOnce((file) => file.past.facts()),
    states: (query, after, upTo) => this.atOnce((file) => file.states(query, after, upTo)),
    moment: (by, value) => this.atOnce((file) => file.past.moment(by, value)),
  };
  private readonly path: string;
  private readonly options: SqliteOptions;
  private file: SqliteFile | undefined;
  private last: Promise<unknown> = Promise.resolve();
  /** Equal strings of the rows read are kept once. */
  private readonly strings = new Map<string, string>();

  constructor(path: string, options: SqliteOptions) {
    this.path = path;
    this.options = options;
  }

  open(): Promise<{ compacted: number; ceiling: number }> {
    return this.inTurn(async () => {
      const file = new SqliteFile(this.path, this.options);
      this.file = file;
      // Comes to the disk with the first commit. When there is no room, that one will tell.
      this.inTurn(async () => file.extendWal(longWal)).catch(() => {});
      return file.state();
    });
  }

  read(after: number): Promise<LogRecord[]> {
    return this.inTurn(async () => {
      const records = this.opened().read(after);
      if (records.length === 0) this.strings.clear();
      for (const { key } of records) {
        key.resource = this.shared(key.resource);
        key.namespace = this.shared(key.namespace);
      }
      return records;
    });
  }

  private shared(text: string): string {
    const known = this.strings.get(text);
    if (known === undefined) this.strings.set(text, text);
    return known ?? text;
  }

  append(records: readonly LogRecord[], ceiling?: number): Promise<void> {
    return this.inTurn(async () => {
      const file = this.opened();
      file.append(records, ceiling);
      await this.commit(file);
    });
  }

  compact(revision: number, keep: Keep = { after: revision, bytes: 0 }): Promise<void> {
    return this.inTurn(async () => {
      const file = this.opened();
      if (!file.compact(revision, keep)) return;
      let more = file.dropPast(keep);
      await this.commit(file);
      for (; more; await this.commit(file)) more = file.dropPast(keep);
    });
  }

  private async commit(file: SqliteFile): Promise<void> {
    this.counts.batches++;
    await this.synced(file.walDescriptor);
    // After this call's answer, and before the next call.
    if (file.walLength >= longWal) this.inTurn(() => this.checkpoint(file)).catch(() => {});
  }

  /** When it fails, the next commit does too, and is told why. */
  private async checkpoint(file: SqliteFile): Promise<void> {
    if (file.walLength < longWal) return;
    file.checkpoint();
    await this.synced(file.mainDescriptor);
    file.emptyWal();
    await this.synced(file.walDescriptor);
  }

  private async synced(descriptor: number): Promise<void> {
    this.counts.syncs++;
    await sync(descriptor);
  }

  backup(path: string): Promise<void> {
    return this.inTurn(async () => {
      await this.opened()
        .backup(path)
        .catch((error: Error) => {
          throw new StoreFailed(`the backup to ${path} failed: ${error.message}; choose a new file on a disk with enough room`);
        });
    });
  }

  close(): Promise<void> {
    return this.inTurn(async () => {
      this.file?.close();
      this.file = undefined;
    }).catch(() => {});
  }

  private opened(): SqliteFile {
    if (!this.file) throw new StoreFailed(`${this.path} is closed`);
    return this.file;
  }

  /** Begins when all earlier calls have ended. Rejects with StoreFailed. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work).catch((error) => this.refuse(error));
    this.last = done.catch(() => {});
    return done;
  }

  private atOnce<T>(read: (file: SqliteFile) => T): T {
    try {
      return read(this.opened());
    } catch (error) {
      return this.refuse(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private refuse(error: Error & { code?: string }): never {
    throw error instanceof StoreFailed ? error : this.explain(error.code, error.message);
  }

  /** One sentence: what happened, and what to do. */
  private explain(code: string | undefined, detail: string): StoreFailed {
    const { path } = this;
    if (code?.startsWith("SQLITE_BUSY") || code?.startsWith("SQLITE_LOCKED"))
      return new StoreFailed(`${path} is in use by another server; stop that one, or start this one with another data folder`);
    if (code === "SQLITE_FULL" || code === "ENOSPC")
      return new StoreFailed(
        `the disk is full: ${path} cannot grow; free some space, then restart the server (nothing that was saved is lost)`,
      );
    if (code === "SQLITE_NOTADB" || code?.startsWith("SQLITE_CORRUPT"))
      return new StoreFailed(`${path} is damaged or not a store of hue: ${detail}; restore a backup, or move the file away to begin anew`);
    if (code === "VERSION") return new StoreFailed(`${path} cannot be used: ${detail}; start the version of hue that wrote it`);
    if (code?.startsWith("SQLITE_CANTOPEN") || code?.startsWith("SQLITE_READONLY") || code === "EACCES" || code === "EPERM")
      return new StoreFailed(`${path} cannot be written: ${detail}; check its owner and permissions and those of its folder`);
    return new StoreFailed(`${path} failed: ${detail}; check the disk, then restart the server`);
  }
}
