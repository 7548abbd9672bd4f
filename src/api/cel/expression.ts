import { type Environment, EvaluationError, ParseError, TypeError as CelTypeError } from "@marcbachmann/cel-js";

/** A CEL expression, compiled. */
export interface Expression {
  /** The value for these variables, by their names. Throws an Error that says why there is none. */
  evaluate(variables: Readonly<Record<string, unknown>>): unknown;
}

/**
 * Compiles an expression that gives a bool. Throws an Error in the words of Kubernetes: "compilation failed: ERROR: <input>:1:5: ...",
 * or "must evaluate to bool".
 */
export function compileCondition(environment: Environment, text: string): Expression {
  let parsed: ReturnType<Environment["parse"]>;
  try {
    parsed = environment.parse(text);
  } catch (error) {
    throw new Error(`compilation failed: ${describe(error, text)}`);
  }
  const { valid, type, error } = parsed.check();
  if (!valid) throw new Error(`compilation failed: ${describe(error, text)}`);
  if (type !== "bool" && type !== "dyn") throw new Error("must evaluate to bool");
  return { evaluate: (variables) => parsed({ ...variables }) };
}

/** What the compiler says, with the place: as cel-go prints it. */
function describe(error: unknown, text: string): string {
  if (!(error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError)) return String(error);
  const offset = error.range?.start ?? 0;
  const before = text.slice(0, offset).split("\n");
  const column = before.at(-1)?.length ?? 0;
  const syntax = error instanceof ParseError ? "Syntax error: " : "";
  const line = text.split("\n")[before.length - 1] ?? "";
  return `ERROR: <input>:${before.length}:${column + 1}: ${syntax}${error.summary}\n | ${line}\n | ${".".repeat(column)}^`;
}

/** JSON data as CEL sees it: whole numbers are ints. */
export function celValue(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(celValue);
  return Object.fromEntries(Object.entries(value).flatMap(([name, member]) => (member === undefined ? [] : [[name, celValue(member)]])));
}
