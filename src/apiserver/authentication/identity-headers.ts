import type { IncomingHttpHeaders } from "node:http";

/** The values of a header. Node joins repeated ones with a comma and a space. */
export function headerValues(header: string | string[] | undefined): string[] {
  return [header ?? []].flat().flatMap((text) => text.split(", "));
}

/** The values of the headers with that prefix, by what follows it; undefined when there are none. */
export function extraOf(headers: IncomingHttpHeaders, prefix: string): Record<string, string[]> | undefined {
  const found = Object.entries(headers).filter(([header]) => header.startsWith(prefix));
  if (found.length === 0) return undefined;
  return Object.fromEntries(found.map(([header, value]) => [decode(header.slice(prefix.length)), headerValues(value)]));
}

function decode(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
