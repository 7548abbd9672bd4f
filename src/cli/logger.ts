import { pino } from "pino";
import type { Logger } from "../lib/log.ts";
import { UsageError } from "./usage-error.ts";

const levels = ["debug", "info", "warn", "error"];

/** The process's log: one JSON line an event on standard error. Throws UsageError for an unknown level. */
export function createLogger(level: string): Logger {
  if (!levels.includes(level)) throw new UsageError(`--log-level: "${level}" must be one of ${levels.join(", ")}`);
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    pino.destination(2),
  );
}
