import { type ASTNode, type Environment, EvaluationError, ParseError, TypeError as CelTypeError } from "@marcbachmann/cel-js";
import { mendHas } from "./macros.ts";

/** A CEL expression, compiled. */
export interface Expression {
  /** The value for these variables, by their names. Throws an Error that says why there is none. */
  evaluate(variables: Readonly<Record<string, unknown>>): unknown;
}

/** An expression with what its compiler knows of it. */
export interface CompiledExpression extends Expression {
  /** The name of its type: "bool", "string", "list<int>", "dyn". */
  type: string;
  ast: ASTNode;
}

/** Compiles an expression. Throws an Error in the words of Kubernetes: "compilation failed: ERROR: <input>:1:5: ...". */
export function compileExpression(environment: Environment, text: string): CompiledExpression {
  let parsed: ReturnType<Environment["parse"]>;
  try {
    parsed = environment.parse(text);
  } catch (error) {
    throw new Error(`compilation failed: ${describe(error, text)}`);
  }
  mendHas(parsed.ast);
  const { valid, type, error } = parsed.check();
  if (!valid) throw new Error(`compilation failed: ${describe(error, text)}`);
  return { evaluate: (variables) => parsed({ ...variables }), type: type ?? "dyn", ast: parsed.ast };
}

/** As compileExpression, for one that gives a bool: also throws "must evaluate to bool". */
export function compileCondition(environment: Environment, text: string): CompiledExpression {
  const compiled = compileExpression(environment, text);
  if (compiled.type !== "bool" && compiled.type !== "dyn") throw new Error("must evaluate to bool");
  return compiled;
}

/** What the compiler says, with the place: as cel-go prints it. */
function describe(error: unknown, text: string): string {
  if (!(error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError)) return String(error);
  const offset = error.range?.start ?? 0;
  const before = text.slice(0, offset).split("\n");
  const column = before.at(-1)?.length ?? 0;
  const why = error instanceof ParseError ? `Syntax error: ${error.summary}` : error.summary;
  const line = text.split("\n")[before.length - 1] ?? "";
  return `ERROR: <input>:${before.length}:${column + 1}: ${why}\n | ${line}\n | ${".".repeat(column)}^`;
}

/** JSON data as CEL sees it: whole numbers are ints. */
export function celValue(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(celValue);
  return Object.fromEntries(Object.entries(value).flatMap(([name, member]) => (member === undefined ? [] : [[name, celValue(member)]])));
}
