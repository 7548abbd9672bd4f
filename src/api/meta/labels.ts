import { badRequest, type FieldError } from "../errors.ts";
import type { LabelSelector, LabelSelectorRequirement } from "../types/meta.v1.ts";
import * as fault from "./field-errors.ts";
import { checkLabelValue, checkQualifiedName } from "./names.ts";

/** Labels as objects carry them. */
export type Labels = Readonly<Record<string, string>> | undefined;

/** One condition of a selector, all of which have to hold. */
export interface Requirement {
  readonly key: string;
  readonly operator: "=" | "!=" | "in" | "notin" | "exists" | "!" | "gt" | "lt";
  readonly values: readonly string[];
}

/** A compiled selector. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  /** True when it selects everything. */
  readonly everything: boolean;
  matches(labels: Labels): boolean;
}

/** Selects every object. */
export const everything: Selector = { requirements: [], everything: true, matches: () => true };

/** Selects no object. */
export const nothing: Selector = { requirements: [], everything: false, matches: () => false };

/** A selector of these requirements. */
export function selectorOf(requirements: readonly Requirement[]): Selector {
  if (requirements.length === 0) return everything;
  const tests = requirements.map(compile);
  const [only] = tests;
  if (tests.length === 1 && only) return { requirements, everything: false, matches: only };
  return { requirements, everything: false, matches: (labels) => tests.every((test) => test(labels)) };
}

/** The selector of a matchLabels-like map: every label has to be there; an empty or absent map selects everything. */
export function selectorOfLabels(labels: Labels): Selector {
  return selectorOf(Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: "=", values: [value] })));
}

const operators: Record<string, Requirement["operator"]> = { In: "in", NotIn: "notin", Exists: "exists", DoesNotExist: "!" };
const compiled = new WeakMap<LabelSelector, Selector>();

/** The selector of a LabelSelector: an absent one selects nothing, an empty one everything. Compiled once: it must not change afterwards. */
export function selectorOfLabelSelector(selector: LabelSelector | undefined | null): Selector {
  if (!selector) return nothing;
  const known = compiled.get(selector);
  if (known) return known;
  const requirements: Requirement[] = [...selectorOfLabels(selector.matchLabels).requirements];
  for (const { key, operator, values } of selector.matchExpressions ?? [])
    requirements.push({ key, operator: operators[operator] ?? "in", values: values ?? [] });
  const result = selectorOf(requirements);
  compiled.set(selector, result);
  return result;
}

/** Whether the labels have every key and value of the wanted ones. */
export function matchesLabels(wanted: Labels, labels: Labels): boolean {
  for (const key in wanted) if (labels?.[key] !== wanted[key]) return false;
  return true;
}

/** Whether the LabelSelector selects an object with these labels. */
export function matchesLabelSelector(selector: LabelSelector | undefined | null, labels: Labels): boolean {
  return selectorOfLabelSelector(selector).matches(labels);
}

function compile({ key, operator, values }: Requirement): (labels: Labels) => boolean {
  const has = (labels: Labels): labels is Readonly<Record<string, string>> => labels !== undefined && Object.hasOwn(labels, key);
  switch (operator) {
    case "exists":
      return has;
    case "!":
      return (labels) => !has(labels);
    case "=":
    case "in": {
      const set = new Set(values);
      return (labels) => has(labels) && set.has(labels[key] ?? "");
    }
    case "!=":
    case "notin": {
      const set = new Set(values);
      return (labels) => !has(labels) || !set.has(labels[key] ?? "");
    }
    default: {
      const bound = BigInt(values[0] ?? "0");
      return (labels) => {
        const value = has(labels) ? labels[key] : undefined;
        if (value === undefined || !/^[+-]?\d+$/.test(value)) return false;
        return operator === "gt" ? BigInt(value) > bound : BigInt(value) < bound;
      };
    }
  }
}

const parsed = new Map<string, Selector>();

/** The selector of a text such as `a=b,c!=d,e in (f,g),!h,i>3`. Throws 400 in upstream's words. */
export function parseLabelSelector(text: string): Selector {
  const known = parsed.get(text);
  if (known) return known;
  const selector = selectorOf(new Parser(text).parse());
  if (parsed.size >= 1000) parsed.clear();
  parsed.set(text, selector);
  return selector;
}

/** The requirements as text, in the form that parseLabelSelector reads. */
export function formatSelector(requirements: readonly Requirement[]): string {
  return requirements
    .map(({ key, operator, values }) => {
      if (operator === "exists") return key;
      if (operator === "!") return `!${key}`;
      if (operator === "in" || operator === "notin") return `${key} ${operator} (${[...values].sort().join(",")})`;
      return `${key}${operator === "gt" ? ">" : operator === "lt" ? "<" : operator}${values[0] ?? ""}`;
    })
    .join(",");
}

/** A LabelSelector as kubectl's tables print it: "a=b,c in (d,e)", "<none>" when empty. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  const requirements = [...selectorOfLabelSelector(selector).requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return formatSelector(requirements) || "<none>";
}

/** Labels as kubectl's tables print them: "a=b,c=d" sorted by key, "<none>" when there are none. */
export function formatLabels(labels: Labels): string {
  const texts = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return texts.sort().join(",") || "<none>";
}

class Parser {
  private readonly tokens: string[];
  private position = 0;

  constructor(text: string) {
    this.tokens = text.match(/==|!=|[=!(),<>]|[^\s=!(),<>]+/g) ?? [];
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = [];
    while (this.peek() !== "") {
      if (!isIdentifier(this.peek()) && this.peek() !== "!")
        throw badRequest(`found '${this.peek()}', expected: !, identifier, or 'end of string'`);
      requirements.push(this.requirement());
      const next = this.take();
      if (next === "") break;
      if (next !== ",") throw badRequest(`found '${next}', expected: ',' or 'end of string'`);
      if (!isIdentifier(this.peek()) && this.peek() !== "!") throw badRequest(`found '${this.peek()}', expected: identifier after ','`);
    }
    return requirements;
  }

  private requirement(): Requirement {
    const negated = this.peek() === "!";
    if (negated) this.take();
    const key = this.take();
    if (!isIdentifier(key)) throw unparsable(`found '${key}', expected: identifier`);
    parsable("<nil>", key, checkQualifiedName(key));
    if (negated) return { key, operator: "!", values: [] };
    if (this.peek() === "" || this.peek() === ",") return { key, operator: "exists", values: [] };
    const operator = this.operator();
    const values = operator === "in" || operator === "notin" ? this.set() : [this.single()];
    for (const [i, value] of values.entries()) checkValue(i, key, operator, value);
    return { key, operator, values };
  }

  private operator(): Requirement["operator"] {
    const token = this.take();
    switch (token) {
      case "=":
      case "==":
        return "=";
      case "!=":
      case "in":
      case "notin":
        return token;
      case ">":
        return "gt";
      case "<":
        return "lt";
      default:
        throw unparsable(`found '${token}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  private single(): string {
    if (this.peek() === "" || this.peek() === ",") return "";
    const value = this.take();
    if (!isIdentifier(value)) throw unparsable(`found '${value}', expected: identifier`);
    return value;
  }

  private set(): string[] {
    const open = this.take();
    if (open !== "(") throw unparsable(`found '${open}' expected: '('`);
    const values = new Set<string>();
    if (this.peek() !== ")" && this.peek() !== "," && !isIdentifier(this.peek()))
      throw unparsable(`found '${this.peek()}', expected: ',', ')' or identifier`);
    for (;;) {
      values.add(isIdentifier(this.peek()) ? this.take() : "");
      const next = this.take();
      if (next === ")") return [...values];
      if (next !== ",") throw unparsable(`found '${next}', expected: ',' or ')'`);
    }
  }

  private peek(): string {
    return this.tokens[this.position] ?? "";
  }

  private take(): string {
    return this.tokens[this.position++] ?? "";
  }
}

function isIdentifier(token: string): boolean {
  return token !== "" && !/^[=!(),<>]/.test(token);
}

function checkValue(index: number, key: string, operator: Requirement["operator"], value: string): void {
  if (operator !== "gt" && operator !== "lt") parsable(`values[${index}][${key}]`, value, checkLabelValue(value));
  else if (!/^[+-]?\d+$/.test(value)) parsable(`values[${index}]`, value, ["for 'Gt', 'Lt' operators, the value must be an integer"]);
}

function parsable(field: string, value: string, errors: readonly string[]): void {
  if (errors.length > 0) throw unparsable(errors.map((text) => `${field}: ${fault.invalid(field, value, text).message}`).join(", "));
}

function unparsable(why: string): Error {
  return badRequest(`unable to parse requirement: ${why}`);
}

/** What is wrong with labels. */
export function validateLabels(field: string, labels: Labels): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...fault.checked(field, key, checkQualifiedName),
    ...fault.checked(field, value, checkLabelValue),
  ]);
}

/** What is wrong with a LabelSelector. */
export function validateLabelSelector(field: string, selector: LabelSelector | undefined | null): FieldError[] {
  if (!selector) return [];
  const expressions = selector.matchExpressions ?? [];
  return [
    ...validateLabels(`${field}.matchLabels`, selector.matchLabels),
    ...expressions.flatMap((expression, i) => validateExpression(`${field}.matchExpressions[${i}]`, expression)),
  ];
}

function validateExpression(field: string, { key, operator, values = [] }: LabelSelectorRequirement): FieldError[] {
  const errors: FieldError[] = [];
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) errors.push(fault.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (values.length > 0)
      errors.push(fault.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  } else errors.push(fault.invalid(`${field}.operator`, operator ?? "", "not a valid selector operator"));
  errors.push(...fault.checked(`${field}.key`, key ?? "", checkQualifiedName));
  for (const [i, value] of values.entries()) errors.push(...fault.checked(`${field}.values[${i}]`, value, checkLabelValue));
  return errors;
}
