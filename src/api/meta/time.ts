import type { Clock } from "../../lib/clock.ts";

/** The clock's time as the API writes it: "2026-01-01T00:00:00Z", whole seconds. */
export function now(clock: Clock): string {
  return formatTime(clock.now());
}

/** The clock's time as a MicroTime: "2026-01-01T00:00:00.000000Z". */
export function microNow(clock: Clock): string {
  return formatMicroTime(clock.now());
}

/** The last second that was formatted: a cluster's objects are full of times, and those of one second share a text. */
let last = { second: Number.NaN, text: "" };

/** Milliseconds since 1970 as RFC 3339 in whole seconds. */
export function formatTime(milliseconds: number): string {
  const second = Math.floor(milliseconds / 1000);
  // Joined, it is one string; a template would keep its parts.
  if (second !== last.second) last = { second, text: [new Date(milliseconds).toISOString().slice(0, 19), "Z"].join("") };
  return last.text;
}

/** Milliseconds since 1970 as RFC 3339 with six digits behind the second. */
export function formatMicroTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 23)}000Z`;
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** Milliseconds since 1970 of an RFC 3339 time; undefined when the text is none. */
export function parseTime(text: string | undefined): number | undefined {
  if (!text || !rfc3339.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** A duration in milliseconds as kubectl prints ages: "5d3h", "2m10s", "47h"; "<invalid>" when clearly negative. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return two(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 ? two(years, "y", days % 365, "d") : `${years}y`;
}

/** The age cell of a table: how long ago the time was, "<unknown>" when there is none. `now` in milliseconds. */
export function age(timestamp: string | undefined, now: number): string {
  const time = parseTime(timestamp);
  return time === undefined ? "<unknown>" : humanDuration(now - time);
}

const units: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a Go duration ("1h30m", "1.5s", "250ms"); undefined when the text is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text);
  if (!match) return undefined;
  let milliseconds = 0;
  for (const [, amount, unit = ""] of (match[2] ?? "").matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g))
    milliseconds += Number(amount) * (units[unit] ?? 0);
  return match[1] === "-" ? -milliseconds : milliseconds;
}

/** As parseDuration, and days: "7d", "1d12h". */
export function parseLongDuration(text: string): number | undefined {
  return parseDuration(text.replace(/^(\d+)d/, (_, days) => `${Number(days) * 24}h`));
}

/** Milliseconds as Go prints a duration: "1h30m0s", "1.5s", "250ms", "0s". */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return "0s";
  if (milliseconds < 0) return `-${formatDuration(-milliseconds)}`;
  if (milliseconds < 1000) {
    if (milliseconds < 0.001) return `${Math.round(milliseconds * 1e6)}ns`;
    return milliseconds < 1 ? `${trim(milliseconds * 1000)}µs` : `${trim(milliseconds)}ms`;
  }
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const seconds = `${trim((milliseconds % 60_000) / 1000)}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

function trim(n: number): string {
  return String(Number(n.toFixed(9)));
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}
