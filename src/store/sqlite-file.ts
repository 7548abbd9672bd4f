import type Sqlite from "better-sqlite3";

/** A row of the log as it goes between threads: revision, resource, namespace, name, replaces, text (null: deletion). */
export type Row = [revision: number, resource: string, namespace: string, name: string, replaces: number, text: string | null];

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
 * Table log: a row a revision, with the revision that it replaces (so that compaction needs no second index) and a
 * checksum. Table state: the revision last compacted to, from which on the log has no holes.
 */
export class SqliteFile {
  private readonly modules: Modules;
  private readonly path: string;
  private readonly db: Sqlite.Database;
  private readonly insert: Sqlite.Statement<[...Row, number]>;

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
      db.pragma("journal_size_limit = 16777216");
      if (options.maxBytes !== undefined) db.pragma(`max_page_count = ${Math.ceil(options.maxBytes / 4096)}`);
      this.insert = db.prepare("INSERT INTO log (revision, resource, namespace, name, replaces, text, crc) VALUES (?, ?, ?, ?, ?, ?, ?)");
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
      db.pragma("user_version = 1");
      db.pragma("journal_mode = WAL");
      db.pragma("synchronous = FULL");
      db.exec(`BEGIN;
        CREATE TABLE log (revision INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
          replaces INTEGER NOT NULL, text TEXT, crc INTEGER NOT NULL) STRICT;
        CREATE TABLE state (compacted INTEGER NOT NULL) STRICT;
        INSERT INTO state VALUES (1);
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
    if (version !== 1) throw Object.assign(new Error(`its format is version ${version}, this hue knows version 1`), { code: "VERSION" });
  }

  /** The revision last compacted to. */
  compacted(): number {
    const row = this.db.prepare<[], { compacted: number }>("SELECT compacted FROM state").get();
    if (!row) throw Object.assign(new Error("it has lost its state"), { code: "SQLITE_CORRUPT" });
    return row.compacted;
  }

  /** The next rows after that revision; throws when a checksum is wrong. */
  read(after: number): Row[] {
    const select =
      "SELECT revision, resource, namespace, name, replaces, text, crc FROM log WHERE revision > ? ORDER BY revision LIMIT 2000";
    const rows = this.db.prepare<[number], [...Row, number]>(select).raw().all(after);
    return rows.map(([revision, resource, namespace, name, replaces, text, crc]) => {
      const row: Row = [revision, resource, namespace, name, replaces, text];
      if (this.checksum(row) !== crc)
        throw Object.assign(new Error(`revision ${revision} is not as it was written`), { code: "SQLITE_CORRUPT" });
      return row;
    });
  }

  private checksum([revision, resource, namespace, name, replaces, text]: Row): number {
    const head = this.modules.crc32(`${revision} ${resource} ${namespace} ${name} ${replaces}`);
    return text === null ? head : this.modules.crc32(text, head);
  }

  /** Writes all rows in one transaction; they are on the disk when it returns, or none is. */
  append(rows: readonly Row[]): void {
    this.transaction(() => {
      for (const row of rows) this.insert.run(...row, this.checksum(row));
    });
  }

  /** Deletes what was replaced or deleted up to that revision. */
  compact(revision: number): void {
    const compacted = this.compacted();
    // The steps of two compactions may come in turns.
    if (revision <= compacted) return;
    this.transaction(() => {
      const range = [compacted, revision];
      const replaced = "SELECT replaces FROM log WHERE revision > ? AND revision <= ? AND replaces > 0";
      this.db.prepare(`DELETE FROM log WHERE revision IN (${replaced})`).run(range);
      this.db.prepare("DELETE FROM log WHERE revision > ? AND revision <= ? AND text IS NULL").run(range);
      this.db.prepare("UPDATE state SET compacted = ?").run(revision);
    });
    // A good moment: at most once in minutes, and only after changes. In between SQLite does it at each 1,000 pages.
    this.db.pragma("wal_checkpoint(TRUNCATE)");
  }

  private transaction(work: () => void): void {
    this.db.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.db.exec("COMMIT");
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
