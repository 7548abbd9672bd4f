import { type ASTNode, type Environment, EvaluationError, ParseError } from "@marcbachmann/cel-js";
import {
  type Issue,
  issuesText,
  literalIssues,
  mendPatterns,
  mixedLiterals,
  syntaxIssues,
  typeIssue,
  typeText,
  undeclared,
  usesOf,
} from "./compile-errors.ts";
import { rewriteConstructions } from "./construction.ts";
import { type CostBudget, limited, price } from "./cost.ts";
import { mendHas } from "./macros.ts";
import { setKey } from "../schema/struct.ts";

/** A CEL expression, compiled. */
export interface Expression {
  /**
   * The value for these variables, by their names. Throws an Error that says why there is none: CostLimitExceeded when it would cost
   * too much, OutOfBudget when it would cost more than `budget` has left.
   */
  evaluate(variables: Readonly<Record<string, unknown>>, budget?: CostBudget): unknown;
}

/** An expression with what its compiler knows of it. */
export interface CompiledExpression extends Expression {
  /** The name of its type: "bool", "string", "list<int>", "dyn". */
  type: string;
  ast: ASTNode;
}

/** What is asked of an expression. */
export interface CompileOptions {
  /** Types of which its value must have one, as the library names them; default: any. */
  returns?: readonly string[];
  /** Whether it may make objects: Object{...} and JSONPatch{...}. */
  patchTypes?: boolean;
  /** Where it runs once it has been checked, which may know less of types; default: where it is checked. */
  runIn?: Environment;
}

/**
 * Compiles an expression. Throws an Error in the words of Kubernetes: "compilation failed: ERROR: <input>:1:5: ...", or
 * "must evaluate to bool but got string".
 */
export function compileExpression(environment: Environment, text: string, options: CompileOptions = {}): CompiledExpression {
  const { returns, patchTypes = false, runIn = environment } = options;
  const rewritten = rewriteConstructions(text, patchTypes);
  const checked = check(environment, rewritten.text);
  const issues = [...rewritten.issues, ...checked.issues.map(({ at, message }) => ({ at: rewritten.original(at), message }))];
  const { parsed, type } = checked;
  if (issues.length > 0 || !parsed) {
    const ordered = issues.toSorted((a, b) => a.at - b.at);
    throw new Error(`compilation failed: ${issuesText(ordered, text)}`);
  }
  if (returns && !returns.includes(type)) {
    const wanted = returns.map(resultText);
    throw new Error(`must evaluate to ${wanted.length === 1 ? wanted[0] : `one of [${wanted.join(" ")}]`} but got ${resultText(type)}`);
  }
  // Parsed anew: a call that was checked keeps to the function that it was checked with.
  const run = runIn.parse(rewritten.text);
  mendHas(run.ast);
  mendPatterns(run.ast);
  price(run.ast);
  return { evaluate: (variables, budget) => limited(() => run(variables), budget), type, ast: parsed.ast };
}

function resultText(type: string): string {
  return type === "null" ? "null_type" : typeText(type);
}

/** The library stops at the first error; names that it does not know are declared then, to find what else is wrong. */
function check(environment: Environment, text: string): { issues: Issue[]; parsed?: ReturnType<Environment["parse"]>; type: string } {
  const issues: Issue[] = [];
  for (let round = 0; round < 20; round++) {
    let parsed: ReturnType<Environment["parse"]>;
    try {
      parsed = environment.parse(text);
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      return { issues: syntaxIssues(error, text), type: "dyn" };
    }
    mendHas(parsed.ast);
    if (round === 0) issues.push(...literalIssues(parsed.ast));
    const { error, type = "dyn" } = parsed.check();
    if (!error) {
      issues.push(...mixedLiterals(parsed.ast, text));
      return { issues, parsed, type: type.replace(/\b[A-Z]\b/g, "dyn") };
    }
    const known = new Set(environment.getDefinitions().functions.map(({ name }) => name));
    const issue = typeIssue(error, text, (name) => known.has(name));
    const name = /^undeclared reference to '([^']*)'/.exec(issue.message)?.[1];
    if (name !== undefined && error.code === "unknown_variable") {
      issues.push(...usesOf(name, parsed.ast).map((at) => undeclared(at, name)));
      environment = environment.clone().registerVariable(name, "dyn");
    } else {
      issues.push(issue);
      if (name === undefined || error.node?.op === undefined) break;
      const call = error.node.args as [string, ...unknown[]]; // An undeclared name with arguments is a call's.
      const args = [call.at(-1)].flat().map(() => "dyn");
      const of = error.node.op === "rcall" ? "dyn." : "";
      environment = environment.clone().registerFunction(`${of}${name}(${args.join(", ")}): dyn`, () => null);
    }
  }
  return { issues, type: "dyn" };
}

const noOverload = new Set([
  "no_such_overload",
  "no_matching_overload",
  "invalid_logical_operand",
  "invalid_condition_type",
  "invalid_comprehension_range",
  "cannot_index_type",
  "unsupported_type",
]);
const conversions: Record<string, string> = {
  int_conversion_error: "int",
  uint_conversion_error: "uint",
  double_conversion_error: "double",
  bool_conversion_error: "bool",
  invalid_timestamp: "google.protobuf.Timestamp",
  invalid_duration: "google.protobuf.Duration",
};
const evaluationTexts: Record<string, string> = {
  division_by_zero: "division by zero",
  modulo_by_zero: "modulus by zero",
  numeric_overflow: "integer overflow",
  optional_value_missing: "optional.none() dereference",
};

/** What cel-go says of an error that evaluation has thrown. */
export function evaluationText(error: unknown): string {
  if (!(error instanceof EvaluationError)) return error instanceof Error ? error.message : String(error);
  if (noOverload.has(error.code)) return "no such overload";
  const to = conversions[error.code];
  if (to !== undefined) return `type conversion error from 'string' to '${to}'`;
  if (error.summary.startsWith("Unsigned")) return "unsigned integer overflow";
  if (error.code === "index_out_of_bounds") return `index out of bounds: ${/index (-?\d+)/.exec(error.summary)?.[1]}`;
  return evaluationTexts[error.code] ?? error.summary.replace(/^No such key/, "no such key");
}

/** JSON data as CEL sees it: whole numbers are ints. */
export function celValue(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(celValue);
  const members: Record<string, unknown> = {};
  const from = value as Record<string, unknown>; // An object, read by its own keys.
  for (const name of Object.keys(from)) {
    const member = from[name];
    if (typeof member === "string") setKey(members, name, member);
    else if (member !== undefined) setKey(members, name, celValue(member));
  }
  return members;
}
