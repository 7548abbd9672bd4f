import type { Answer } from "./server.ts";

/** The first place where two answers differ, and what is there. */
export interface Difference {
  where: string;
  expected: unknown;
  got: unknown;
}

/** Where hue's answer is not the reference's, apart from what no two servers share: uids, times, revisions, addresses given out. */
export function differenceOf(expected: Answer, got: Answer): Difference | undefined {
  if (expected.code !== got.code) return { where: ".code", expected: verdict(expected), got: verdict(got) };
  const [wanted, found] = [causesOf(expected), causesOf(got)];
  const missing = difference(wanted, found);
  const extra = difference(found, wanted);
  const isRepeated = [...missing, ...extra].every((cause) => wanted.includes(cause) && found.includes(cause));
  if (missing.length + extra.length > 0)
    return { where: isRepeated ? ".repeated causes" : ".body.details.causes", expected: missing, got: extra };
  return firstDifference("", normal(expected), normal(got));
}

/** What a server thinks of the request in one line. */
function verdict({ code, body }: Answer): string {
  const { message = "" } = (body ?? {}) as { message?: string };
  return `${code} ${code < 300 ? "" : shared(message)}`;
}

/** The causes of a refusal as texts; one that is there twice is meant to be. */
function causesOf({ body }: Answer): string[] {
  const { details } = (body ?? {}) as { details?: { causes?: { field?: string; message?: string; reason?: string }[] } };
  return (details?.causes ?? []).map(({ field, message = "", reason }) => `${field}: ${shared(message)} (${reason})`);
}

function difference(all: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return all.filter((text) => {
    const at = left.indexOf(text);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

const uid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** Addresses of Services and names of token volumes that the servers chose. */
const given = /\b10\.43\.(?!200\.10\b)\d+\.\d+|(?<=kube-api-access-)[a-z0-9]{5}\b/g;
const unshared = new Set(["uid", "creationTimestamp", "resourceVersion", "time", "deletionTimestamp", "username"]);

function normal({ code, body, warnings: given }: Answer): unknown {
  const warnings = [...given].sort();
  const { message, details } = (body ?? {}) as { message?: string; details?: { causes?: unknown[] } };
  // The causes have been compared already, and hold each part of a longer message: their order is nobody's promise.
  if (details?.causes && message) return { body: shared(message).split(" is invalid: ")[0], warnings };
  return walk({ body: code === 200 ? withoutControllers(body) : body, warnings }, "");
}

/** An object that was there before the request: what controllers have written to it meanwhile is left out. */
function withoutControllers(body: unknown): unknown {
  const {
    metadata,
    status: _,
    ...rest
  } = body as {
    metadata?: { annotations?: Record<string, string>; managedFields?: { manager?: string; subresource?: string }[] };
    status?: unknown;
  };
  const {
    "autoscaling.alpha.kubernetes.io/conditions": _conditions,
    "node.alpha.kubernetes.io/ttl": _ttl,
    ...annotations
  } = metadata?.annotations ?? {};
  const managedFields = metadata?.managedFields?.filter(
    ({ manager = "", subresource }) => !subresource && ["differential", "me"].includes(manager),
  );
  return { ...rest, metadata: { ...metadata, annotations, managedFields } };
}

function walk(value: unknown, key: string): unknown {
  if (Array.isArray(value) && value.includes("system:authenticated")) return "those of the user";
  if (Array.isArray(value)) {
    return value.map((item) => walk(item, ""));
  }
  if (typeof value === "string") return key === "message" ? message(value) : shared(value);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !unshared.has(name) || typeof value[name as keyof typeof value] === "object");
  return Object.fromEntries(entries.map(([name, child]) => [name, walk(child, name)]));
}

/** The errors of one message, "[a, b]", in one order; the moment and uids that some messages carry left out. */
function message(text: string): string {
  const plain = shared(text);
  const list = /^(.*?: )\[(.*)\]$/s.exec(plain);
  return list
    ? `${list[1]}[${(list[2] ?? "")
        .split(/, (?=[a-zA-Z0-9.[\]()/-]+: )/)
        .sort()
        .join(", ")}]`
    : plain;
}

function shared(text: string): string {
  const plain = withDumps(text)
    // What would change in a pod is told in the words of Go's structs.
    .replace(/(?<=previously negative\)).*?(?=, [a-zA-Z.]+: |\]$|$)/s, "");
  return plain
    .replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+( [+-]\d{4} UTC|Z)( m=\+[\d.]+)?/g, "TIME")
    .replaceAll(uid, "UID")
    .replaceAll(given, "GIVEN");
}

const jsonStart = / value: (?=[{[]|"\{|null\b)/g;

/** The text with each object in it, as upstream prints what it refuses, in one form. */
function withDumps(text: string): string {
  let out = "";
  let at = 0;
  for (const { index, 0: start } of text.matchAll(jsonStart)) {
    const from = index + start.length;
    if (from < at) continue;
    const to = endOfJson(text, from);
    out += text.slice(at, from) + dump(text.slice(from, to));
    at = to;
  }
  return out + text.slice(at);
}

/** Where the JSON value that starts there ends. */
function endOfJson(text: string, from: number): number {
  let depth = 0;
  for (const { index, 0: token } of text.slice(from).matchAll(/"(?:[^"\\]|\\.)*"|[{[]|[}\]]|null/g)) {
    if ("{[".includes(token)) depth++;
    else if ("}]".includes(token)) depth--;
    if (depth === 0) return from + index + token.length;
  }
  return text.length;
}

/**
 * An object within a text: the order and case of its members and whether the empty ones are there follow from Go's own structs, which
 * clients never see otherwise; who owns what is not told there by hue.
 */
function dump(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return JSON.stringify(bare(typeof value === "string" ? JSON.parse(value) : value)) ?? "{}";
  } catch {
    return text;
  }
}

function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.length > 0 ? value.map(bare) : undefined;
  if (typeof value !== "object" || value === null) return value || undefined;
  const entries = Object.entries(value)
    .filter(([name]) => name !== "managedFields" && !unshared.has(name))
    .map(([name, child]): [string, unknown] => [name.toLowerCase(), bare(child)])
    .filter(([, child]) => child !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))) : undefined;
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
