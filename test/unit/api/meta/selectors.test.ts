import { describe, expect, it } from "vitest";
import { compileFieldSelector, parseFieldSelector } from "../../../../src/api/meta/fields.ts";
import {
  formatLabelSelector,
  formatSelector,
  matchesLabelSelector,
  parseLabelSelector,
  validateLabelSelector,
} from "../../../../src/api/meta/labels.ts";

describe("label selectors", () => {
  const labels = { app: "web", tier: "front", version: "10" };
  it.each([
    ["", true],
    ["app", true],
    ["!app", false],
    ["!other", true],
    ["app=web", true],
    ["app==web,tier=front", true],
    ["app = db", false],
    ["app!=db", true],
    ["other!=db", true],
    ["app in (db, web)", true],
    ["app notin (db,web)", false],
    ["other notin (db)", true],
    ["version>9", true],
    ["version<9", false],
    ["app>1", false],
    ["other=", false],
    ["app in ()", false],
  ])("%j on a labelled object: %s", (text, selected) => expect(parseLabelSelector(text).matches(labels)).toBe(selected));

  it.each([
    ["a===b", "unable to parse requirement: found '=', expected: identifier"],
    ["a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"],
    ["a foo (b)", "unable to parse requirement: found 'foo', expected: in, notin, =, ==, !=, gt, lt"],
    ["a=b c", "found 'c', expected: ',' or 'end of string'"],
    ["a,,b", "found ',', expected: identifier after ','"],
    [",", "found ',', expected: !, identifier, or 'end of string'"],
    ["a in (b", "unable to parse requirement: found '', expected: ',' or ')'"],
    ["a>1x", "unable to parse requirement: values[0]: Invalid value: \"1x\": for 'Gt', 'Lt' operators, the value must be an integer"],
  ])("refuses %j in upstream's words", (text, message) => expect(() => parseLabelSelector(text)).toThrow(message));

  it("matches LabelSelectors: absent selects nothing, empty everything", () => {
    expect(matchesLabelSelector(undefined, labels)).toBe(false);
    expect(matchesLabelSelector({}, labels)).toBe(true);
    const selector = { matchLabels: { app: "web" }, matchExpressions: [{ key: "tier", operator: "In", values: ["front", "back"] }] };
    expect(matchesLabelSelector(selector, labels)).toBe(true);
    expect(matchesLabelSelector(selector, { app: "web" })).toBe(false);
    expect(formatLabelSelector(selector)).toBe("app=web,tier in (back,front)");
    expect(formatSelector(parseLabelSelector("a,!b,c>1,d!=e").requirements)).toBe("a,!b,c>1,d!=e");
  });

  it("says what is wrong with a LabelSelector", () => {
    const errors = validateLabelSelector("spec.selector", {
      matchExpressions: [
        { key: "a", operator: "In" },
        { key: "a", operator: "Exists", values: ["x"] },
        { key: "a", operator: "Near", values: ["x"] },
      ],
    });
    expect(errors.map((e) => `${e.field}: ${e.message}`)).toEqual([
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      'spec.selector.matchExpressions[2].operator: Invalid value: "Near": not a valid selector operator',
    ]);
  });
});

describe("field selectors", () => {
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "b" }, node: "n,1" };
  const getters = { "spec.nodeName": (object: object): string => ("node" in object ? String(object.node) : "") };
  it.each([
    ["metadata.name=a", true],
    ["metadata.name==a,metadata.namespace=c", false],
    ["metadata.namespace!=c", true],
    ["spec.nodeName=n\\,1", true],
    ["spec.nodeName=", false],
    ["", true],
  ])("%j: %s", (text, selected) => expect(compileFieldSelector(parseFieldSelector(text), getters)(pod)).toBe(selected));

  it("refuses what it does not know in upstream's words", () => {
    expect(() => compileFieldSelector(parseFieldSelector("foo=b"), getters)).toThrow("field label not supported: foo");
    const plain = '"foo" is not a known field selector: only "metadata.name", "metadata.namespace"';
    expect(() => compileFieldSelector(parseFieldSelector("foo=b"), undefined)).toThrow(plain);
    expect(() => parseFieldSelector("foo")).toThrow("invalid selector: 'foo'; can't understand 'foo'");
    expect(() => parseFieldSelector("a=b\\")).toThrow("invalid field selector: invalid escape sequence: \\");
  });
});
