import { ConfigMaps, CustomResourceDefinitions, Namespaces } from "../../src/api/types/resources.ts";
import { ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings } from "../../src/api/types/resources.ts";
import { isReason } from "../../src/api/errors.ts";
import { drive } from "./drive.ts";
import { type Bench, pause, type Running, type Scenario } from "./system.ts";
import { isTrue, until } from "../support/wait.ts";

/** Writes in which the API server does more: applies, rules of custom resources, admission policies. */
export const writes: Scenario = {
  works: ["apply", "custom", "policy"],
  sides: ["hue", "reference"],
  long: true,
  async run(bench) {
    const server = await bench.start({ runtime: "none" });
    if (bench.wants("apply")) await apply(bench, server);
    if (bench.wants("custom")) await custom(bench, server);
    if (bench.wants("policy")) await policy(bench, server);
    await server.stop();
  },
};

async function measure(bench: Bench, work: string, ...args: Parameters<typeof drive>): Promise<void> {
  const { rate, cpu } = await drive(...args);
  bench.record(`${work}.rate`, rate);
  bench.record(`${work}.CPU`, cpu);
}

/** Applies again and again, with another value each time. Paused, so that the controllers' work is not in the figure. */
async function apply(bench: Bench, server: Running): Promise<void> {
  const labels = { app: "bench" };
  const request = (i: number) => {
    const env = [{ name: "ROUND", value: String(i) }];
    const resources = { requests: { cpu: "10m", memory: "16Mi" } };
    const containers = [{ name: "c", image: "example.test/app:1.0", ports: [{ containerPort: 8080 }], env, resources }];
    const spec = { replicas: 0, paused: true, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } };
    return {
      method: "PATCH" as const,
      path: `/apis/apps/v1/namespaces/default/deployments/bench-${i % 200}?fieldManager=bench&force=true`,
      contentType: "application/apply-patch+yaml",
      body: JSON.stringify({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: `bench-${i % 200}`, labels }, spec }),
    };
  };
  await drive(server, 200, request);
  await pause(1000);
  await measure(bench, "apply", server, bench.form.requests, (i) => request(i + 200));
}

async function custom(bench: Bench, server: Running): Promise<void> {
  const spec = {
    type: "object" as const,
    properties: { min: { type: "integer" }, max: { type: "integer" }, name: { type: "string" } },
    "x-kubernetes-validations": [{ rule: "self.min <= self.max", message: "min is above max" }],
  };
  await server.client.create(CustomResourceDefinitions, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "ranges.bench.test" },
    spec: {
      group: "bench.test",
      scope: "Namespaced",
      names: { plural: "ranges", singular: "range", kind: "Range", listKind: "RangeList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object", properties: { spec } } } }],
    },
  });
  const target = { resource: CustomResourceDefinitions, name: "ranges.bench.test" };
  await until(server.client, target, ([crd]) => isTrue(crd?.status?.conditions, "Established"));
  // The reference serves a resource some moments after it is established.
  await pause(2000);
  await measure(bench, "custom", server, bench.form.requests, (i) => {
    const metadata = { name: `range-${i}` };
    const body = JSON.stringify({ apiVersion: "bench.test/v1", kind: "Range", metadata, spec: { min: i, max: i + 1, name: `${i}` } });
    return { method: "POST", path: "/apis/bench.test/v1/namespaces/default/ranges", body };
  });
}

async function policy(bench: Bench, server: Running): Promise<void> {
  const { client } = server;
  const metadata = { name: "bench" };
  await client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "policy" }, spec: {} });
  await client.create(ValidatingAdmissionPolicies, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata,
    spec: {
      matchConstraints: { resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }] },
      validations: [{ expression: "has(object.data) && object.data.size() < 10 && !object.metadata.name.startsWith('refused')" }],
    },
  });
  await client.create(ValidatingAdmissionPolicyBindings, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata,
    spec: { policyName: "bench", validationActions: ["Deny"] },
  });
  const object = (name: string) => ({
    apiVersion: "v1" as const,
    kind: "ConfigMap" as const,
    metadata: { namespace: "policy", name },
    data: { a: "b" },
  });
  for (let i = 0; !(await isRefused(() => client.create(ConfigMaps, object(`refused-${i}`)))); i++) {
    if (i === 100) throw new Error("what the policy forbids is allowed ten seconds later");
    await pause(100);
  }
  await measure(bench, "policy", server, bench.form.requests, (i) => {
    return { method: "POST", path: "/api/v1/namespaces/policy/configmaps", body: JSON.stringify(object(`map-${i}`)) };
  });
}

async function isRefused(create: () => Promise<unknown>): Promise<boolean> {
  try {
    await create();
    return false;
  } catch (error) {
    if (isReason(error, "Invalid") || isReason(error, "Forbidden")) return true;
    throw error;
  }
}
