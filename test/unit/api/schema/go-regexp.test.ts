import { expect, test } from "vitest";
import { kubernetesEnvironment } from "../../../../src/api/cel/environment.ts";
import { compileExpression } from "../../../../src/api/cel/expression.ts";
import { goRegExp } from "../../../../src/api/schema/go-regexp.ts";

const costly = [
  ["^(a+)+c$", "a".repeat(5000)],
  ["(?i)^(a|A)*$", `${"a".repeat(5000)}b`],
  ["^(?:a{1,30}){1,30}c$", "a".repeat(900)],
] as const;

test.each(costly)("%s takes no longer for a text that almost fits", (pattern, text) => {
  const before = performance.now();
  expect(goRegExp(pattern).test(text)).toBe(false);
  expect(performance.now() - before).toBeLessThan(2000);
});

test("matches of CEL is as cheap, with patterns that are literals and with those that come from the object", () => {
  const environment = kubernetesEnvironment().registerVariable("text", "string").registerVariable("any", "dyn");
  const text = "a".repeat(5000);
  const literal = compileExpression(environment, "text.matches('^(a+)+c$')", { returns: ["bool"] });
  const dynamic = compileExpression(environment, "any.text.matches(any.pattern) || text.matches(any.pattern)");
  const elsewhere = compileExpression(environment, "text.matches('^(a+)+c$')", {
    runIn: kubernetesEnvironment().registerVariable("text", "dyn"),
  });
  const before = performance.now();
  expect(literal.evaluate({ text })).toBe(false);
  expect(elsewhere.evaluate({ text })).toBe(false);
  expect(dynamic.evaluate({ text, any: { text, pattern: "^(a+)+c$" } })).toBe(false);
  expect(performance.now() - before).toBeLessThan(3000);
});

test("patterns mean what they mean in Go, and are refused in its words", () => {
  expect(goRegExp("(?i)^(?P<name>ab)\\z").test("AB")).toBe(true);
  expect(goRegExp("\\Qa.b\\E").test("a+b")).toBe(false);
  expect(() => goRegExp("a{1,99999}")).toThrow("error parsing regexp: invalid repeat count: `{1,99999}`");
  expect(() => goRegExp("(?<=a)b")).toThrow("error parsing regexp: invalid named capture: `(?<=a)b`");
  expect(() => goRegExp("[")).toThrow("error parsing regexp: missing closing ]: `[`");
});

test("find and findAll of CEL", () => {
  const environment = kubernetesEnvironment();
  const value = (text: string): unknown => compileExpression(environment, text).evaluate({});
  expect(value("'abc 123 45'.find('[0-9]+')")).toBe("123");
  expect(value("'abc'.find('[0-9]+')")).toBe("");
  expect(value("'1 22 333'.findAll('[0-9]+')")).toEqual(["1", "22", "333"]);
  expect(value("'1 22 333'.findAll('[0-9]+', 2)")).toEqual(["1", "22"]);
});
