import type { Environment } from "@marcbachmann/cel-js";
import { Duration } from "@marcbachmann/cel-js/evaluator";
import { goRegExp } from "../../schema/go-regexp.ts";

/** What `matches` is called in a checked expression: the engine's own reads patterns as JavaScript's. */
export const linearMatches = "matches_string";

/** cel-go's extended strings library, as far as the engine lacks it, and Kubernetes' `find` and `findAll`. */
export function registerStrings(environment: Environment): void {
  environment
    .registerFunction("string.charAt(int): string", (text: string, at: bigint) => {
      const characters = [...text];
      if (at < 0 || at > characters.length) throw new Error(`index out of range: ${at}`);
      return characters[Number(at)] ?? "";
    })
    .registerFunction("string.replace(string, string): string", (text: string, from: string, to: string) => text.replaceAll(from, to))
    .registerFunction("string.replace(string, string, int): string", replaceSome)
    .registerFunction("string.reverse(): string", (text: string) => [...text].reverse().join(""))
    .registerFunction("string.format(list): string", format)
    .registerFunction("string.find(string): string", (text: string, pattern: string) => findAll(text, pattern, 1)[0] ?? "")
    .registerFunction(`string.${linearMatches}(string): bool`, (text: string, pattern: string) => goRegExp(pattern).test(text))
    .registerFunction("string.findAll(string): list<string>", (text: string, pattern: string) => findAll(text, pattern))
    .registerFunction("string.findAll(string, int): list<string>", (text: string, pattern: string, limit: bigint) =>
      findAll(text, pattern, limit < 0n ? undefined : Number(limit)),
    );
  class Strings {}
  environment
    .registerType("kubernetes.Strings", Strings)
    .registerConstant("strings", "kubernetes.Strings", new Strings())
    .registerFunction("kubernetes.Strings.quote(string): string", (_: unknown, text: string) => JSON.stringify(text));
}

function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  let left = limit < 0n ? Number.POSITIVE_INFINITY : Number(limit);
  return text.replaceAll(from, (found) => (left-- > 0 ? to : found));
}

function findAll(text: string, pattern: string, limit = Number.POSITIVE_INFINITY): string[] {
  const matcher = goRegExp(pattern).matcher(text);
  const found: string[] = [];
  while (found.length < limit && matcher.find()) found.push(matcher.group() ?? "");
  return found;
}

const bases: Record<string, number> = { b: 2, o: 8, x: 16, X: 16 };

/** `"%s has %d".format([...])`: the verbs of the strings extension. */
function format(template: string, values: readonly unknown[]): string {
  let next = 0;
  const text = template.replace(/%(?:%|(?:\.(\d+))?([a-zA-Z]))/g, (clause, precision: string | undefined, verb: string | undefined) => {
    if (!verb) return "%";
    if (next >= values.length) throw new Error(`index ${next} out of range`);
    const value = values[next++];
    if (verb === "s") return shown(value);
    if (verb === "d") return String(value);
    if (verb === "f") return Number(value).toFixed(Number(precision ?? 6));
    if (verb === "e")
      return Number(value)
        .toExponential(Number(precision ?? 6))
        .replace(/e([+-])(\d)$/, "e$10$2");
    const base = bases[verb];
    if (!base) throw new Error(`could not parse formatting clause: unrecognized formatting clause ${JSON.stringify(clause)}`);
    const digits =
      typeof value === "string" || value instanceof Uint8Array ? Buffer.from(value).toString("hex") : BigInt(String(value)).toString(base);
    return verb === "X" ? digits.toUpperCase() : digits;
  });
  return text;
}

/** A value as %s prints it. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
  if (value instanceof Date) return value.toISOString().replace(/\.0+Z$/, "Z");
  if (value instanceof Duration) return `${Number(value.seconds) + value.nanos / 1e9}s`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (typeof value !== "object" || value === null || value.constructor !== Object) return String(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${name}: ${shown(member)}`).join(", ")}}`;
}
