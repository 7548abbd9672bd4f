import { isScalar, LineCounter, parseAllDocuments, visit } from "yaml";
import { wholeNumber } from "./json-numbers.ts";

/** A YAML text that cannot be read; the message is in the form of Go's YAML library. */
export class YamlError extends Error {}

/**
 * The first document of a YAML text as JSON would have it, by the rules of Kubernetes (YAML 1.1: `yes` and `on` are booleans), and the keys
 * that occur twice as `line 9: key "foo" already set in map`. Of a key that occurs twice the last value counts. Throws YamlError.
 */
export function parseYaml(text: string): { value: unknown; duplicates: string[] } {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: "1.1",
    uniqueKeys: false,
    intAsBigInt: true,
    lineCounter: lines,
    customTags: (tags) => tags.filter((tag) => !isClock(tag)),
  });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  if (!document) return { value: null, duplicates: [] };
  const problem = document.errors[0];
  if (problem)
    throw new YamlError(
      `yaml: line ${problem.linePos?.[0].line ?? 1}: ${goWords[problem.code] ?? problem.message.replace(/ at line.*$/s, "")}`,
    );
  const duplicates: string[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value))
          duplicates.push(`line ${lines.linePos(key.range?.[0] ?? 0).line}: key ${JSON.stringify(key.value)} already set in map`);
        seen.add(key.value);
      }
    },
  });
  try {
    return { value: sortedKeys(document.toJS({ mapAsMap: false, maxAliasCount: 100 })), duplicates };
  } catch (error) {
    throw new YamlError(`yaml: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What Go's library says where ours has words of its own. */
const goWords: Record<string, string | undefined> = {
  BLOCK_AS_IMPLICIT_KEY: "mapping values are not allowed in this context",
  TAB_AS_INDENT: "found character that cannot start any token",
  BAD_ALIAS: "unknown anchor referenced",
};

/** Times and sexagesimal numbers of YAML 1.1, which Go reads as strings. */
function isClock(tag: unknown): boolean {
  if (typeof tag !== "object" || tag === null) return typeof tag === "string" && /time/i.test(tag);
  const { tag: name = "", format = "" } = tag as { tag?: string; format?: string }; // the two fields that tell them apart
  return name.endsWith(":timestamp") || format === "TIME";
}

/** Upstream turns YAML into JSON with sorted keys: strict errors come in that order. */
function sortedKeys(value: unknown): unknown {
  if (typeof value === "bigint") return wholeNumber(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sortedKeys(member)]),
  );
}
