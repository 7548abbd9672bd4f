import type { JWTPayload } from "jose";
import { claimsExpression, userRule } from "../../../api/cel/access.ts";
import { evaluate, type Named } from "../../../api/cel/admission.ts";
import { celValue } from "../../../api/cel/expression.ts";
import type { UserInfo } from "../../../api/user.ts";
import type { JwtSettings } from "../configuration.ts";

/** Makes a user of a token's claims. Throws an Error that says what the token lacks. */
export type UserOfClaims = (claims: JWTPayload) => UserInfo;

/** Compiles what a configuration says of claims. Throws an Error that names the expression that cannot be compiled. */
export function userOfClaims(
  { claimMappings = {}, claimValidationRules = [], userValidationRules = [] }: JwtSettings,
  at: string,
): UserOfClaims {
  const mappings = `${at}.claimMappings`;
  const username = textOf(claimMappings.username, `${mappings}.username`);
  const groups = listOf(claimMappings.groups, `${mappings}.groups`);
  const uid = claimMappings.uid && textOf(claimMappings.uid, `${mappings}.uid`);
  const extra = (claimMappings.extra ?? []).map(({ key = "", valueExpression = "" }, index) => ({
    key,
    values: listOf({ expression: valueExpression }, `${mappings}.extra[${index}].valueExpression`),
  }));
  const required = claimValidationRules.filter(({ claim }) => claim);
  const rules = rulesOf(claimValidationRules, `${at}.claimValidationRules`, (text) => claimsExpression(text, ["bool"]));
  const userRules = rulesOf(userValidationRules, `${at}.userValidationRules`, userRule);
  return (claims) => {
    const name = username(claims, "username");
    if (claimMappings.username?.expression && name === "") throw new Error("empty username via CEL expression is not allowed");
    if (claimMappings.username?.claim === "email" && "email_verified" in claims && claims["email_verified"] !== true)
      throw new Error("email not verified");
    const user: UserInfo = { name, groups: groups(claims, "groups"), ...(uid ? { uid: uid(claims, "uid") } : {}) };
    const own = Object.fromEntries(extra.map(({ key, values }) => [key, values(claims, key)]).filter(([, values]) => values?.length));
    if (claims.jti) own["authentication.kubernetes.io/credential-id"] = [`JTI=${claims.jti}`];
    const whole = Object.keys(own).length > 0 ? { ...user, extra: own } : user;
    for (const { claim = "", requiredValue = "" } of required) checkRequired(claims, claim, requiredValue);
    check(rules, { claims: celValue(claims) });
    check(userRules, { user: celValue({ username: name, uid: whole.uid ?? "", groups: whole.groups, extra: whole.extra ?? {} }) });
    return whole;
  };
}

/** Reads one thing out of claims. */
type Read<T> = (claims: JWTPayload, what: string) => T;

interface Source {
  claim?: string;
  prefix?: string;
  expression?: string;
}

function textOf(source: Source = {}, at: string): Read<string> {
  const { claim = "", prefix = "" } = source;
  const expression = compiled(source, at);
  return (claims, what) => {
    const value = expression ? evaluate(expression, { claims: celValue(claims) }) : claims[claim];
    if (typeof value === "string") return prefix + value;
    throw new Error(
      expression
        ? `${what} claim expression must return a string`
        : `parse ${what} claims ${JSON.stringify(claim)}: claim not present or no string`,
    );
  };
}

function listOf(source: Source = {}, at: string): Read<string[]> {
  const { claim = "", prefix = "" } = source;
  const expression = compiled(source, at);
  return (claims, what) => {
    const value = expression ? evaluate(expression, { claims: celValue(claims) }) : claims[claim];
    if (value === undefined || value === null) return [];
    const values = Array.isArray(value) ? value : [value];
    if (!values.every((one) => typeof one === "string")) throw new Error(`${what} must be a string or a list of strings`);
    return values.filter((one) => one !== "" || !expression).map((one) => prefix + one);
  };
}

function compiled({ expression }: Source, at: string): Named | undefined {
  return expression ? naming(`${at}.expression`, () => claimsExpression(expression)) : undefined;
}

function naming<T>(at: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Error(`${at}: ${error instanceof Error ? error.message : error}`);
  }
}

interface Rule {
  expression: Named;
  message: string;
}

function rulesOf(given: readonly { expression?: string; message?: string }[], at: string, compile: (text: string) => Named): Rule[] {
  return given.flatMap(({ expression, message = "" }, index) =>
    expression ? [{ message, expression: naming(`${at}[${index}].expression`, () => compile(expression)) }] : [],
  );
}

function check(rules: readonly Rule[], variables: Record<string, unknown>): void {
  for (const { expression, message } of rules)
    if (evaluate(expression, variables) !== true)
      throw new Error(`validation expression '${expression.text}' failed${message ? `: ${message}` : ""}`);
}

function checkRequired(claims: JWTPayload, claim: string, value: string): void {
  if (claims[claim] === undefined) throw new Error(`required claim ${claim} not present in ID token`);
  if (claims[claim] !== value)
    throw new Error(`required claim ${claim} value does not match. Got = ${String(claims[claim])}, want = ${value}`);
}
