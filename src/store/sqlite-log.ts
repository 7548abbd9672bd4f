import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import type { Log, LogCounts, LogRecord } from "./log.ts";
import { type Row, SqliteFile } from "./sqlite-file.ts";
import { StoreFailed } from "./store.ts";

/** What the worker answers to the call of that number. */
interface Reply {
  call: number;
  result?: unknown;
  counts?: LogCounts;
  error?: { code: string | undefined; message: string };
}

/**
 * The worker's whole program: SqliteFile's source and a loop that answers calls. Started from text, so that neither the
 * sources, nor a bundle, nor a single executable needs a second file for it.
 */
const program = `
"use strict";
const { parentPort, workerData } = require("node:worker_threads");
const modules = { Database: require(workerData.sqlite), fs: require("node:fs"), crc32: require("node:zlib").crc32 };
const SqliteFile = ${SqliteFile.toString()};
let file;
parentPort.on("message", ({ call, method, argument }) => {
  try {
    if (method === "open") file = new SqliteFile(modules, workerData.path, workerData.options);
    const result = method === "open" ? file.state() : file[method](argument);
    parentPort.postMessage({ call, result, counts: { batches: file.batches, syncs: file.syncs } });
    if (method !== "close") file.checkpointIfDue();
  } catch (error) {
    parentPort.postMessage({ call, error: { code: error.code, message: error.message } });
  }
});`;

/** The log in an SQLite file, written by a worker thread, so that a slow disk never holds up the event loop. */
export class SqliteLog implements Log {
  private readonly path: string;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve(result: unknown): void; reject(error: StoreFailed): void }>();
  private calls = 0;
  counts: LogCounts = { batches: 0, syncs: 0 };
  private ended: StoreFailed | undefined;
  /** Equal strings of the rows read are kept once. */
  private readonly strings = new Map<string, string>();

  /** maxBytes limits the size of the file; default: what the disk holds. */
  constructor(path: string, options: { maxBytes?: number } = {}) {
    this.path = path;
    const sqlite = createRequire(import.meta.url).resolve("better-sqlite3");
    this.worker = new Worker(program, {
      eval: true,
      name: "hue store",
      workerData: { sqlite, path, options },
      // The process's own flags (--input-type=module, --inspect) are not for this program.
      execArgv: [],
      // The young generation that Node gives a thread by default is far more than rows on their way need.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    this.worker.on("message", (reply: Reply) => this.settle(reply));
    this.worker.on("error", (error) => this.end(this.explain(undefined, error.message)));
    this.worker.on("exit", () => this.end(new StoreFailed(`${this.path} is closed`)));
    this.worker.unref();
  }

  open(): Promise<{ compacted: number; ceiling: number }> {
    return this.call("open");
  }

  async read(after: number): Promise<LogRecord[]> {
    const rows = await this.call<Row[]>("read", after);
    if (rows.length === 0) this.strings.clear();
    return rows.map(([revision, resource, namespace, name, replaces, text, follows]) => ({
      revision,
      key: { resource: this.shared(resource), namespace: this.shared(namespace), name },
      replaces,
      text: text ?? undefined,
      follows: follows ?? undefined,
    }));
  }

  private shared(text: string): string {
    const known = this.strings.get(text);
    if (known === undefined) this.strings.set(text, text);
    return known ?? text;
  }

  append(records: readonly LogRecord[], ceiling?: number): Promise<void> {
    const rows = records.map(({ revision, key, replaces, text, follows }): Row => {
      return [revision, key.resource, key.namespace, key.name, replaces, text ?? null, follows ?? null];
    });
    return this.call("append", { rows, ceiling });
  }

  compact(revision: number): Promise<void> {
    return this.call("compact", revision);
  }

  backup(path: string): Promise<void> {
    return this.call<void>("backup", path).catch((error: unknown) => {
      const { cause } = error instanceof Error ? error : {};
      throw new StoreFailed(`the backup to ${path} failed: ${String(cause)}; choose a new file on a disk with enough room`);
    });
  }

  async close(): Promise<void> {
    await this.call("close").catch(() => {});
    await this.worker.terminate();
  }

  private call<T>(method: "open" | "read" | "append" | "compact" | "backup" | "close", argument?: unknown): Promise<T> {
    if (this.ended) return Promise.reject(this.ended);
    const call = ++this.calls;
    return new Promise((resolve, reject) => {
      // The worker answers each method with its own result type.
      this.waiting.set(call, { resolve: resolve as (result: unknown) => void, reject });
      if (this.waiting.size === 1) this.worker.ref();
      this.worker.postMessage({ call, method, argument });
    });
  }

  private settle({ call, result, counts, error }: Reply): void {
    if (counts) this.counts = counts;
    const waiting = this.waiting.get(call);
    this.waiting.delete(call);
    if (this.waiting.size === 0) this.worker.unref();
    if (error) waiting?.reject(Object.assign(this.explain(error.code, error.message), { cause: error.message }));
    else waiting?.resolve(result);
  }

  private end(reason: StoreFailed): void {
    this.ended ??= reason;
    for (const { reject } of this.waiting.values()) reject(this.ended);
    this.waiting.clear();
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
