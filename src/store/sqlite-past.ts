import type Sqlite from "better-sqlite3";
import type { Keep, Moment, PastQuery } from "./log.ts";

/** About what a row takes beside its text, in bytes. */
const rowSize = 150;
const columns = ["revision", "resource", "namespace", "name", "replaces", "text", "follows", "crc"];
const columnsOf = (table: string): string => columns.map((column) => `${table}.${column}`).join(", ");

/**
 * What compaction takes off the log and the window still holds. Calls belong into the transaction of whoever calls.
 *
 * Table past: a row of the log as it was, with the revision that ended it, in whose order rows come and go. Table times: of each second in
 * which something was written the first revision. Table past_state: from which revision on the past is whole; the revision up to which
 * ended states were moved here, which is not the log's when a hue that knows no past has compacted it; and about the bytes of all rows.
 */
export class SqlitePast {
  private readonly db: Sqlite.Database;
  private readonly insertTime: Sqlite.Statement<[number, number]>;

  /** Makes the tables where they are missing; `compacted`: the log's. */
  constructor(db: Sqlite.Database, compacted: number) {
    this.db = db;
    db.exec(`
      CREATE TABLE IF NOT EXISTS past (ended INTEGER PRIMARY KEY, revision INTEGER NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL,
        name TEXT NOT NULL, replaces INTEGER NOT NULL, text TEXT NOT NULL, follows INTEGER, crc INTEGER NOT NULL) STRICT;
      CREATE INDEX IF NOT EXISTS past_of_resource ON past (resource, ended);
      CREATE TABLE IF NOT EXISTS times (revision INTEGER PRIMARY KEY, time INTEGER NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS past_state (oldest INTEGER NOT NULL, upto INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
      INSERT INTO past_state SELECT ${compacted}, ${compacted}, 0 WHERE NOT EXISTS (SELECT 1 FROM past_state);
      UPDATE past_state SET oldest = ${compacted}, upto = ${compacted} WHERE upto <> ${compacted};`);
    this.insertTime = db.prepare("INSERT OR REPLACE INTO times (revision, time) VALUES (?, ?)");
  }

  addTime(revision: number, second: number): void {
    this.insertTime.run(revision, second);
  }

  /** From which revision on the past is whole, and about how many bytes it takes. */
  facts(): { oldest: number; bytes: number } {
    return this.db.prepare<[], { oldest: number; bytes: number }>("SELECT oldest, bytes FROM past_state").get() ?? { oldest: 1, bytes: 0 };
  }

  /** Takes in what ended after the one and up to the other revision, and is going to be deleted from the log; gives about its bytes. */
  move(after: number, upTo: number, keep: Keep): number {
    const { oldest } = this.facts();
    const from = Math.max(after, keep.after);
    this.db
      .prepare(
        `INSERT OR IGNORE INTO past (ended, ${columns.join(", ")}) SELECT ended.revision, ${columnsOf("old")}
         FROM log ended JOIN log old ON old.revision = ended.replaces WHERE ended.revision > ? AND ended.revision <= ?`,
      )
      .run(from, upTo);
    const moved = this.sizeBetween(from, upTo);
    this.db
      .prepare("UPDATE past_state SET oldest = ?, upto = ?, bytes = bytes + ?")
      .run(Math.max(oldest, Math.min(keep.after, upTo)), upTo, moved);
    return moved;
  }

  /** Deletes at most so many of the oldest rows that cannot be told any more, or are more than so many bytes; says whether there may be more. */
  drop(limit: number, maxBytes: number): boolean {
    const { oldest, bytes } = this.facts();
    const rows = this.db
      .prepare<[number], { ended: number; size: number }>("SELECT ended, octet_length(text) AS size FROM past ORDER BY ended LIMIT ?")
      .all(limit);
    let [last, left] = [0, bytes];
    for (const { ended, size } of rows) {
      if (ended > oldest && left <= maxBytes) break;
      last = ended;
      left -= size + rowSize;
    }
    const now = Math.max(oldest, last);
    this.db.prepare("DELETE FROM past WHERE ended <= ?").run(last);
    this.db.prepare("DELETE FROM times WHERE revision < (SELECT max(revision) FROM times WHERE revision <= ?)").run(now);
    this.db.prepare("UPDATE past_state SET oldest = ?, bytes = ?").run(now, Math.max(left, 0));
    return rows.length === limit && rows.at(-1)?.ended === last;
  }

  private sizeBetween(after: number, upTo: number): number {
    const sum = "SELECT coalesce(sum(octet_length(text) + ?), 0) AS size FROM past WHERE ended > ? AND ended <= ?";
    return this.db.prepare<[number, number, number], { size: number }>(sum).get(rowSize, after, upTo)?.size ?? 0;
  }

  /** The rows, as the log has them, that ended after the one and up to the other revision, whether they have been moved here or not. */
  rows({ resource, namespace, name, revision }: PastQuery, after: number, upTo: number): unknown[] {
    const wanted = `old.revision <= @revision AND (@namespace IS NULL OR old.namespace = @namespace) AND (@name IS NULL OR old.name = @name)`;
    return this.db
      .prepare(
        `SELECT ${columnsOf("old")} FROM past old WHERE old.resource = @resource AND old.ended > @after AND old.ended <= @upTo AND ${wanted}
         UNION ALL
         SELECT ${columnsOf("old")} FROM log ended JOIN log old ON old.revision = ended.replaces
         WHERE ended.revision > @after AND ended.revision <= @upTo AND ended.resource = @resource AND ${wanted}`,
      )
      .raw()
      .all({ resource, namespace: namespace ?? null, name: name ?? null, revision, after, upTo });
  }

  /** See PastLog. */
  moment(by: "time" | "revision" | "after", value: number): Moment | undefined {
    const where = {
      time: "time <= ? ORDER BY revision DESC",
      revision: "revision <= ? ORDER BY revision DESC",
      after: "revision > ? ORDER BY revision",
    };
    return this.db.prepare<[number], Moment>(`SELECT revision, time FROM times WHERE ${where[by]} LIMIT 1`).get(value);
  }
}
