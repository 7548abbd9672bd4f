import { bases } from "./bases.ts";
import type { Request } from "./message.ts";
import type { Random } from "./random.ts";
import { broken, bytesOf, type Json, wild } from "./values.ts";

const expressions = [
  "self.",
  "1/0 == 1",
  "self.all(a, self.all(b, self.all(c, self.all(d, true))))",
  "'a'.matches('(a+)+$')",
  "('a'.repeat(10) + 'b').matches('^(a|a)*$')",
  "self.x.matches('(((((a*)*)*)*)*)*b')",
  "[1,2,3].map(x, [1,2,3].map(y, [1,2,3].map(z, x*y*z))).size() > 0",
  "__proto__ == null",
  "self.constructor.constructor('return process')()",
  "(".repeat(5000),
  `${"!".repeat(5000)}true`,
  "oldSelf == self",
  "9223372036854775807 + 1 > 0",
  "self.x in self",
  '"\\xff\\u0000"',
  "dyn(self).__proto__.polluted",
  "has(self.a.b.c.d)",
  "quantity('1e1000000000').isGreaterThan(quantity('1'))",
  "duration('999999999999h') > duration('1s')",
  "url('http://[::1').getHost() == ''",
  "",
];
const patterns = ["(a+)+$", "[", "(?<=a)b", "a{1,99999}", "\\", "(?P<n>a)", "^(([a-z])+.)+[A-Z]([a-z])+$"];

export function definitions(random: Random): Request {
  const schema: Json = {
    type: random.pick<Json>(["object", "string", "nope", ["object", "null"]]),
    pattern: random.pick(patterns),
    default: wild(random, 1),
    "x-kubernetes-validations": [
      { rule: random.pick(expressions), message: "m", messageExpression: random.pick(expressions), optionalOldSelf: random.chance(0.1) },
    ],
    "x-kubernetes-int-or-string": random.chance(0.1),
    "x-kubernetes-preserve-unknown-fields": random.chance(0.2),
    ...(random.chance(0.2) ? { $ref: "#/definitions/x" } : {}),
    ...(random.chance(0.3)
      ? { properties: { __proto__x: wild(random, 2) as Json, x: { type: "string", pattern: random.pick(patterns) } } }
      : {}),
  };
  const definition: Json = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: random.pick(["things.fuzz.example.com", "things", "..", "a.b"]) },
    spec: {
      group: "fuzz.example.com",
      scope: random.pick(["Namespaced", "Cluster", "Everywhere"]),
      names: { plural: "things", kind: "Thing", singular: "thing", shortNames: wild(random, 1) },
      versions: [
        {
          name: "v1",
          served: true,
          storage: random.chance(0.9),
          schema: { openAPIV3Schema: { type: "object", properties: { spec: schema } } },
          additionalPrinterColumns: random.chance(0.3) ? wild(random) : [],
        },
      ],
    },
  };
  const body = bytesOf(random.chance(0.5) ? broken(definition, random) : definition, random);
  return { method: "POST", path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All", body };
}

/** Objects of the custom resource "fuzz" that the run has made: rules and patterns of its schema meet any value. */
export function customObjects(random: Random): Request {
  const object: Json = {
    apiVersion: "fuzz.example.com/v1",
    kind: "Fuzz",
    metadata: { name: `f${random.below(50)}` },
    spec: {
      word: "a".repeat(random.below(60)) + random.pick(["", "b", "!"]),
      items: Array.from({ length: random.below(40) }, () => random.below(9)),
      any: wild(random),
    },
  };
  const collection = "/apis/fuzz.example.com/v1/namespaces/default/fuzzes";
  const body = bytesOf(random.chance(0.6) ? broken(object, random) : object, random);
  if (random.chance(0.4)) return { method: "POST", path: collection, body };
  const contentType = `application/${random.pick(["json-patch+json", "merge-patch+json", "apply-patch+yaml"])}`;
  return { method: "PATCH", path: `${collection}/f${random.below(50)}?fieldManager=me`, body, contentType };
}

export function policies(random: Random): Request {
  const base = random.pick(bases.filter(({ kind }) => kind.includes("AdmissionPolicy")));
  const spec = base.object["spec"] as { [key: string]: Json };
  const validations = [{ expression: random.pick(expressions), messageExpression: random.pick(expressions) }];
  const object = {
    ...base.object,
    spec: {
      ...spec,
      validations,
      matchConditions: [{ name: "a", expression: random.pick(expressions) }],
      variables: [{ name: "v", expression: random.pick(expressions) }],
    },
  };
  return {
    method: "POST",
    path: `${base.collection}?dryRun=All`,
    body: bytesOf(random.chance(0.3) ? broken(object, random) : object, random),
  };
}
