import type { ASTNode } from "@marcbachmann/cel-js";
import { isJsonObject } from "../schema/struct.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";
import { celName } from "./rule-types.ts";

/** How large a value can be: characters, items or members; and what is in it. */
export interface Extent {
  max: number;
  items?: Extent | undefined;
  keys?: Extent | undefined;
  field?(name: string): Extent | undefined;
}

/** The largest request, in bytes: no list or text in it is larger. */
const requestBytes = 3 * 1024 * 1024;
const scalar: Extent = { max: 1 };
const anything: Extent = { max: requestBytes - 2 };

/** How large values of the schema can be. */
export function extentOf(schema: JSONSchemaProps): Extent {
  const { type, items, additionalProperties, properties = {} } = schema;
  if (schema["x-kubernetes-int-or-string"]) return anything;
  if (type === "string") return { max: lengthOf(schema) };
  if (type === "array" && items && !Array.isArray(items)) return { max: schema.maxItems ?? mostOf(items), items: extentOf(items) };
  if (type === "object" && isJsonObject(additionalProperties)) {
    const max = schema.maxProperties ?? Math.floor((requestBytes - 2) / (smallest(additionalProperties) + 6));
    return { max, keys: anything, items: extentOf(additionalProperties) };
  }
  if (type !== "object") return scalar;
  const fields = new Map(Object.entries(properties).map(([name, property]) => [celName(name), property]));
  return {
    max: Math.max(1, fields.size),
    field(name) {
      const property = fields.get(name);
      return property && extentOf(property);
    },
  };
}

/** How many items of that schema a request can hold. */
export function mostOf(items: JSONSchemaProps): number {
  return Math.floor(requestBytes / (smallest(items) + 1));
}

function lengthOf({ maxLength, format, enum: values }: JSONSchemaProps): number {
  if (format === "date") return 10;
  if (format === "date-time" || format === "duration") return 32;
  if (maxLength !== undefined) return format === "byte" ? maxLength : maxLength * 4;
  return values?.length ? Math.max(...values.map((value) => String(value).length)) : anything.max;
}

/** The least bytes of JSON that a value of the schema takes. */
function smallest({ type, properties = {}, required = [] }: JSONSchemaProps): number {
  if (type === "boolean") return 4;
  if (type === "integer" || type === "number" || !type) return 1;
  const parts = required.flatMap((name) => {
    const property = type === "object" ? properties[name] : undefined;
    return property && property.default === undefined ? [name.length + smallest(property) + 4] : [];
  });
  return parts.reduce((sum, part) => sum + part, 2);
}

interface Estimate {
  cost: number;
  extent: Extent;
}

type Scope = ReadonlyMap<string, Extent>;

/** The most that one evaluation can cost, in the units of cel-go's estimator. */
export function estimateCost(ast: ASTNode, self: Extent): number {
  return estimate(
    ast,
    new Map([
      ["self", self],
      ["oldSelf", self],
    ]),
  ).cost;
}

function estimate(node: ASTNode, scope: Scope): Estimate {
  switch (node.op) {
    case "value":
      return { cost: 0, extent: typeof node.args === "string" ? { max: node.args.length } : scalar };
    case "id":
      return { cost: 1, extent: scope.get(node.args) ?? scalar };
    case ".":
    case ".?": {
      const { cost, extent } = estimate(node.args[0], scope);
      return { cost: cost + 1, extent: extent.field?.(node.args[1]) ?? extent.items ?? scalar };
    }
    case "list": {
      const parts = node.args.map((part) => estimate(part, scope));
      return { cost: 10 + total(parts), extent: { max: parts.length, items: parts[0]?.extent } };
    }
    case "map": {
      const parts = node.args.flatMap(([key, value]) => [estimate(key, scope), estimate(value, scope)]);
      return { cost: 30 + total(parts), extent: { max: node.args.length, keys: parts[0]?.extent, items: parts[1]?.extent } };
    }
    case "?:": {
      const [condition, left, right] = node.args.map((part) => estimate(part, scope));
      if (!condition || !left || !right) return { cost: 1, extent: scalar };
      return {
        cost: condition.cost + Math.max(left.cost, right.cost),
        extent: left.extent.max > right.extent.max ? left.extent : right.extent,
      };
    }
    case "!_":
    case "-_":
      return { cost: estimate(node.args, scope).cost + 1, extent: scalar };
    case "call":
      return node.args[0] === "has" && node.args[1][0] ? estimate(node.args[1][0], scope) : called(node.args[0], node.args[1], scope);
    case "rcall":
      return comprehension(node.args, scope) ?? called(node.args[0], [node.args[1], ...node.args[2]], scope);
    default:
      return operation(node.op, node.args, scope);
  }
}

function total(parts: readonly Estimate[]): number {
  return parts.reduce((sum, { cost }) => sum + cost, 0);
}

/** A text's or list's part of the cost where it is gone through. */
function part(size: number, factor: number): number {
  return Math.max(1, Math.ceil(size * factor));
}

function operation(op: string, operands: readonly ASTNode[], scope: Scope): Estimate {
  const parts = operands.map((operand) => estimate(operand, scope));
  const [left = scalar, right = scalar] = parts.map(({ extent }) => extent);
  const sum = total(parts);
  if (op === "&&" || op === "||") return { cost: sum, extent: scalar };
  if (op === "[]" || op === "[?]") return { cost: sum + 1, extent: left.items ?? scalar };
  if (op === "in") return { cost: sum + (right.keys ? 1 : right.max), extent: scalar };
  if (op === "+" && !left.items) return { cost: sum + part(left.max + right.max, 0.1), extent: { max: left.max + right.max } };
  if (op === "+") return { cost: sum + 1, extent: { ...left, max: left.max + right.max } };
  return { cost: sum + part(Math.min(left.max, right.max), 0.1), extent: scalar };
}

const traversing = new Set(["isSorted", "sum", "min", "max", "indexOf", "lastIndexOf"]);
const reading = new Set(["url", "isURL", "ip", "isIP", "cidr", "isCIDR", "quantity", "isQuantity", "semver", "isSemver", "validate"]);
const rewriting = new Set(["lowerAscii", "upperAscii", "replace", "split", "substring", "trim", "reverse", "quote", "format"]);

function called(name: string, operands: readonly ASTNode[], scope: Scope): Estimate {
  const parts = operands.map((operand) => estimate(operand, scope));
  const [first = scalar, second = scalar] = parts.map(({ extent }) => extent);
  const sum = total(parts);
  if (name === "startsWith" || name === "endsWith") return { cost: sum + part(second.max, 0.1), extent: scalar };
  if (name === "contains") return { cost: sum + part(first.max, 0.1) * part(second.max, 0.1), extent: scalar };
  if (name === "matches" || name === "find" || name === "findAll")
    return { cost: sum + part(first.max + 1, 0.1) * part(second.max, 0.25), extent: { ...first, items: first } };
  if (traversing.has(name)) return { cost: sum + first.max * part(first.items?.max ?? 1, 0.1), extent: first.items ?? scalar };
  if (reading.has(name)) return { cost: sum + part(first.max, 0.1), extent: scalar };
  if (name === "join") return { cost: sum + part(first.max, 0.1), extent: { max: Number.MAX_SAFE_INTEGER } };
  if (rewriting.has(name)) return { cost: sum + part(first.max, 0.1), extent: { ...first, items: first } };
  return { cost: sum + 1, extent: name === "orValue" || name === "value" ? first : scalar };
}

/** What a step costs beside its own parts, and what comes out of it. */
const macros: Record<string, { overhead: number; end: number; result: "bool" | "step" | "range" } | undefined> = {
  all: { overhead: 3, end: 1, result: "bool" },
  exists: { overhead: 4, end: 1, result: "bool" },
  exists_one: { overhead: 2, end: 2, result: "bool" },
  map: { overhead: 12, end: 11, result: "step" },
  filter: { overhead: 13, end: 11, result: "range" },
};

function comprehension([name, receiver, args]: readonly [string, ASTNode, ASTNode[]], scope: Scope): Estimate | undefined {
  const macro = macros[name];
  const [variable, ...steps] = args;
  if (!macro || variable?.op !== "id" || steps.length === 0) return undefined;
  const range = estimate(receiver, scope);
  const inner = new Map(scope).set(variable.args, range.extent.keys ?? range.extent.items ?? scalar);
  const parts = steps.map((step) => estimate(step, inner));
  const results = { bool: scalar, range: range.extent, step: { max: range.extent.max, items: parts.at(-1)?.extent } };
  return { cost: range.cost + macro.end + range.extent.max * (macro.overhead + total(parts)), extent: results[macro.result] };
}
