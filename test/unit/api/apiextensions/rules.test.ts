import { describe, expect, test } from "vitest";
import { compileStructural } from "../../../../src/api/schema/structural.ts";
import type { JSONSchemaProps, ValidationRule } from "../../../../src/api/types/apiextensions.v1.ts";

const properties: Record<string, JSONSchemaProps> = {
  a: { type: "integer" },
  s: { type: "string" },
  l: { type: "array", items: { type: "string" } },
  o: { type: "object", nullable: true, properties: { x: { type: "string" } } },
  d: { type: "string", format: "date-time" },
  u: { type: "string", format: "duration" },
  i: { "x-kubernetes-int-or-string": true },
  e: { type: "string", enum: ["a"] },
  m: { type: "object", additionalProperties: { type: "integer", "x-kubernetes-validations": [{ rule: "self > 0" }] } },
  k: {
    type: "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    items: {
      type: "object",
      properties: { name: { type: "string" }, v: { type: "integer", "x-kubernetes-validations": [{ rule: "self >= oldSelf" }] } },
    },
  },
  "a-b": { type: "number" },
};

function problems(rules: ValidationRule[], spec: object, old?: object): string[] {
  const schema: JSONSchemaProps = {
    type: "object",
    properties: { spec: { type: "object", properties, "x-kubernetes-validations": rules } },
  };
  return compileStructural(schema, "Kind", "v1")
    .validate({ spec }, old && { spec: old })
    .map(({ field, message }) => `${field}: ${message}`);
}

describe("rules of custom resources", () => {
  test.each<[string, ValidationRule, object, string[]]>([
    ["that hold", { rule: "self.a > 1" }, { a: 2 }, []],
    ["name themselves", { rule: "self.a > 1" }, { a: 1 }, ["spec: Invalid value: failed rule: self.a > 1"]],
    ["say their message", { rule: "self.a > 1", message: "too small" }, { a: 1 }, ["spec: Invalid value: too small"]],
    ["make a message", { rule: "self.a > 1", messageExpression: "'not ' + string(self.a)" }, { a: 1 }, ["spec: Invalid value: not 1"]],
    [
      "fall back when a message cannot be made",
      { rule: "self.a > 1", message: "too small", messageExpression: "self.s" },
      { a: 1 },
      ["spec: Invalid value: too small"],
    ],
    [
      "give a reason and a field",
      { rule: "false", reason: "FieldValueForbidden", fieldPath: ".s", message: "no" },
      {},
      ["spec.s: Forbidden: no"],
    ],
    [
      "find fields missing",
      { rule: "self.s == 'x'" },
      {},
      ["spec: Invalid value: \"object\": no such key: s evaluating rule: self.s == 'x'"],
    ],
    ["know times", { rule: "self.d < timestamp('2030-01-01T00:00:00Z')" }, { d: "2020-01-01T00:00:00Z" }, []],
    ["know durations", { rule: "self.u < duration('1h')" }, { u: "59m" }, []],
    ["know integers or strings", { rule: "self.i == 3 || self.i == 'x'" }, { i: "x" }, []],
    ["compare objects", { rule: "self.o == null || self.o == self.o" }, { o: { x: "1" } }, []],
    ["see nulls", { rule: "self.o == null" }, { o: null }, []],
    ["escape names", { rule: "self.a__dash__b < 2.0" }, { "a-b": 1 }, []],
    ["reach into lists", { rule: "self.l.exists(x, x == 'b')" }, { l: ["a", "b"] }, []],
    ["stand below maps", { rule: "true" }, { m: { k: 0 } }, ["spec.m[k]: Invalid value: 0: failed rule: self > 0"]],
    [
      "wait for sound values",
      { rule: "false" },
      { e: "b" },
      [
        'spec.e: Unsupported value: "b": supported values: "a"',
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
      ],
    ],
  ])("%s", (_, rule, spec, expected) => {
    expect(problems([rule], spec)).toEqual(expected);
  });

  test("about changes see the value before, where there is one", () => {
    const rule = { rule: "self.a >= oldSelf.a", message: "must grow" };
    expect(problems([rule], { a: 1 })).toEqual([]);
    expect(problems([rule], { a: 1 }, { a: 2 })).toEqual(["spec: Invalid value: must grow"]);
    const optional = { rule: "oldSelf.hasValue() || self.a == 1", optionalOldSelf: true };
    expect(problems([optional], { a: 2 })).toHaveLength(1);
    expect(problems([optional], { a: 2 }, { a: 3 })).toEqual([]);
  });

  test("find the items of a map-like list by their keys", () => {
    const old = {
      k: [
        { name: "x", v: 2 },
        { name: "y", v: 5 },
      ],
    };
    expect(
      problems(
        [],
        {
          k: [
            { name: "y", v: 5 },
            { name: "new", v: 0 },
            { name: "x", v: 1 },
          ],
        },
        old,
      ),
    ).toEqual(["spec.k[2].v: Invalid value: 1: failed rule: self >= oldSelf"]);
  });

  test("what was wrong before and stays as it is passes an update", () => {
    const bad = { e: "b", m: { k: 0 } };
    expect(problems([], bad)).toHaveLength(2);
    expect(problems([], { ...bad, s: "changed" }, bad)).toEqual([]);
    expect(problems([], { ...bad, m: { k: -1 } }, bad)).toEqual(["spec.m[k]: Invalid value: -1: failed rule: self > 0"]);
  });

  describe("cost no more than they may", () => {
    const long = Array.from({ length: 2000 }, (_, i) => `x${i}`);
    const cubic = "self.l.all(x, self.l.all(y, self.l.all(z, x + y != z)))";
    const square = "self.l.slice(0, 300).all(x, self.l.slice(0, 300).all(y, x != y + 'z'))"; // Some 700,000.
    const exceeded = (rule: string) =>
      `spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${rule}`;
    const outOfBudget =
      'spec: Invalid value: "object": validation failed due to running out of cost budget, no further validation rules will be run';

    test.each([
      cubic,
      "!self.l.exists(x, self.l.exists(y, self.l.exists(z, x + y == z)))",
      "self.l.all(x, self.l.all(y, self.l.all(z, true)))",
      "self.l.all(i, x, self.l.all(j, y, self.l.all(k, z, i + j >= 0 || k < 0)))",
      "self.l.map(x, self.l.map(y, self.l.filter(z, z == x + y))).size() > 0",
      "self.l.transformList(i, x, self.l.transformList(j, y, 1)).size() > 0",
      "self.l.all(x, x in self.l && x in self.l)",
      "self.l.distinct().size() > 0",
      "lists.range(1000000000).size() > 0",
      "!('x' in self.l.map(x, self.l.join(x)))",
    ])("%s", (rule) => {
      expect(problems([{ rule }, { rule: "false" }], { l: long })).toEqual([exceeded(rule)]);
    });

    test("each by itself, when they are cheap", () => {
      const rules = ["self.l.all(x, x.startsWith('x'))", "self.l.exists(x, x == 'x1999')", "self.l.map(x, x + 'y').size() == 2000"];
      expect(
        problems(
          rules.map((rule) => ({ rule })),
          { l: long },
        ),
      ).toEqual([]);
    });

    test("nothing that goes backwards gives cost back", () => {
      const rule = "lists.range(-1000000000).size() == 0 && self.l.all(x, self.l.all(y, self.l.all(z, true)))";
      expect(problems([{ rule }], { l: long })).toEqual([exceeded(rule)]);
    });

    test("all of an object together", () => {
      const rules = Array.from({ length: 30 }, () => ({ rule: square }));
      expect(problems(rules.slice(0, 5), { l: long })).toEqual([]);
      expect(problems([...rules, { rule: "false" }], { l: long })).toEqual([outOfBudget]);
      expect(problems(rules.slice(0, 5), { l: long })).toEqual([]); // The next object begins anew.
    });

    test("nor do messages", () => {
      const messageExpression = `${cubic} ? 'a' : 'b'`;
      expect(problems([{ rule: "false", messageExpression }, { rule: "false" }], { l: long })).toEqual([
        `spec: Invalid value: "object": no further validation rules will be run due to call cost exceeds limit for messageExpression: ${JSON.stringify(messageExpression)}`,
      ]);
    });

    test("what stays as it was does not hide it", () => {
      expect(problems([{ rule: cubic }], { l: long }, { l: long })).toEqual([exceeded(cubic)]);
    });
  });
});
