import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { type AuditEvent, legacyLine, type Sink } from "./event.ts";

/** How the log is kept. */
export interface LogFileOptions {
  /** "-" for standard output. */
  path: string;
  format: "json" | "legacy";
  /** Bytes from which a new file is begun; 0: never. */
  maxSize: number;
  /** Milliseconds and number of old files that are kept; 0: all. */
  maxAge: number;
  maxBackups: number;
  clock: Clock;
  log: Logger;
}

/** A line an event, in a file for the owner alone, written before the request goes on. Throws when the file cannot be opened. */
export function logFile(options: LogFileOptions): Sink {
  const { path, format, log } = options;
  const lineOf = (event: AuditEvent): string => `${format === "json" ? JSON.stringify(event) : legacyLine(event)}\n`;
  if (path === "-") return { write: (event) => void process.stdout.write(lineOf(event)), close: () => {} };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let file = openSync(path, "a", 0o600);
  let size = fstatSync(file).size;
  return {
    write(event) {
      if (file < 0) return;
      const line = Buffer.from(lineOf(event));
      try {
        if (options.maxSize > 0 && size > 0 && size + line.length > options.maxSize) {
          closeSync(file);
          rotate(options);
          file = openSync(path, "a", 0o600);
          size = 0;
        }
        writeSync(file, line);
        size += line.length;
      } catch (error) {
        log.error({ path, error: String(error) }, "an audit event could not be written");
      }
    },
    close() {
      if (file >= 0) closeSync(file);
      file = -1;
    },
  };
}

/** Puts the file aside as audit-2026-01-01T00-00-00.000.log, and removes what is too old or too much. */
function rotate({ path, maxAge, maxBackups, clock }: LogFileOptions): void {
  const folder = dirname(path);
  const extension = extname(path);
  const prefix = `${basename(path, extension)}-`;
  const time = new Date(clock.now()).toISOString().slice(0, 23).replaceAll(":", "-");
  renameSync(path, join(folder, `${prefix}${time}${extension}`));
  const old = readdirSync(folder)
    .filter(
      (name) =>
        name.startsWith(prefix) &&
        name.endsWith(extension) &&
        /^\d{4}-\d\d-\d\dT[\d-]+\.\d{3}$/.test(name.slice(prefix.length, -extension.length || undefined)),
    )
    .sort()
    .reverse();
  for (const [i, name] of old.entries()) {
    const tooOld = maxAge > 0 && clock.now() - statSync(join(folder, name)).mtimeMs > maxAge;
    if (tooOld || (maxBackups > 0 && i >= maxBackups)) rmSync(join(folder, name), { force: true });
  }
}
