import { writeSync } from "node:fs";
import { systemClock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { UsageError } from "./usage-error.ts";

const levels = ["debug", "info", "warn", "error"];
type Write = (line: string) => void;

/** The process's log: one JSON line an event, on standard error unless told otherwise. Throws UsageError for an unknown level. */
export function createLogger(level: string, write: Write = toStandardError): Logger {
  const lowest = levels.indexOf(level);
  if (lowest < 0) throw new UsageError(`--log-level: "${level}" must be one of ${levels.join(", ")}`);
  const at =
    (name: string) =>
    (fields: object, message: string): void => {
      if (levels.indexOf(name) < lowest) return;
      write(`${JSON.stringify({ level: name, time: new Date(systemClock.now()).toISOString(), ...fields, msg: message })}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A log that nobody reads, or reads too slowly, must not end the cluster. */
function toStandardError(line: string): void {
  try {
    writeSync(2, line);
  } catch {}
}
