import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { isJsonObject } from "../schema/struct.ts";
import type { JSONSchemaProps, ValidationRule } from "../types/apiextensions.v1.ts";
import { estimateCost, extentOf, mostOf } from "./rule-costs.ts";
import { hasField } from "./rule-paths.ts";
import { type CompiledRule, compileRules } from "./rules.ts";

const ruleLimit = 10_000_000;
const schemaLimit = 100_000_000;
const reasons = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const advice = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";

/** Where a schema stands. */
interface Place {
  field: string;
  /** How many values of it an object can have. */
  count: number;
  /** The nearest schema above whose values cannot be told from those before. */
  uncorrelated: string | undefined;
}

/** What is wrong with the rules of a schema that is structural: also what they may cost. https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints */
export function validateRules(field: string, root: JSONSchemaProps): FieldError[] {
  const all = compileRules(root);
  if (all.size === 0) return [];
  const errors: FieldError[] = [];
  const costs: { field: string; cost: number }[] = [];
  const visit = (schema: JSONSchemaProps, place: Place): void => {
    const ruled = all.get(schema);
    for (const [i, rule] of ruled?.rules.entries() ?? [])
      errors.push(...validateRule(`${place.field}.x-kubernetes-validations[${i}]`, schema, rule, place, costs));
    for (const [child, at] of below(schema, place)) visit(child, at);
  };
  visit(root, { field, count: 1, uncorrelated: undefined });
  const total = costs.reduce((sum, { cost }) => sum + cost, 0);
  if (total > schemaLimit) {
    const most = costs.toSorted((a, b) => b.cost - a.cost).slice(0, 4);
    for (const { field: rule } of most)
      errors.push(fault.forbidden(rule, "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"));
    const what = `x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of ${factor(total / schemaLimit)}`;
    errors.push(fault.forbidden(field, `${what} ${advice}`));
  }
  return errors;
}

function below({ properties = {}, items, additionalProperties, ...schema }: JSONSchemaProps, place: Place): [JSONSchemaProps, Place][] {
  const { field, count } = place;
  const uncorrelated = place.uncorrelated ?? (schema["x-kubernetes-map-type"] === "atomic" ? field : undefined);
  const children: [JSONSchemaProps, Place][] = Object.entries(properties).map(([name, property]) => [
    property,
    { field: `${field}.properties[${name}]`, count, uncorrelated },
  ]);
  if (isJsonObject(additionalProperties)) {
    const { max } = extentOf({ type: "object", additionalProperties, ...schema });
    children.push([additionalProperties, { field: `${field}.additionalProperties`, count: count * max, uncorrelated }]);
  }
  if (items && !Array.isArray(items)) {
    const isMap = schema["x-kubernetes-list-type"] === "map";
    const most = count * (schema.maxItems ?? mostOf(items));
    children.push([items, { field: `${field}.items`, count: most, uncorrelated: uncorrelated ?? (isMap ? undefined : field) }]);
  }
  return children;
}

function validateRule(
  field: string,
  schema: JSONSchemaProps,
  { rule, expression, message, usesOld }: CompiledRule,
  { count, uncorrelated }: Place,
  costs: { field: string; cost: number }[],
): FieldError[] {
  const errors = validateTexts(field, schema, rule);
  if (!rule.rule?.trim()) return errors;
  if (rule.optionalOldSelf && !usesOld)
    errors.push(fault.invalid(`${field}.optionalOldSelf`, true, "may not be set if oldSelf is not used in rule"));
  const compiled = (key: "rule" | "messageExpression", code: CompiledRule["expression"], wanted: string, wrongType: string): void => {
    if (code instanceof Error)
      errors.push(fault.invalid(`${field}.${key}`, ruleShown(rule), (key === "rule" ? "" : "messageExpression ") + code.message));
    else if (code.type !== wanted) errors.push(fault.invalid(`${field}.${key}`, ruleShown(rule), wrongType));
    else {
      const cost = estimateCost(code.ast, extentOf(schema)) * count;
      costs.push({ field: `${field}.${key}`, cost });
      if (cost > ruleLimit) {
        const what = key === "rule" ? "rule" : "messageExpression";
        errors.push(
          fault.forbidden(`${field}.${key}`, `estimated ${what} cost exceeds budget by factor of ${factor(cost / ruleLimit)} ${advice}`),
        );
      }
    }
  };
  if (usesOld && uncorrelated)
    errors.push(
      fault.invalid(
        `${field}.rule`,
        rule.rule,
        `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`,
      ),
    );
  compiled("rule", expression, "bool", "cel expression must evaluate to a bool");
  if (message && rule.messageExpression?.trim())
    compiled("messageExpression", message, "string", "messageExpression must evaluate to a string");
  return errors;
}

function validateTexts(field: string, schema: JSONSchemaProps, rule: ValidationRule): FieldError[] {
  const errors: FieldError[] = [];
  const { message, messageExpression, reason, fieldPath } = rule;
  if (!rule.rule?.trim()) errors.push(fault.required(`${field}.rule`, "rule is not specified"));
  if (message && !message.trim()) errors.push(fault.invalid(`${field}.message`, message, "must be non-empty if specified"));
  else if (message?.trim().includes("\n")) errors.push(fault.invalid(`${field}.message`, message, "must not contain line breaks"));
  else if (rule.rule?.trim().includes("\n") && !message?.trim())
    errors.push(fault.required(`${field}.message`, "message must be specified if rule contains line breaks"));
  if (messageExpression && !messageExpression.trim())
    errors.push(fault.required(`${field}.messageExpression`, "messageExpression must be non-empty if specified"));
  if (reason && !reasons.includes(reason)) errors.push(fault.notSupported(`${field}.reason`, reason, reasons));
  if (fieldPath && !fieldPath.trim()) errors.push(fault.invalid(`${field}.fieldPath`, fieldPath, "must be non-empty if specified"));
  else if (fieldPath && !hasField(schema, fieldPath)) errors.push(fault.invalid(`${field}.fieldPath`, fieldPath, "must be a valid path"));
  return errors;
}

/** A rule as Go shows it. */
function ruleShown({ rule, message = "", messageExpression = "", reason, fieldPath = "", optionalOldSelf }: ValidationRule): object {
  return {
    Rule: rule,
    Message: message,
    MessageExpression: messageExpression,
    Reason: reason ?? null,
    FieldPath: fieldPath,
    OptionalOldSelf: optionalOldSelf ?? null,
  };
}

function factor(times: number): string {
  if (times > 100) return "more than 100x";
  return times < 1.5 ? `${times.toFixed(6)}x` : `${times.toFixed(1)}x`;
}
