import type Sqlite from "better-sqlite3";

/** A row of the log as it goes between threads; text null: a deletion; follows null: the revision one less. */
export type Row = [
  revision: number,
  resource: string,
  namespace: string,
  name: string,
  replaces: number,
  text: string | null,
  follows: number | null,
];

/** What SqliteFile needs from outside. Handed in, because its source is started by itself in a worker thread. */
export interface Modules {
  Database: typeof Sqlite;
  fs: typeof import("node:fs");
  crc32: typeof import("node:zlib").crc32;
}

/**
 * The log in an SQLite file, synchronously: the only place that knows SQL. Runs in a worker thread that is started from
 * this class's own source text (see sqlite-log.ts), so it may use nothing from outside but its constructor's arguments.
 *
 * Table log: a row a revision, with the revision that it replaces (so that compaction needs no second index), a
 * checksum, and the revision of the row before where that is not the one directly before. Table state: the revision last compacted
 * to, from which on the log is whole; and the ceiling, see log.ts. Format version 1 knew neither `follows` nor `ceiling`.
 */
export class SqliteFile {
  private readonly modules: Modules;
  private readonly path: string;
  private readonly db: Sqlite.Database;
  private readonly begin: Sqlite.Statement<[]>;
  private readonly commit: Sqlite.Statement<[]>;
  private readonly insert: Sqlite.Statement<[...Row, number]>;
  /** About how many bytes came to the write-ahead log since it was last brought into the file. */
  private uncheckpointed = 0;
  batches = 0;
  syncs = 0;

  /** Opens the file, or makes a new one. Throws when another process has it, or it is no intact log of this version. */
  constructor(modules: Modules, path: string, options: { maxBytes?: number }) {
    this.modules = modules;
    this.path = path;
    if (!modules.fs.existsSync(path)) this.create();
    const db = new modules.Database(path, { fileMustExist: true, timeout: 500 });
    this.db = db;
    try {
      // Before the first access: then SQLite holds the file for this connection alone until it is closed, or its process ends.
      db.pragma("locking_mode = EXCLUSIVE");
      this.checkKind();
      db.pragma("journal_mode = WAL");
      db.pragma("synchronous = FULL");
      db.pragma("cache_size = -2000");
      db.pragma("wal_autocheckpoint = 0");
      db.pragma("journal_size_limit = 16777216");
      if (db.pragma("user_version", { simple: true }) === 1)
        db.exec(`BEGIN;
          ALTER TABLE log ADD COLUMN follows INTEGER;
          ALTER TABLE state ADD COLUMN ceiling INTEGER NOT NULL DEFAULT 1;
          PRAGMA user_version = 2;
          COMMIT`);
      if (options.maxBytes !== undefined) db.pragma(`max_page_count = ${Math.ceil(options.maxBytes / 4096)}`);
      this.begin = db.prepare("BEGIN IMMEDIATE");
      this.commit = db.prepare("COMMIT");
      this.insert = db.prepare(
        "INSERT INTO log (revision, resource, namespace, name, replaces, text, follows, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      );
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** A new file appears with its tables in it, or not at all: an empty file is damage, never a new cluster. */
  private create(): void {
    const { fs, Database } = this.modules;
    if (fs.existsSync(`${this.path}-wal`))
      throw Object.assign(new Error("its write-ahead log is there, but the file itself is missing"), { code: "SQLITE_CORRUPT" });
    const fresh = `${this.path}.${process.pid}.new`;
    for (const suffix of ["", "-wal", "-journal"]) fs.rmSync(fresh + suffix, { force: true });
    const db = new Database(fresh);
    try {
      fs.chmodSync(fresh, 0o600);
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
      fs.linkSync(fresh, this.path);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    } finally {
      db.close();
      fs.rmSync(fresh, { force: true });
    }
  }

  private checkKind(): void {
    if (this.db.pragma("application_id", { simple: true }) !== 0x68756521)
      throw Object.assign(new Error("it was not made by hue"), { code: "SQLITE_NOTADB" });
    const version = this.db.pragma("user_version", { simple: true });
    if (version !== 1 && version !== 2)
      throw Object.assign(new Error(`its format is version ${version}, this hue knows version 2`), { code: "VERSION" });
  }

  /** The revision last compacted to, and the ceiling. */
  state(): { compacted: number; ceiling: number } {
    const row = this.db.prepare<[], { compacted: number; ceiling: number }>("SELECT compacted, ceiling FROM state").get();
    if (!row) throw Object.assign(new Error("it has lost its state"), { code: "SQLITE_CORRUPT" });
    return row;
  }

  /** The next rows after that revision; throws when a checksum is wrong. */
  read(after: number): Row[] {
    const select =
      "SELECT revision, resource, namespace, name, replaces, text, follows, crc FROM log WHERE revision > ? ORDER BY revision LIMIT 2000";
    const rows = this.db.prepare<[number], [...Row, number]>(select).raw().all(after);
    return rows.map(([...row]) => {
      const crc = row.pop();
      // Without the checksum it is a Row.
      if (this.checksum(row as unknown as Row) !== crc)
        throw Object.assign(new Error(`revision ${row[0]} is not as it was written`), { code: "SQLITE_CORRUPT" });
      return row as unknown as Row;
    });
  }

  private checksum([revision, resource, namespace, name, replaces, text, follows]: Row): number {
    const head = this.modules.crc32(`${revision} ${resource} ${namespace} ${name} ${replaces}${follows === null ? "" : ` ${follows}`}`);
    return text === null ? head : this.modules.crc32(text, head);
  }

  /** Writes all rows and the ceiling in one transaction; they are on the disk when it returns, or nothing is. */
  append({ rows, ceiling }: { rows: readonly Row[]; ceiling: number | undefined }): void {
    this.transaction(() => {
      for (const row of rows) {
        this.insert.run(...row, this.checksum(row));
        this.uncheckpointed += 100 + (row[5]?.length ?? 0);
      }
      if (ceiling !== undefined) this.db.prepare("UPDATE state SET ceiling = ?").run(ceiling);
    });
  }

  /**
   * Brings the write-ahead log into the file when it has grown to about 4 MiB. To be called when everybody has their answer: it takes as
   * long as a dozen commits.
   */
  checkpointIfDue(): void {
    if (this.uncheckpointed < 2 ** 22) return;
    this.uncheckpointed = 0;
    this.db.pragma("wal_checkpoint(PASSIVE)");
    // The log before, the file after; and the next commit begins the log anew, whose head is synced by itself.
    this.syncs += 3;
  }

  /** Deletes what was replaced or deleted up to that revision. */
  compact(revision: number): void {
    const { compacted } = this.state();
    // The steps of two compactions may come in turns.
    if (revision <= compacted) return;
    this.transaction(() => {
      const range = [compacted, revision];
      const replaced = "SELECT replaces FROM log WHERE revision > ? AND revision <= ? AND replaces > 0";
      this.db.prepare(`DELETE FROM log WHERE revision IN (${replaced})`).run(range);
      this.db.prepare("DELETE FROM log WHERE revision > ? AND revision <= ? AND text IS NULL").run(range);
      this.db.prepare("UPDATE state SET compacted = ?").run(revision);
    });
  }

  private transaction(work: () => void): void {
    this.begin.run();
    try {
      work();
      this.commit.run();
      this.batches++;
      this.syncs++;
      // At least the last page of the table, and one more now and then.
      this.uncheckpointed += 6000;
    } catch (error) {
      if (this.db.inTransaction) this.db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Writes a copy to a new file, whole or not at all. */
  backup(path: string): void {
    const { fs } = this.modules;
    // Made empty first, which VACUUM INTO accepts: what holds Secrets is never readable by others, not even while it is written.
    const file = fs.openSync(path, "wx", 0o600);
    try {
      this.db.prepare("VACUUM INTO ?").run(path);
      fs.fsyncSync(file);
    } catch (error) {
      fs.rmSync(path, { force: true });
      throw error;
    } finally {
      fs.closeSync(file);
    }
  }

  close(): void {
    this.db.close();
  }
}
