import { afterAll, beforeAll, expect, it } from "vitest";
import type { Creatable, KubeObject } from "../../src/api/meta/object.ts";
import type { Resource } from "../../src/api/resource.ts";
import {
  CustomResourceDefinitions,
  Deployments,
  MutatingAdmissionPolicies,
  MutatingAdmissionPolicyBindings,
  ValidatingAdmissionPolicies,
  ValidatingAdmissionPolicyBindings,
} from "../../src/api/types/resources.ts";
import { type Cluster, createCluster } from "../../src/server/cluster.ts";
import { eventually } from "../support/eventually.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await createCluster({ nodes: 0 });
});
afterAll(() => cluster.stop());

const limits: Resource<KubeObject> = {
  ...Deployments,
  ...{
    group: "example.com",
    version: "v1",
    groupVersion: "example.com/v1",
    plural: "limits",
    singular: "limit",
    kind: "Limit",
    type: undefined,
  },
};
const rules = {
  resourceRules: [{ apiGroups: ["apps"], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["deployments"] }],
};

function make<T extends KubeObject>(resource: Resource<T>, name: string, rest: object, namespace?: string): Promise<T> {
  const object = {
    apiVersion: resource.groupVersion,
    kind: resource.kind,
    metadata: { name, ...(namespace ? { namespace } : {}) },
    ...rest,
  };
  return cluster.client.create(resource, object as unknown as Creatable<T>); // As its resource says.
}

function deploy(name: string, replicas: number): Promise<KubeObject> {
  const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
  return make(Deployments, name, { spec: { replicas, selector: { matchLabels: { a: "b" } }, template } }, "default");
}

it("a policy takes a custom resource for its parameters, and its status tells what does not fit their types", async () => {
  const spec = { type: "object", properties: { max: { type: "integer" } } };
  await make(CustomResourceDefinitions, "limits.example.com", {
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "limits", singular: "limit", kind: "Limit", listKind: "LimitList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object", properties: { spec } } } }],
    },
  });
  await eventually(() => make(limits, "most", { spec: { max: 3 } }, "default"));
  await make(ValidatingAdmissionPolicies, "replicas", {
    spec: {
      paramKind: { apiVersion: "example.com/v1", kind: "Limit" },
      matchConstraints: rules,
      validations: [{ expression: "object.spec.replicas <= params.spec.max", messageExpression: "'at most ' + string(params.spec.max)" }],
    },
  });
  await make(ValidatingAdmissionPolicyBindings, "replicas", {
    spec: { policyName: "replicas", paramRef: { name: "most", parameterNotFoundAction: "Deny" }, validationActions: ["Deny"] },
  });
  await deploy("small", 3);
  await expect(deploy("large", 4)).rejects.toThrow(
    "deployments.apps \"large\" is forbidden: ValidatingAdmissionPolicy 'replicas' with binding 'replicas' denied request: at most 3",
  );
  const small = await cluster.client.get(Deployments, { namespace: "default", name: "small" });
  // Without a version: controllers write to it as well.
  const larger = { ...small, metadata: { ...small.metadata, resourceVersion: "" }, spec: { ...small.spec, replicas: 5 } };
  await expect(cluster.client.update(Deployments, larger)).rejects.toThrow("at most 3");
  await expectStatus("replicas", {});

  await make(ValidatingAdmissionPolicies, "wrong", {
    spec: {
      paramKind: { apiVersion: "example.com/v1", kind: "Limit" },
      matchConstraints: rules,
      validations: [{ expression: "object.spec.replicas <= params.spec.least" }],
    },
  });
  const warning =
    "apps/v1, Kind=Deployment: ERROR: <input>:1:36: undefined field 'least'\n" +
    " | object.spec.replicas <= params.spec.least\n" +
    " | ...................................^\n";
  await expectStatus("wrong", { expressionWarnings: [{ fieldRef: "spec.validations[0].expression", warning }] });
});

async function expectStatus(name: string, typeChecking: object): Promise<void> {
  await eventually(async () => {
    const { status } = await cluster.client.get(ValidatingAdmissionPolicies, { name });
    expect(status).toEqual({ observedGeneration: 1, typeChecking });
  });
}

it("a mutating policy changes what is validated afterwards", async () => {
  const expression = "Object{spec: Object.spec{replicas: 2}}";
  await make(MutatingAdmissionPolicies, "two", {
    spec: {
      matchConstraints: rules,
      matchConditions: [{ name: "large", expression: "object.spec.replicas > 3" }],
      mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression } }],
      reinvocationPolicy: "Never",
    },
  });
  await make(MutatingAdmissionPolicyBindings, "two", { spec: { policyName: "two" } });
  expect(await deploy("mutated", 9)).toMatchObject({ spec: { replicas: 2 } });
});
