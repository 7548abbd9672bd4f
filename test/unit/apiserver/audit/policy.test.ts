import { describe, expect, test } from "vitest";
import { type AuditedAttributes, readPolicy } from "../../../../src/apiserver/audit/policy.ts";

const policyOf = (...rules: unknown[]): string => JSON.stringify({ apiVersion: "audit.k8s.io/v1", kind: "Policy", rules });

const getPod: AuditedAttributes = {
  user: { name: "tim@k8s.io", groups: ["humans", "developers"] },
  ...{ verb: "get", isResource: true, path: "/api/v1/namespaces/default/pods/busybox" },
  ...{ group: "", version: "v1", resource: "pods", subresource: "", namespace: "default", name: "busybox" },
};
const requests: Record<string, AuditedAttributes> = {
  namespaced: getPod,
  cluster: { ...getPod, resource: "clusterroles", group: "rbac.authorization.k8s.io", namespace: "", name: "edit" },
  nonResource: { ...getPod, isResource: false, path: "/logs/kubelet.log", resource: "", namespace: "", name: "" },
  subresource: { ...getPod, subresource: "log" },
  unauthorized: { ...getPod, user: undefined },
};

/** Upstream's table of policies (TestChecker): which rule alone matches which request. */
const rules: Record<string, object> = {
  default: {},
  create: { verbs: ["create"] },
  tims: { users: ["tim@k8s.io"] },
  humans: { userGroups: ["humans"] },
  serviceAccounts: { userGroups: ["system:serviceaccounts"] },
  getPods: { verbs: ["get"], resources: [{ resources: ["pods"] }] },
  getPodLogs: { verbs: ["get"], resources: [{ resources: ["pods/log"] }] },
  podWildcardMatching: { verbs: ["get"], resources: [{ resources: ["pods/*"] }] },
  podResourceWildcardMatching: { verbs: ["get"], resources: [{ resources: ["*"] }] },
  podSubResourceWildcardMatching: { verbs: ["get"], resources: [{ resources: ["*/log"] }] },
  getClusterRoles: { verbs: ["get"], resources: [{ group: "rbac.authorization.k8s.io", resources: ["clusterroles"] }], namespaces: [""] },
  anyGroup: { resources: [{ group: "*" }] },
  getLogs: { verbs: ["get"], nonResourceURLs: ["/logs*"] },
  getMetrics: { verbs: ["get"], nonResourceURLs: ["/metrics"] },
  clusterScoped: { namespaces: [""] },
  defaultNamespace: { namespaces: ["default"] },
  otherPods: { resources: [{ resources: ["pods"], resourceNames: ["edit"] }] },
  thesePods: { resources: [{ resources: ["pods"], resourceNames: ["busybox"] }] },
};

test.each<[request: string, matching: string[]]>([
  [
    "namespaced",
    [
      "default",
      "tims",
      "humans",
      "getPods",
      "podWildcardMatching",
      "podResourceWildcardMatching",
      "anyGroup",
      "defaultNamespace",
      "thesePods",
    ],
  ],
  ["cluster", ["default", "tims", "humans", "getClusterRoles", "anyGroup", "clusterScoped"]],
  ["nonResource", ["default", "tims", "humans", "getLogs"]],
  [
    "subresource",
    [
      ...["default", "tims", "humans", "getPodLogs", "podWildcardMatching", "podResourceWildcardMatching"],
      ...["podSubResourceWildcardMatching", "anyGroup", "defaultNamespace"],
    ],
  ],
  [
    "unauthorized",
    ["default", "getPods", "podWildcardMatching", "podResourceWildcardMatching", "anyGroup", "defaultNamespace", "thesePods"],
  ],
])("a %s request matches these rules and no others", (name, matching) => {
  const request = requests[name] ?? getPod;
  const found = Object.entries(rules).filter(([, one]) => readPolicy(policyOf({ ...one, level: "Request" }))(request).level === "Request");
  expect(found.map(([rule]) => rule)).toEqual(matching);
});

test("the first rule that matches counts; without one nothing is told; stages that are left out add up", () => {
  const policy = readPolicy(`
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  - {level: None, verbs: [watch]}
  - {level: Metadata, resources: [{group: "", resources: [secrets]}], omitStages: [ResponseStarted], omitManagedFields: false}
  - {level: RequestResponse, resources: [{group: ""}]}
`);
  expect(policy({ ...getPod, verb: "watch" }).level).toBe("None");
  const secrets = policy({ ...getPod, resource: "secrets" });
  expect(secrets).toEqual({ level: "Metadata", omitStages: new Set(["RequestReceived", "ResponseStarted"]), omitManagedFields: false });
  expect(policy(getPod)).toEqual({ level: "RequestResponse", omitStages: new Set(["RequestReceived"]), omitManagedFields: true });
  expect(policy({ ...getPod, group: "apps" }).level).toBe("None");
});

describe("is refused", () => {
  test.each([
    ["no rules", policyOf(), "loaded illegal policy with 0 rules"],
    ["another kind", '{"apiVersion":"audit.k8s.io/v1beta1","kind":"Policy","rules":[{"level":"None"}]}', "audit.k8s.io/v1, Kind=Policy"],
    ["no level", policyOf({}), "rules[0].level: Required value"],
    ["an unknown level", policyOf({ level: "All" }), 'rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", '],
    ["an unknown field", policyOf({ level: "None", nonResourceURL: [] }), 'unknown field "rules[0].nonResourceURL"'],
    ["a path without a slash", policyOf({ level: "None", nonResourceURLs: ["logs"] }), "must begin with a '/' character"],
    ["a star within a path", policyOf({ level: "None", nonResourceURLs: ["/a/*/b"] }), "wildcards '*' must be the final character"],
    [
      "names of nothing",
      policyOf({ level: "None", resources: [{ resourceNames: ["a"] }] }),
      "using resourceNames requires at least one resource",
    ],
    [
      "an unknown stage",
      policyOf({ level: "None", omitStages: ["foo"] }),
      'rules[0].omitStages[0]: Invalid value: "foo": allowed stages are',
    ],
    [
      "both kinds at once",
      policyOf({ level: "None", nonResourceURLs: ["/logs"], namespaces: ["default"] }),
      "rules cannot apply to both regular resources and non-resource URLs",
    ],
  ])("%s", (_, text, message) => expect(() => readPolicy(text)).toThrow(message));
});
