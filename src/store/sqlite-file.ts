import { chmodSync, closeSync, existsSync, fstatSync, fsyncSync, linkSync, openSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type Sqlite from "better-sqlite3";
import type { Keep, LogRecord, PastQuery } from "./log.ts";
import { SqlitePast } from "./sqlite-past.ts";

/** How the file is kept. */
export interface SqliteOptions {
  /** The most that it may grow to, in bytes; default: what the disk holds. */
  maxBytes?: number | undefined;
  /** Overwrites what is deleted with zeros. */
  wipe?: boolean;
}

type Row = [
  revision: number,
  resource: string,
  namespace: string,
  name: string,
  replaces: number,
  text: string | null,
  follows: number | null,
  crc: number,
];

/**
 * The log in an SQLite file: the only place that knows SQL. Calls are synchronous, and short: they write to the kernel's memory. Who calls
 * has to bring it to the disk, by fsync of the two descriptors, in the order that sqlite-log.ts keeps.
 *
 * Table log: a row a revision, with the revision that it replaces (so that compaction needs no second index), a
 * checksum, and the revision of the row before where that is not the one directly before. Table state: the revision last compacted
 * to, from which on the log is whole; and the ceiling, see log.ts. Format version 1 knew neither `follows` nor `ceiling`.
 */
export class SqliteFile {
  private readonly db: Sqlite.Database;
  private readonly begin: Sqlite.Statement<[]>;
  private readonly commit: Sqlite.Statement<[]>;
  private readonly insert: Sqlite.Statement<Row>;
  readonly past: SqlitePast;
  /**
   * Descriptors of the file and its write-ahead log, to be synced. They stay open as long as SQLite has the file: closing any descriptor
   * of a file gives up all locks that the process has on it.
   */
  readonly mainDescriptor: number;
  readonly walDescriptor: number;
  /** About how many bytes came to the write-ahead log since it was last brought into the file. */
  walLength = 0;

  /** Opens the file, or makes a new one. Throws when another process has it, or it is no intact log of this version. */
  constructor(path: string, options: SqliteOptions) {
    // Loaded with the first file: a store in memory needs none of it.
    const Database: typeof Sqlite = createRequire(import.meta.url)("better-sqlite3");
    if (!existsSync(path)) create(Database, path);
    const db = new Database(path, { fileMustExist: true, timeout: 500 });
    this.db = db;
    try {
      // Before the first access: then SQLite holds the file for this connection alone until it is closed, or its process ends.
      db.pragma("locking_mode = EXCLUSIVE");
      checkKind(db);
      db.pragma("journal_mode = WAL");
      db.pragma("synchronous = FULL");
      db.pragma("cache_size = -2000");
      db.pragma("wal_autocheckpoint = 0");
      if (db.pragma("user_version", { simple: true }) === 1)
        db.exec(`BEGIN;
          ALTER TABLE log ADD COLUMN follows INTEGER;
          ALTER TABLE state ADD COLUMN ceiling INTEGER NOT NULL DEFAULT 1;
          PRAGMA user_version = 2;
          COMMIT`);
      this.past = new SqlitePast(db, this.state().compacted);
      // What an earlier process left in the write-ahead log is brought into the file, so that this one begins with an empty one.
      db.pragma("wal_checkpoint(TRUNCATE)");
      db.pragma("synchronous = OFF");
      if (options.wipe) db.pragma("secure_delete = ON");
      if (options.maxBytes !== undefined) db.pragma(`max_page_count = ${Math.ceil(options.maxBytes / 4096)}`);
      this.begin = db.prepare("BEGIN IMMEDIATE");
      this.commit = db.prepare("COMMIT");
      this.insert = db.prepare(
        "INSERT INTO log (revision, resource, namespace, name, replaces, text, follows, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      );
      this.mainDescriptor = openSync(path, "r+");
      this.walDescriptor = openSync(`${path}-wal`, "r+");
      syncFolderOf(path);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** The revision last compacted to, and the ceiling. */
  state(): { compacted: number; ceiling: number } {
    const row = this.db.prepare<[], { compacted: number; ceiling: number }>("SELECT compacted, ceiling FROM state").get();
    if (!row) throw damage("it has lost its state");
    return row;
  }

  /** The next records after that revision, at most 2,000; throws when a checksum is wrong. */
  read(after: number): LogRecord[] {
    const select =
      "SELECT revision, resource, namespace, name, replaces, text, follows, crc FROM log WHERE revision > ? ORDER BY revision LIMIT 2000";
    return this.db.prepare<[number], Row>(select).raw().all(after).map(recordOf);
  }

  /** The states of the past that ended after the one and up to the other revision. */
  states(query: PastQuery, after: number, upTo: number): LogRecord[] {
    return (this.past.rows(query, after, upTo) as Row[]).map(recordOf); // Its columns are those of a Row.
  }

  /** Writes all records and the ceiling in one transaction, or nothing. */
  append(records: readonly LogRecord[], ceiling: number | undefined): void {
    this.transaction(() => {
      for (const record of records) {
        const { revision, key, replaces, text, follows, time } = record;
        this.insert.run(revision, key.resource, key.namespace, key.name, replaces, text ?? null, follows ?? null, checksum(record));
        if (time !== undefined) this.past.addTime(revision, time);
        this.walLength += 100 + (text?.length ?? 0);
      }
      if (ceiling !== undefined) this.db.prepare("UPDATE state SET ceiling = ?").run(ceiling);
    });
  }

  /** Takes off the log what was replaced or deleted up to that revision; says whether there was anything to do. */
  compact(revision: number, keep: Keep): boolean {
    const { compacted } = this.state();
    // The steps of two compactions may come in turns.
    if (revision <= compacted) return false;
    this.transaction(() => {
      const range = [compacted, revision];
      // It is written here, and wiped there.
      this.walLength += 2 * this.past.move(compacted, revision, keep);
      const replaced = "SELECT replaces FROM log WHERE revision > ? AND revision <= ? AND replaces > 0";
      this.db.prepare(`DELETE FROM log WHERE revision IN (${replaced})`).run(range);
      this.db.prepare("DELETE FROM log WHERE revision > ? AND revision <= ? AND text IS NULL").run(range);
      this.db.prepare("UPDATE state SET compacted = ?").run(revision);
    });
    return true;
  }

  /**
   * Makes the write-ahead log's file that long, with zeros, where it is shorter: page by page, for what is written at once the kernel may
   * keep as one folio, and counts as written whole whenever a part of it is.
   */
  extendWal(bytes: number): void {
    const zeros = Buffer.alloc(4096);
    for (let { size } = fstatSync(this.walDescriptor); size < bytes; size += zeros.length)
      writeSync(this.walDescriptor, zeros, 0, Math.min(zeros.length, bytes - size), size);
  }

  /** Deletes some of what need not be kept of the past, in the same way; says whether there may be more. */
  dropPast({ bytes }: Keep): boolean {
    return this.transaction(() => this.past.drop(500, bytes));
  }

  /** Copies the write-ahead log, which has to be on the disk, into the file. Its next transaction is written over the first one from then on. */
  checkpoint(): void {
    const [busy] = this.db.prepare<[], [number]>("PRAGMA wal_checkpoint(RESTART)").raw().get() ?? [1];
    if (busy) throw new Error("its write-ahead log cannot be brought into it");
  }

  /** Takes all transactions off the write-ahead log, whose length stays; its checkpoint has to be on the disk. */
  emptyWal(): void {
    // Without its header, of 32 bytes, nothing that follows counts.
    writeSync(this.walDescriptor, Buffer.alloc(32), 0, 32, 0);
    this.walLength = 0;
  }

  private transaction<T>(work: () => T): T {
    this.begin.run();
    try {
      const result = work();
      this.commit.run();
      // At least the last page of the table, and one more now and then.
      this.walLength += 6000;
      return result;
    } catch (error) {
      if (this.db.inTransaction) this.db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Writes a copy to a new file, whole or not at all, a piece at a time. */
  async backup(path: string): Promise<void> {
    // Made empty first: what holds Secrets is never readable by others, not even while it is written.
    closeSync(openSync(path, "wx", 0o600));
    try {
      await this.db.backup(path, { progress: () => 200 });
      const file = openSync(path, "r+");
      fsyncSync(file);
      closeSync(file);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }

  /** Brings everything into the file, and to the disk. */
  close(): void {
    this.db.pragma("synchronous = FULL");
    this.db.close();
    closeSync(this.walDescriptor);
    closeSync(this.mainDescriptor);
  }
}

/** A new file appears with its tables in it, or not at all: an empty file is damage, never a new cluster. */
function create(Database: typeof Sqlite, path: string): void {
  if (existsSync(`${path}-wal`)) throw damage("its write-ahead log is there, but the file itself is missing");
  const fresh = `${path}.${process.pid}.new`;
  for (const suffix of ["", "-wal", "-journal"]) rmSync(fresh + suffix, { force: true });
  const db = new Database(fresh);
  try {
    chmodSync(fresh, 0o600);
    db.pragma("page_size = 4096");
    db.pragma("application_id = 0x68756521");
    db.pragma("user_version = 2");
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.exec(`BEGIN;
      CREATE TABLE log (revision INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
        replaces INTEGER NOT NULL, text TEXT, crc INTEGER NOT NULL, follows INTEGER) STRICT;
      CREATE TABLE state (compacted INTEGER NOT NULL, ceiling INTEGER NOT NULL) STRICT;
      INSERT INTO state VALUES (1, 1);
      COMMIT`);
    db.close();
    // Unlike a rename, a link never takes the place of a file that another process has made meanwhile.
    linkSync(fresh, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    db.close();
    rmSync(fresh, { force: true });
  }
}

function checkKind(db: Sqlite.Database): void {
  if (db.pragma("application_id", { simple: true }) !== 0x68756521)
    throw Object.assign(new Error("it was not made by hue"), { code: "SQLITE_NOTADB" });
  const version = db.pragma("user_version", { simple: true });
  if (version !== 1 && version !== 2)
    throw Object.assign(new Error(`its format is version ${version}, this hue knows version 2`), { code: "VERSION" });
}

/** New names in a folder outlast a power cut from then on. */
function syncFolderOf(path: string): void {
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}

function recordOf([revision, resource, namespace, name, replaces, text, follows, crc]: Row): LogRecord {
  const key = { resource, namespace, name };
  const record: LogRecord = { revision, key, replaces, text: text ?? undefined, follows: follows ?? undefined };
  if (checksum(record) !== crc) throw damage(`revision ${revision} is not as it was written`);
  return record;
}

function checksum({ revision, key, replaces, text, follows }: LogRecord): number {
  const { resource, namespace, name } = key;
  const head = `${revision} ${resource} ${namespace} ${name} ${replaces}${follows === undefined ? "" : ` ${follows}`}`;
  return text === undefined ? crc32(head) : crc32(text, crc32(head));
}

function damage(message: string): Error {
  return Object.assign(new Error(message), { code: "SQLITE_CORRUPT" });
}
