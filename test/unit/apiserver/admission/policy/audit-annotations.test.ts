import { expect, test } from "vitest";
import { ConfigMaps, ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings } from "../../../../../src/api/types/resources.ts";
import { validatingPolicies } from "../../../../../src/apiserver/admission/policy/validating.ts";
import { Registry } from "../../../../../src/apiserver/registry.ts";
import { MemoryObjects } from "../../memory-objects.ts";

test("a policy leaves annotations for the audit log", async () => {
  const objects = new MemoryObjects();
  const registry = new Registry();
  const resourceRules = [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }];
  objects.put(ValidatingAdmissionPolicies, {
    metadata: { name: "p", generation: 1 },
    spec: {
      matchConstraints: { resourceRules },
      validations: [{ expression: "object.data.k == 'w'", message: "no" }],
      auditAnnotations: [
        { key: "k", valueExpression: "'is ' + object.data.k" },
        { key: "none", valueExpression: "object.data.k == 'v' ? '' : 'x'" },
      ],
    },
  });
  objects.put(ValidatingAdmissionPolicyBindings, { metadata: { name: "b" }, spec: { policyName: "p", validationActions: ["Audit"] } });
  const { plugin } = validatingPolicies({ objects, registry: () => registry, authorize: () => ({ allowed: false, reason: "" }) });
  const annotations: Record<string, string> = {};
  await plugin.validate?.({
    operation: "CREATE",
    resource: ConfigMaps,
    subresource: "",
    namespace: "ns",
    name: "a",
    object: Object({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { k: "v" } }),
    old: undefined,
    user: { name: "joe", groups: [] },
    dryRun: false,
    warn: () => undefined,
    annotate: (key, value) => Object.assign(annotations, { [key]: value }),
    onFailure: () => undefined,
  });
  const { "validation.policy.admission.k8s.io/validation_failure": failure, ...others } = annotations;
  expect(others).toEqual({ "p/k": "is v" });
  expect(JSON.parse(failure ?? "")).toEqual([
    { message: "no", policy: "p", binding: "b", expressionIndex: 0, validationActions: ["Audit"] },
  ]);
});
