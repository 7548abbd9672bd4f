/** Times and base64 in the form that Go prints: what the API shows, whatever a client wrote. */

const shortTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
const anyTime = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;
const base64Text = /^[A-Za-z0-9+/]*={0,2}$/;

/** RFC 3339 in UTC without a fraction, as `2026-01-01T00:00:00Z`; undefined when the text is no time. */
export function canonicalTime(text: string): string | undefined {
  if (shortTime.test(text)) return text;
  const parsed = parseTime(text);
  return parsed && `${parsed.seconds}Z`;
}

/** RFC 3339 in UTC with six digits of fraction, as `2026-01-01T00:00:00.000000Z`; undefined when the text is no time. */
export function canonicalMicroTime(text: string): string | undefined {
  const parsed = parseTime(text);
  return parsed && `${parsed.seconds}.${parsed.fraction.slice(0, 6).padEnd(6, "0")}Z`;
}

function parseTime(text: string): { seconds: string; fraction: string } | undefined {
  const match = anyTime.exec(text);
  if (!match) return undefined;
  const [, day, time, fraction = "", zone] = match;
  const local = Date.parse(`${day}T${time}Z`);
  if (Number.isNaN(local) || new Date(local).toISOString().slice(0, 19) !== `${day}T${time}`) return undefined;
  const utc = zone === "Z" ? local : Date.parse(`${day}T${time}${zone}`);
  return Number.isNaN(utc) ? undefined : { seconds: new Date(utc).toISOString().slice(0, 19), fraction };
}

/** The text of a protobuf Timestamp; undefined for Go's zero time. */
export function timeOfSeconds(seconds: number, nanoseconds: number, micro: boolean): string | undefined {
  if (seconds === -62135596800) return undefined;
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return micro ? `${text}.${String(Math.floor(nanoseconds / 1000)).padStart(6, "0")}Z` : `${text}Z`;
}

/** Standard base64 without line breaks, or the offset of the first byte that is not base64. */
export function canonicalBase64(text: string): string | number {
  if (text.length % 4 === 0 && base64Text.test(text)) return text;
  const joined = text.replace(/[\r\n]/g, "");
  if (joined.length % 4 === 0 && base64Text.test(joined)) return joined;
  const illegal = joined.search(/[^A-Za-z0-9+/]/);
  return illegal < 0 ? joined.length - (joined.length % 4) : illegal;
}
