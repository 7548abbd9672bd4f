import { describe, expect, test } from "vitest";
import { customResourceDefinitionRules as rules } from "../../../../src/api/apiextensions/custom-resource-definition.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from "../../../../src/api/types/apiextensions.v1.ts";

function definition(version: Partial<CustomResourceDefinitionVersion>, more: object = {}): CustomResourceDefinition {
  return {
    metadata: { name: "probes.example.com" },
    spec: {
      group: "example.com",
      scope: "Cluster",
      names: { plural: "probes", singular: "probe", kind: "Probe", listKind: "ProbeList" },
      conversion: { strategy: "None" },
      versions: [{ name: "v1", served: true, storage: true, ...version }],
      ...more,
    },
    status: { storedVersions: ["v1"] },
  } as CustomResourceDefinition;
}

const problems = (made: CustomResourceDefinition): string[] =>
  (rules.validate?.(made) ?? []).map(({ field, message }) => `${field}: ${message}`);
const root = "spec.validation.openAPIV3Schema";
const ofSpec = (spec: JSONSchemaProps, more: Partial<CustomResourceDefinitionVersion> = {}): string[] =>
  problems(definition({ schema: { openAPIV3Schema: { type: "object", properties: { spec } } }, ...more })).map((text) =>
    text.replaceAll(`${root}.properties[spec]`, "S"),
  );

describe("a definition is refused", () => {
  const text: JSONSchemaProps = { type: "string" };
  test.each<[string, JSONSchemaProps, string[]]>([
    ["sound", { type: "object", properties: { a: text } }, []],
    ["without a type", { properties: { a: text } }, ["S.type: Required value: must not be empty for specified object fields"]],
    ["with an object of any kind in it", { type: "object", "x-kubernetes-embedded-resource": true, properties: { kind: text } }, []],
    [
      "with an object of any kind that is none",
      { type: "array", items: text, "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
      ['S.type: Invalid value: "array": must be object if x-kubernetes-embedded-resource is true'],
    ],
    [
      "with an object of any kind whose members are not as all have them",
      {
        type: "object",
        "x-kubernetes-embedded-resource": true,
        properties: { metadata: text, apiVersion: { type: "integer" }, kind: text },
      },
      [
        'S.properties[metadata].type: Invalid value: "string": must be object',
        'S.properties[apiVersion].type: Invalid value: "integer": must be string',
      ],
    ],
    ["with a list without items", { type: "array" }, ["S.items: Required value: must be specified"]],
    [
      "with types in a junctor",
      { type: "string", anyOf: [{ type: "string" }] },
      ["S.anyOf[0].type: Forbidden: must be empty to be structural"],
    ],
    ["with integers or strings written out", { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] }, []],
    [
      "with a set of objects",
      { type: "array", items: { type: "object" }, "x-kubernetes-list-type": "set" },
      ["S.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"],
    ],
    [
      "with a key that may be missing",
      {
        type: "array",
        items: { type: "object", properties: { k: text } },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
      },
      [
        "S.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
      ],
    ],
    [
      "with a default that is none",
      { type: "string", enum: ["a"], default: "b" },
      ['S.default: Unsupported value: "b": supported values: "a"'],
    ],
    [
      "with a default that is pruned",
      { type: "object", default: { x: 1 } },
      ['S.default: Invalid value: {"x":1}: must not have unknown fields'],
    ],
    [
      "with a rule about nothing",
      { type: "object", "x-kubernetes-validations": [{ rule: "self.x" }] },
      [
        'S.x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self.x","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: ' +
          "compilation failed: ERROR: <input>:1:5: undefined field 'x'\n | self.x\n | ....^",
      ],
    ],
    [
      "with a rule about what cannot be told from before",
      { type: "array", items: { type: "string", maxLength: 3, "x-kubernetes-validations": [{ rule: "self == oldSelf" }] }, maxItems: 3 },
      [
        'S.items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within S',
      ],
    ],
  ])("%s", (_, schema, expected) => {
    expect(ofSpec(schema)).toEqual(expected);
  });

  test("for rules that may cost too much", () => {
    const rule = (maxItems: number): JSONSchemaProps => ({
      type: "array",
      maxItems,
      items: { type: "string", maxLength: 20 },
      "x-kubernetes-validations": [{ rule: "self.all(x, self.all(y, x.contains(y)))" }],
    });
    expect(ofSpec(rule(100))).toEqual([]);
    expect(ofSpec(rule(1000))).toEqual([
      "S.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 6.9x " +
        "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)",
    ]);
  });

  test("for fields that cannot be selected", () => {
    const spec: JSONSchemaProps = { type: "object", properties: { s: text, l: { type: "array", items: text } } };
    expect(ofSpec(spec, { selectableFields: [{ jsonPath: ".spec.s" }] })).toEqual([]);
    expect(ofSpec(spec, { selectableFields: [{ jsonPath: ".spec.z" }, { jsonPath: ".spec.l" }] })).toEqual([
      'spec.selectableFields[0].jsonPath: Invalid value: ".spec.z": is an invalid path: does not refer to a valid field',
      'spec.selectableFields[1].jsonPath: Invalid value: ".spec.l": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
    ]);
  });

  test("for a conversion webhook that cannot be called", () => {
    const schema = { openAPIV3Schema: { type: "object" } };
    const conversion = { strategy: "Webhook", webhook: { clientConfig: { url: "http://h/x" }, conversionReviewVersions: ["v2"] } };
    expect(problems(definition({ schema }, { conversion }))).toEqual([
      "spec.conversion.webhookClientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
      'spec.conversion.conversionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
    ]);
  });
});
