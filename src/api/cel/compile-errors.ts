import type { ASTNode, ParseError } from "@marcbachmann/cel-js";
import { isFormat } from "../schema/formats.ts";
import { goRegExp } from "../schema/go-regexp.ts";
import { linearMatches } from "./library/strings.ts";

/** What is wrong with an expression, and where: an offset in its text. */
export interface Issue {
  at: number;
  message: string;
}

/** What the library throws when it parses or checks. */
interface CelError {
  code: string;
  summary: string;
  node?: Partial<Node>;
  range?: { start: number };
}

/** A node as the type checker leaves it. */
interface Node {
  op: string;
  args: unknown;
  pos: number;
  start: number;
  end: number;
  checkedType?: { name: string };
}

const beginnings = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
const tokens: Record<string, string> = { RPAREN: "')'", RBRACKET: "']'", COLON: "':'", RBRACE: "'}'", LPAREN: "'('" };

/** The type as cel-go writes it: "list(int)" for "list<int>". */
export function typeText(type: string): string {
  return type
    .replaceAll("<", "(")
    .replaceAll(">", ")")
    .replaceAll("optional(", "optional_type(")
    .replace(/\b(list|map)\b(?!\()/g, (name) => (name === "list" ? "list(dyn)" : "map(dyn, dyn)"));
}

/** As above, where cel-go speaks of arguments: it has short names for some types there. */
function argumentText(type: string | undefined): string {
  return typeText(type ?? "dyn").replaceAll(/google\.protobuf\.(Duration|Timestamp)/g, (_, name: string) => name.toLowerCase());
}

/** The parser's complaint in the words of cel-go's parser, as far as it can be told: errors after the first are its guesses. */
export function syntaxIssues(error: ParseError, text: string): Issue[] {
  const at = error.range?.start ?? 0;
  const issue = (message: string, where = at): Issue => ({ at: where, message: `Syntax error: ${message}` });
  const rest = text.slice(at);
  const found = /^\s*$/.test(rest) ? "<EOF>" : (/^(?:\w+|"[^"]*"|'[^']*'|[=!<>]=|&&|\|\||.)/s.exec(rest)?.[0] ?? "");
  const end = found === "<EOF>";
  const call = /\w\s*\($/.test(text.slice(0, at).trimEnd());
  const nothingMore = `mismatched input '<EOF>' expecting ${call ? beginnings.replace("'.'", "')', '.'") : beginnings}`;
  switch (error.code) {
    case "unexpected_token":
      if (end) return [issue(nothingMore)];
      if (found === "," && text.slice(0, at).trimEnd().endsWith(",")) return [issue("mismatched input ',' expecting ']'")];
      return [issue(`extraneous input '${found}' expecting ${beginnings}`)];
    case "expected_token": {
      const [, wanted = "", got = ""] = /Expected (\w+), got (\w+)/.exec(error.summary) ?? [];
      if (wanted === "IDENTIFIER") return [issue(`no viable alternative at input '.${end ? "" : found}'`)];
      const token = tokens[wanted] ?? wanted;
      if (wanted === "RBRACKET" && end && !/[\w)\]]\s*\[[^[\]]*$/.test(text.slice(0, at)))
        return [issue("mismatched input '<EOF>' expecting {']', ','}")];
      if (wanted === "COLON" && (end || got === "RBRACE")) return [issue(`mismatched input '${found}' expecting ':'`)];
      return [issue(end || wanted === "COLON" ? `missing ${token} at '${found}'` : `extraneous input '${found}' expecting ${token}`)];
    }
    case "unexpected_character": {
      // What stands alone at the end could be left out; where more follows, nothing would be gained by that.
      const alone = rest.trim() === found;
      if (error.summary.includes("'")) return [issue(`${alone ? "extraneous" : "mismatched"} input '${found}' expecting <EOF>`)];
      const issues = [issue(`token recognition error at: '${/^[&|=] ?/.exec(rest)?.[0] ?? rest[0] ?? ""}'`)];
      return rest.length === 1 ? [...issues, issue(nothingMore, at + 1)] : issues;
    }
    case "unterminated_string":
    case "unterminated_triple_quoted_string":
      return [issue(`token recognition error at: '${rest}'`), issue(nothingMore, text.length)];
    case "invalid_macro_argument":
      return [{ at, message: "argument must be a simple name" }];
    case "reserved_identifier":
      return [{ at, message: error.summary.replace(/^R/, "r") }];
    case "invalid_integer":
      return [{ at, message: "invalid int literal" }];
    default:
      return [issue(error.summary)];
  }
}

/** What the type checker says, in the words of cel-go. `known` tells whether there is any function of that name. */
export function typeIssue({ code, summary, node = {}, range }: CelError, text: string, known: (name: string) => boolean): Issue {
  const found = { op: "", args: undefined, pos: 0, start: 0, end: 0, ...node } satisfies Node;
  const full = node as Node; // A checked node, whenever the checker names one; else it is not looked into.
  const here = node.op ? positionOf(full, text) : (range?.start ?? 0);
  const operands = node.op ? operandsOf(full) : [];
  const applied = (name: string, to = `(${operands.map(typeOf).join(", ")})`): Issue => ({
    at: here,
    message: `found no matching overload for '${name}' applied to '${to}'`,
  });
  const notBool = (operand: Node): Issue => ({
    at: positionOf(operand, text),
    message: `expected type 'bool' but found '${typeOf(operand)}'`,
  });
  switch (code) {
    case "unknown_variable":
      return undeclared(here, String(found.args));
    case "no_such_key":
      return { at: here, message: `undefined field '${summary.replace("No such key: ", "")}'` };
    case "no_such_overload":
      return applied(found.op === "in" ? "@in" : found.op.endsWith("_") ? found.op : `_${found.op}_`);
    case "incompatible_ternary_branches":
      return applied("_?_:_");
    case "invalid_logical_operand":
      return notBool(operands.find((operand) => !["bool", "dyn"].includes(operand.checkedType?.name ?? "")) ?? full);
    case "invalid_condition_type":
      return notBool(full);
    case "cannot_index_type":
    case "invalid_index_type":
      if (found.op.startsWith("[")) return applied("_[_]");
      return { at: here, message: `type '${typeOf(operands[0])}' does not support field selection` };
    case "no_matching_overload": {
      const [name] = found.args as [string]; // Of a call.
      if (!known(name)) return undeclared(here, name);
      if (found.op === "call") return applied(name);
      const [receiver, ...rest] = operands;
      const to = `(${rest.map(typeOf).join(", ")})`;
      const space = receiver?.op === "id" && receiver.checkedType?.name.toLowerCase() === `kubernetes.${receiver.args}`;
      return space ? applied(`${receiver.args}.${name}`, to) : applied(name, `${typeOf(receiver)}.${to}`);
    }
    case "invalid_comprehension_range":
      return {
        at: here,
        message: `expression of type '${typeOf(full)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
      };
    case "invalid_macro_argument":
      return { at: here, message: "invalid argument to has() macro" };
    default: {
      const [wanted, got] = [.../'([^']*)'/g[Symbol.matchAll](summary)].map(([, type]) => argumentText(type));
      return { at: here, message: code.startsWith("heterogeneous") ? `expected type '${wanted}' but found '${got}'` : summary };
    }
  }
}

/** What cel-go says of a name that it does not know. */
export function undeclared(at: number, name: string): Issue {
  return { at, message: `undeclared reference to '${name}' (in container '')` };
}

/** The issues as Kubernetes shows them, each with its line. */
export function issuesText(issues: readonly Issue[], text: string): string {
  return issues
    .map(({ at, message }) => {
      if (!text) return `ERROR: <input>:1:0: ${message}`;
      const before = text.slice(0, at).split("\n");
      const column = before.at(-1)?.length ?? 0;
      const line = text.split("\n")[before.length - 1] ?? "";
      return `ERROR: <input>:${before.length}:${column + 1}: ${message}\n | ${line}\n | ${".".repeat(column)}^`;
    })
    .join("\n");
}

function typeOf(node: Node | undefined): string {
  return argumentText(node?.checkedType?.name);
}

/** Where cel-go sees a node: at its operator, bracket or dot. */
function positionOf(node: Node, text: string): number {
  const [first] = operandsOf(node);
  const after = first?.end ?? node.start;
  switch (node.op) {
    case "call":
      return text.indexOf("(", node.start);
    case "rcall":
      return text.indexOf("(", text.indexOf(String((node.args as unknown[])[0]), after));
    case ".":
    case ".?":
      return text.lastIndexOf(".", node.pos);
    case "[]":
    case "[?]":
      return text.indexOf("[", after);
    case "?:":
      return text.indexOf("?", after);
    case "list":
    case "map":
    case "!_":
    case "-_":
      return node.pos;
    default:
      return first ? text.indexOf(node.op, after) : node.pos;
  }
}

/** The nodes directly below, the receiver first. */
export function operandsOf({ args }: Pick<Node, "args">): Node[] {
  if (isNode(args)) return [args];
  return Array.isArray(args) ? args.flatMap((one) => (isNode(one) ? [one] : operandsOf({ args: one }))) : [];
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "op" in value;
}

const literals: Record<string, (text: string) => boolean> = {
  matches: isPattern,
  duration: (text) => isFormat("duration", text),
  timestamp: (text) => isFormat("date-time", text),
};

function isPattern(text: string): boolean {
  try {
    goRegExp(text);
    return true;
  } catch {
    return false;
  }
}

/** Literals that could never be read: patterns, durations, timestamps. */
export function literalIssues(root: ASTNode | Node): Issue[] {
  const node: Node = root;
  const below = operandsOf(node).flatMap(literalIssues);
  if (node.op !== "call" && node.op !== "rcall") return below;
  const [name, ...rest] = node.args as [string, ...unknown[]]; // Of a call.
  const literal = [rest.at(-1)].flat()[0] as Node | undefined;
  const bad =
    literal?.op === "value" && typeof literal.args === "string" && Object.hasOwn(literals, name) && !literals[name]?.(literal.args);
  return bad && literal ? [...below, { at: literal.pos, message: `invalid ${name} argument` }] : below;
}

/** Lists and maps whose members have different types, which Kubernetes does not allow but as the arguments of format(). */
export function mixedLiterals(root: ASTNode | Node, text: string): Issue[] {
  const node: Node = root;
  const operands = operandsOf(node);
  if (node.op === "rcall" && Array.isArray(node.args) && node.args[0] === "format")
    return operands.slice(0, 1).flatMap((one) => mixedLiterals(one, text));
  const series =
    node.op === "list"
      ? [operands]
      : node.op === "map"
        ? [operands.filter((_, i) => i % 2 === 0), operands.filter((_, i) => i % 2 === 1)]
        : [];
  const own = series.flatMap(([first, ...rest]) => {
    const odd = first && rest.find((one) => !isSameType(typeOf(first), typeOf(one)));
    return odd ? [{ at: positionOf(odd, text), message: `expected type '${typeOf(first)}' but found '${typeOf(odd)}'` }] : [];
  });
  return [...own, ...operands.flatMap((one) => mixedLiterals(one, text))];
}

/** Empty lists and maps have types with a placeholder, which fits everything of their kind. */
function isSameType(a: string, b: string): boolean {
  const open = (type: string): boolean => /\b[A-Z]\b/.test(type);
  return a === b || ((open(a) || open(b)) && a.split("(")[0] === b.split("(")[0]);
}

/** Gives each `matches` to the function that reads patterns as Go's (RE2); before the check, which binds them. */
export function mendPatterns(root: ASTNode | Node): void {
  const node: Node = root;
  if (node.op === "rcall" && Array.isArray(node.args) && node.args[0] === "matches") node.args[0] = linearMatches;
  for (const operand of operandsOf(node)) mendPatterns(operand);
}

/** Where else that name, which nothing declares, is used: a variable of a macro hides it. */
export function usesOf(name: string, root: ASTNode | Node): number[] {
  const node: Node = root;
  if (node.op === "id") return node.args === name ? [node.pos] : [];
  const operands = operandsOf(node);
  const [receiver, first] = operands;
  if (node.op === "rcall" && receiver && first?.op === "id" && first.args === name) return usesOf(name, receiver);
  return operands.flatMap((operand) => usesOf(name, operand));
}
