import { expect, test } from "vitest";
import type { CustomResourceDefinition } from "../../../src/api/types/apiextensions.v1.ts";
import { typeWarnings } from "../../../src/controllers/validating-admission-policy-status.ts";

const rule = (group: string, resource: string) => ({ apiGroups: [group], apiVersions: ["v1"], operations: ["*"], resources: [resource] });
const crontabs = {
  spec: {
    group: "stable.example.com",
    names: { plural: "crontabs", kind: "CronTab" },
    versions: [
      {
        name: "v1",
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", properties: { replicas: { type: "integer" }, tags: { type: "array", items: { type: "string" } } } },
            },
          },
        },
      },
    ],
  },
} as unknown as CustomResourceDefinition; // As far as it is looked at.

const deployments = [rule("apps", "deployments")];
test.each<[string, object[], string, string[]]>([
  ["fits", deployments, "object.spec.replicas > 1", []],
  [
    "takes a number for a text",
    deployments,
    "object.spec.replicas > '1'",
    ["apps/v1, Kind=Deployment: 1:22: found no matching overload for '_>_' applied to '(int, string)'"],
  ],
  ["names a field that there is not", deployments, "object.spec.fooo == 1", ["apps/v1, Kind=Deployment: 1:12: undefined field 'fooo'"]],
  [
    "looks into a list",
    deployments,
    "object.spec.template.spec.containers.all(c, c.name == 1)",
    ["apps/v1, Kind=Deployment: 1:52: found no matching overload for '_==_' applied to '(string, int)'"],
  ],
  [
    "has a time",
    deployments,
    "object.metadata.creationTimestamp == 1",
    ["apps/v1, Kind=Deployment: 1:35: found no matching overload for '_==_' applied to '(timestamp, int)'"],
  ],
  [
    "takes a port for anything",
    [rule("", "services")],
    "object.spec.ports[0].targetPort == 'x' || object.spec.ports[0].targetPort == 1",
    [],
  ],
  [
    "is about two kinds",
    [...deployments, rule("", "configmaps")],
    "object.data.x == 'a'",
    ["apps/v1, Kind=Deployment: 1:7: undefined field 'data'"],
  ],
  ["is about all kinds of a group", [rule("apps", "*")], "object.fooo == 1", []],
  ["is about a subresource", [rule("apps", "deployments/scale")], "object.fooo == 1", []],
  [
    "is about a custom resource",
    [rule("stable.example.com", "crontabs")],
    "object.spec.replicas > '1' && object.metadata.name == 'a'",
    ["stable.example.com/v1, Kind=CronTab: 1:22: found no matching overload for '_>_' applied to '(int, string)'"],
  ],
  [
    "misses a field of a custom resource",
    [rule("stable.example.com", "crontabs")],
    "object.spec.maxRetries < 10",
    ["stable.example.com/v1, Kind=CronTab: 1:12: undefined field 'maxRetries'"],
  ],
  [
    "knows variables",
    deployments,
    "variables.r > 'a'",
    ["apps/v1, Kind=Deployment: 1:13: found no matching overload for '_>_' applied to '(int, string)'"],
  ],
  [
    "knows parameters",
    deployments,
    "params.data.x == 1",
    ["apps/v1, Kind=Deployment: 1:15: found no matching overload for '_==_' applied to '(string, int)'"],
  ],
])("an expression that %s", (_, resourceRules, expression, expected) => {
  const spec = {
    paramKind: { apiVersion: "v1", kind: "ConfigMap" },
    matchConstraints: { resourceRules },
    variables: [{ name: "r", expression: "object.spec.replicas" }],
    validations: [{ expression: "true" }, { expression }],
  };
  const warnings = typeWarnings(spec, [crontabs]);
  expect(warnings.map(({ fieldRef }) => fieldRef)).toEqual(expected.map(() => "spec.validations[1].expression"));
  const found = warnings.flatMap(({ warning }) => [...warning.matchAll(/^(.*Kind=\w+: )ERROR: <input>:(.*)$/gm)]);
  expect(found.map(([, kind, what]) => `${kind}${what}`)).toEqual(expected);
});
