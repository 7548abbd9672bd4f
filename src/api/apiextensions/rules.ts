import { EvaluationError, Optional } from "@marcbachmann/cel-js";
import { type CostBudget, CostLimitExceeded, costBudgets, OutOfBudget } from "../cel/cost.ts";
import { type CompiledExpression, compileExpression } from "../cel/expression.ts";
import type { FieldError } from "../errors.ts";
import { deepEqual } from "../meta/equality.ts";
import { isJsonObject } from "../schema/struct.ts";
import type { JSONSchemaProps, ValidationRule } from "../types/apiextensions.v1.ts";
import { pathParts } from "./rule-paths.ts";
import { type RuleType, RuleTypes } from "./rule-types.ts";

/** Where rules tell what they find wrong; `warn` of what has been so before, and may stay. */
export interface RuleFindings {
  errors: FieldError[];
  warn?: ((message: string) => void) | undefined;
}

/** Runs rules on a value, within the budget of one object; `old` is the value before, undefined where there is none that corresponds. */
export type RuleCheck = (value: unknown, old: unknown, path: string, findings: RuleFindings) => void;

/** The findings of one object, and what its rules may still cost: less than nothing when no more are to run. */
interface Findings extends RuleFindings {
  budget: CostBudget;
}
type CheckAt = (value: unknown, old: unknown, path: string, findings: Findings) => void;

/** A rule ready to run; an expression that does not compile is the Error that says why. */
export interface CompiledRule {
  rule: ValidationRule;
  usesOld: boolean;
  expression: CompiledExpression | Error;
  message: CompiledExpression | Error | undefined;
}

/** The rules of one schema, compiled. */
export interface RuledSchema {
  type: RuleType;
  rules: CompiledRule[];
}

/** Compiles the rules of every schema below the root that has any. */
export function compileRules(root: JSONSchemaProps): Map<JSONSchemaProps, RuledSchema> {
  if (!hasRules(root)) return new Map();
  const found: { schema: JSONSchemaProps; type: RuleType }[] = [];
  const types = new RuleTypes();
  const visit = (schema: JSONSchemaProps, name: string, isRoot: boolean): void => {
    if (schema["x-kubernetes-validations"]?.length) {
      const type = types.of(schema, name, isRoot);
      if (type) found.push({ schema, type });
    }
    for (const [key, child] of childrenOf(schema)) visit(child, `${name}.${key}`, false);
  };
  visit(root, "selfType", true);
  return new Map(
    found.map(({ schema, type }) => [
      schema,
      { type, rules: (schema["x-kubernetes-validations"] ?? []).map((rule) => compiled(types, type, rule)) },
    ]),
  );
}

/** The schemas directly below. */
export function childrenOf({ properties = {}, items, additionalProperties }: JSONSchemaProps): [string, JSONSchemaProps][] {
  return [
    ...Object.entries(properties),
    ...(items && !Array.isArray(items) ? [["@idx", items] as [string, JSONSchemaProps]] : []),
    ...(isJsonObject(additionalProperties) ? [["@elem", additionalProperties] as [string, JSONSchemaProps]] : []),
  ];
}

function hasRules(schema: JSONSchemaProps): boolean {
  return !!schema["x-kubernetes-validations"]?.length || childrenOf(schema).some(([, child]) => hasRules(child));
}

function compiled(types: RuleTypes, type: RuleType, rule: ValidationRule): CompiledRule {
  const scope = types.scope(type, rule.optionalOldSelf === true);
  const compile = (text: string): CompiledExpression | Error => {
    try {
      return compileExpression(scope, text);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  return {
    rule,
    usesOld: /\boldSelf\b/.test(rule.rule),
    expression: compile(rule.rule),
    message: rule.messageExpression ? compile(rule.messageExpression) : undefined,
  };
}

/** The check of all rules at and below a schema; undefined where there are none: objects then cost nothing. */
export function ruleCheckOf(root: JSONSchemaProps): RuleCheck | undefined {
  const rules = compileRules(root);
  const check = rules.size > 0 ? checkAt(root, rules) : undefined;
  return check && ((value, old, path, findings) => check(value, old, path, { ...findings, budget: { left: costBudgets.request } }));
}

function checkAt(schema: JSONSchemaProps, all: ReadonlyMap<JSONSchemaProps, RuledSchema>): CheckAt | undefined {
  const own = all.get(schema);
  const properties = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const check = checkAt(property, all);
    return check ? [{ name, check }] : [];
  });
  const { items, additionalProperties } = schema;
  const each = items && !Array.isArray(items) ? checkAt(items, all) : undefined;
  const others = isJsonObject(additionalProperties) ? checkAt(additionalProperties, all) : undefined;
  if (!own && properties.length === 0 && !each && !others) return undefined;
  const keys = schema["x-kubernetes-list-type"] === "map" ? (schema["x-kubernetes-list-map-keys"] ?? []) : undefined;
  return (value, old, path, findings) => {
    if (value === null) return;
    if (own) for (const rule of own.rules) runRule(rule, own.type, { value, old, path }, findings);
    if (Array.isArray(value)) {
      const find = keys && Array.isArray(old) ? correlate(old, keys) : undefined;
      if (each) for (const [i, item] of value.entries()) each(item, find?.(item), `${path}[${i}]`, findings);
    } else if (isJsonObject(value)) {
      const before = isJsonObject(old) ? old : {};
      for (const { name, check } of properties)
        if (value[name] !== undefined) check(value[name], before[name], path ? `${path}.${name}` : name, findings);
      if (others) for (const [name, member] of Object.entries(value)) others(member, before[name], `${path}[${name}]`, findings);
    }
  };
}

/** Finds the item of the list before that has the same keys. */
export function correlate(old: readonly unknown[], keys: readonly string[]): (item: unknown) => unknown {
  const identity = (item: unknown): string => (isJsonObject(item) ? JSON.stringify(keys.map((key) => item[key])) : "");
  const byKeys = new Map(old.map((item) => [identity(item), item]));
  return (item) => byKeys.get(identity(item));
}

interface Place {
  value: unknown;
  old: unknown;
  path: string;
}

function runRule({ rule, usesOld, expression, message }: CompiledRule, type: RuleType, place: Place, findings: Findings): void {
  const { value, old, path } = place;
  const { budget } = findings;
  if (budget.left < 0) return;
  if (expression instanceof Error || (usesOld && old === undefined && !rule.optionalOldSelf)) return;
  const before = old === undefined || old === null ? undefined : type.toCel(old);
  const variables = { self: type.toCel(value), oldSelf: rule.optionalOldSelf ? Optional.of(before) : before };
  const refuse = (error: FieldError): void => {
    // What was wrong before and has not changed may stay (KEP-4008); a rule about the change itself has seen it.
    if (usesOld || old === undefined || !deepEqual(value, old)) findings.errors.push(error);
    else findings.warn?.(`${error.field}: ${error.message}`);
  };
  const invalid = (why: string): FieldError => ({
    reason: "FieldValueInvalid",
    field: path || "<nil>",
    message: `Invalid value: "${kindOf(value)}": ${why}`,
  });
  try {
    if (expression.evaluate(variables, budget) === true) return;
  } catch (error) {
    if (error instanceof CostLimitExceeded) {
      budget.left = -1;
      findings.errors.push(invalid(costText(error, rule)));
    } else refuse(invalid(`${evaluationText(error)} evaluating rule: ${rule.message || rule.rule.trim()}`));
    return;
  }
  try {
    refuse(failure(rule, messageOf(rule, message, variables, budget), place));
  } catch (error) {
    budget.left = -1;
    refuse(invalid(messageCostText(error, rule)));
  }
}

function costText(error: CostLimitExceeded, { rule, message }: ValidationRule): string {
  if (error instanceof OutOfBudget) return error.message;
  return `'${error.message}': no further validation rules will be run due to call cost exceeds limit for rule: ${message || rule.trim()}`;
}

function messageCostText(error: unknown, { messageExpression }: ValidationRule): string {
  if (error instanceof OutOfBudget) return error.message.replace("validation", "messageExpression evaluation");
  const expression = JSON.stringify(messageExpression);
  return `no further validation rules will be run due to call cost exceeds limit for messageExpression: ${expression}`;
}

/** Throws CostLimitExceeded when the message costs too much. */
function messageOf(
  rule: ValidationRule,
  expression: CompiledRule["message"],
  variables: Record<string, unknown>,
  budget: CostBudget,
): string {
  const byDefault = rule.message || `failed rule: ${rule.rule.trim()}`;
  if (!expression || expression instanceof Error) return byDefault;
  try {
    const text = expression.evaluate(variables, budget);
    return typeof text === "string" && text.trim() && !text.includes("\n") ? text : byDefault;
  } catch (error) {
    if (error instanceof CostLimitExceeded) throw error;
    return byDefault;
  }
}

function failure(rule: ValidationRule, detail: string, { value, path }: Place): FieldError {
  const parts = rule.fieldPath ? pathParts(rule.fieldPath) : undefined;
  const below = parts?.map((part) => (/^[A-Za-z_]\w*$/.test(part) ? `.${part}` : `[${part}]`)).join("") ?? "";
  const field = (path + below).replace(/^\./, "") || "<nil>";
  const shown = typeof value === "object" || parts ? "" : `: ${JSON.stringify(value)}`;
  const texts = {
    FieldValueInvalid: `Invalid value${shown}: ${detail}`,
    FieldValueForbidden: `Forbidden: ${detail}`,
    FieldValueRequired: `Required value: ${detail}`,
    FieldValueDuplicate: `Duplicate value${shown}`,
  };
  const reason = rule.reason ?? "FieldValueInvalid";
  return { reason, field, message: texts[reason] };
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value;
}

function evaluationText(error: unknown): string {
  const text = error instanceof EvaluationError ? error.summary : error instanceof Error ? error.message : String(error);
  return text
    .replace(/^No such key: index out of bounds, index (-?\d+).*/, "index out of bounds: $1")
    .replace(/^No such key/, "no such key");
}
