/** Cron schedules as CronJobs take them: five fields or a descriptor, checked in the words of the library that upstream uses. */

interface Bounds {
  minimum: number;
  maximum: number;
  names?: readonly string[];
}

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const fields: readonly Bounds[] = [
  { minimum: 0, maximum: 59 },
  { minimum: 0, maximum: 23 },
  { minimum: 1, maximum: 31 },
  { minimum: 1, maximum: 12, names: months },
  { minimum: 0, maximum: 6, names: days },
];
const descriptors: Record<string, string> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const every = /^@every (\S+)$/;

/** What is wrong with a schedule; undefined when it is sound. */
export function checkSchedule(schedule: string): string | undefined {
  if (schedule.startsWith("@")) {
    if (descriptors[schedule] || every.test(schedule)) return undefined;
    return `unrecognized descriptor: ${schedule}`;
  }
  const parts = schedule.trim().split(/\s+/);
  if (parts.length !== fields.length) return `expected exactly 5 fields, found ${parts.length}: [${parts.join(" ")}]`;
  for (const [i, bounds] of fields.entries())
    for (const range of (parts[i] ?? "").split(",")) {
      const wrong = checkRange(range, bounds);
      if (wrong) return wrong;
    }
  return undefined;
}

/** The schedule as five plain fields for a cron library: descriptors written out and "?" as "*". "@every 5m" has no such form: undefined. */
export function plainSchedule(schedule: string): string | undefined {
  if (every.test(schedule)) return undefined;
  const plain = descriptors[schedule] ?? schedule.trim();
  return plain
    .replaceAll("?", "*")
    .replace(/(^|[\s,])(\d+)\/(\d+)/g, (_, before, start, step) => `${before}${start}-${maximumAt(plain, start)}/${step}`);
}

/** The duration text of "@every 5m"; undefined for any other schedule. */
export function everyOf(schedule: string): string | undefined {
  return every.exec(schedule)?.[1];
}

// "5/15" means "5-59/15": the end is that of the field which the number stands in.
function maximumAt(schedule: string, start: string): number {
  const index = schedule.split(/\s+/).findIndex((field) => field.split(",").some((part) => part.startsWith(`${start}/`)));
  return fields[index]?.maximum ?? 59;
}

function checkRange(range: string, bounds: Bounds): string | undefined {
  const [span = "", step, ...moreSteps] = range.split("/");
  if (moreSteps.length > 0) return `too many slashes: ${range}`;
  if (step !== undefined) {
    const n = number(step);
    if (n === undefined) return `failed to parse int from ${step}: strconv.Atoi: parsing "${step}": invalid syntax`;
    if (n === 0) return `step of range should be a positive number: ${range}`;
  }
  if (span === "*" || span === "?") return undefined;
  const ends = span.split("-");
  if (ends.length > 2) return `too many hyphens: ${range}`;
  const [start, end] = ends.map((text) => namedValue(text, bounds));
  if (start === undefined || (ends.length === 2 && end === undefined)) {
    const bad = (start === undefined ? ends[0] : ends[1]) ?? "";
    return `failed to parse int from ${bad}: strconv.Atoi: parsing "${bad}": invalid syntax`;
  }
  const last = end ?? (step === undefined ? start : bounds.maximum);
  if (start < bounds.minimum) return `beginning of range (${start}) below minimum (${bounds.minimum}): ${range}`;
  if (last > bounds.maximum) return `end of range (${last}) above maximum (${bounds.maximum}): ${range}`;
  return start > last ? `beginning of range (${start}) beyond end of range (${last}): ${range}` : undefined;
}

function namedValue(text: string, { names, minimum }: Bounds): number | undefined {
  const index = names?.indexOf(text.toLowerCase()) ?? -1;
  return index >= 0 ? index + (minimum === 1 ? 1 : 0) : number(text);
}

function number(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** What is wrong with the name of a time zone; undefined when it is known. */
export function checkTimeZone(name: string): string | undefined {
  if (name === "") return "timeZone must be nil or non-empty string";
  if (name.toLowerCase() === "local") return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
  // Intl knows offsets and any case; the zone database does not.
  if (!/^[A-Z]/.test(name)) return `unknown time zone ${name}`;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return undefined;
  } catch {
    return `unknown time zone ${name}`;
  }
}
