import type { Answer } from "./server.ts";

/** The first place where two answers differ, and what is there. */
export interface Difference {
  where: string;
  expected: unknown;
  got: unknown;
}

/** Where hue's answer is not the reference's, apart from what no two servers share: uids, times, revisions, addresses given out. */
export function differenceOf(expected: Answer, got: Answer): Difference | undefined {
  return firstDifference("", normal(expected), normal(got));
}

const uid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const unshared = new Set(["uid", "creationTimestamp", "resourceVersion", "time", "deletionTimestamp"]);

function normal(answer: Answer): unknown {
  return walk({ ...answer, warnings: [...answer.warnings].sort() }, "");
}

function walk(value: unknown, key: string): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => walk(item, ""));
    // The order of a map's keys is nobody's promise.
    return key === "causes" ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (typeof value === "string") return key === "message" ? message(value) : value.replaceAll(uid, "UID");
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !unshared.has(name) || typeof value[name as keyof typeof value] === "object");
  return Object.fromEntries(entries.map(([name, child]) => [name, walk(child, name)]));
}

/** The errors of one message, "[a, b]", in one order; the moment and uids that some messages carry left out. */
function message(text: string): string {
  const shared = text.replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+( [+-]\d{4} UTC|Z)( m=\+[\d.]+)?/g, "TIME").replaceAll(uid, "UID");
  const list = /^(.*?: )\[(.*)\]$/s.exec(shared);
  return list
    ? `${list[1]}[${(list[2] ?? "")
        .split(/, (?=[a-zA-Z0-9.[\]()/-]+: )/)
        .sort()
        .join(", ")}]`
    : shared;
}

function firstDifference(where: string, expected: unknown, got: unknown): Difference | undefined {
  if (Object.is(expected, got)) return undefined;
  if (
    typeof expected !== "object" ||
    typeof got !== "object" ||
    expected === null ||
    got === null ||
    Array.isArray(expected) !== Array.isArray(got)
  )
    return { where, expected, got };
  for (const key of new Set([...Object.keys(expected), ...Object.keys(got)])) {
    const found = firstDifference(`${where}.${key}`, expected[key as keyof object], got[key as keyof object]);
    if (found) return found;
  }
  return undefined;
}
