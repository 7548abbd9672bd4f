import { describe, expect, test } from "vitest";
import { compileType } from "../../../../src/api/schema/compiled.ts";
import types from "../../../../src/api/schema/types.json" with { type: "json" };

const prune = (type: string, value: unknown) => compileType(type).prune(value);

function complete(type: string, value: object): object {
  const { value: pruned } = prune(type, value);
  compileType(type).applyDefaults(pruned);
  return pruned;
}

const container = (fields: object): object => ({ spec: { containers: [fields] } });

// Texts as a Kubernetes v1.36 API server answers them.
describe("values of a wrong type", () => {
  test.each<[string, unknown, string]>([
    [
      "apps.v1.Deployment",
      { spec: { replicas: "a" } },
      "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      "apps.v1.Deployment",
      { spec: { replicas: 1.5 } },
      "cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      "apps.v1.Deployment",
      { spec: { replicas: 99999999999 } },
      "cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    ["apps.v1.Deployment", { metadata: "x" }, "cannot unmarshal string into Go struct field Deployment.metadata of type v1.ObjectMeta"],
    [
      "core.v1.Pod",
      { metadata: { labels: { a: 5 } } },
      "cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    ],
    [
      "core.v1.Pod",
      { metadata: { labels: "z" } },
      "cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string",
    ],
    [
      "core.v1.Pod",
      { spec: { containers: {} } },
      "cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    ],
    [
      "core.v1.Pod",
      { spec: { containers: ["a"] } },
      "cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
    ],
    [
      "core.v1.Pod",
      container({ args: [["x"]] }),
      "cannot unmarshal array into Go struct field Container.spec.containers.args of type string",
    ],
    [
      "core.v1.Pod",
      container({ resources: { limits: "a" } }),
      "cannot unmarshal string into Go struct field ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList",
    ],
    [
      "core.v1.Pod",
      container({ livenessProbe: { httpGet: { path: 4 } } }),
      "cannot unmarshal number into Go struct field HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.path of type string",
    ],
    [
      "core.v1.Pod",
      { spec: { volumes: [{ emptyDir: "a" }] } },
      "cannot unmarshal string into Go struct field Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
    ],
    [
      "core.v1.Pod",
      { spec: { hostNetwork: "true" } },
      "cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
    ],
    ["core.v1.Secret", { data: { a: 5 } }, "cannot unmarshal number into Go struct field Secret.data of type []uint8"],
    ["core.v1.Secret", { data: "a" }, "cannot unmarshal string into Go struct field Secret.data of type map[string][]uint8"],
    [
      "core.v1.Pod",
      { metadata: { creationTimestamp: 5 } },
      "cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
    ],
  ])("%s %j", (type, value, message) => {
    const [, version, kind] = type.split(".");
    const text = `${kind} in version "${version}" cannot be handled as a ${kind}: json: ${message}`;
    expect(() => prune(type, value)).toThrow(expect.objectContaining({ message: text, code: 400, reason: "BadRequest" }));
  });

  test.each<[string, unknown, string]>([
    ["core.v1.Secret", { data: { a: "%%" } }, "illegal base64 data at input byte 0"],
    [
      "core.v1.Pod",
      container({ resources: { limits: { cpu: "abc" } } }),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    ["core.v1.Pod", container({ resources: { limits: { cpu: true } } }), "quantities must match the regular expression"],
    [
      "core.v1.Pod",
      { metadata: { creationTimestamp: "abc" } },
      `parsing time "abc" as "2006-01-02T15:04:05Z07:00": cannot parse "abc" as "2006"`,
    ],
    ["core.v1.Pod", { metadata: { creationTimestamp: "2026-13-01T00:00:00Z" } }, `parsing time "2026-13-01T00:00:00Z": month out of range`],
    ["core.v1.Pod", { metadata: { creationTimestamp: "2026-02-30T00:00:00Z" } }, `parsing time "2026-02-30T00:00:00Z": day out of range`],
  ])("%s %j", (type, value, message) => {
    expect(() => prune(type, value)).toThrow(message);
  });
});

describe("the stored form", () => {
  test("unknown fields are dropped and named, in their order; names are case-sensitive", () => {
    const { value, unknown } = prune("core.v1.Pod", {
      spec: { foo: 1, containers: [{ name: "a", bar: {} }], Volumes: [] },
      metadata: { labels: { x: "" }, z: 1 },
    });
    expect(unknown).toEqual(["spec.foo", "spec.containers[0].bar", "spec.Volumes", "metadata.z"]);
    expect(value).toEqual({ spec: { containers: [{ name: "a" }] }, metadata: { labels: { x: "" } } });
  });

  test("zero values that Go leaves out are dropped, those behind pointers are kept", () => {
    const { value } = prune("core.v1.Pod", {
      metadata: { labels: {}, name: "", finalizers: [] },
      spec: { hostNetwork: false, nodeName: "", tolerations: [], automountServiceAccountToken: false, terminationGracePeriodSeconds: 0 },
    });
    expect(value).toEqual({ metadata: {}, spec: { automountServiceAccountToken: false, terminationGracePeriodSeconds: 0 } });
  });

  test("null is absent in a struct, and zero in lists and maps", () => {
    const { value } = prune("core.v1.Pod", {
      metadata: { labels: { a: null }, annotations: null },
      spec: { containers: [{ command: ["a", null] }], imagePullSecrets: [null], securityContext: null },
    });
    expect(value).toEqual({ metadata: { labels: { a: "" } }, spec: { containers: [{ command: ["a", ""] }], imagePullSecrets: [{}] } });
  });

  test("quantities, times and base64 are canonical", () => {
    const { value } = prune("core.v1.Pod", {
      metadata: { creationTimestamp: "2026-01-01T02:00:00.5+02:00" },
      ...container({ resources: { limits: { cpu: "0.5", memory: 1000000 } } }),
    });
    expect(value).toMatchObject({
      metadata: { creationTimestamp: "2026-01-01T00:00:00Z" },
      ...container({ resources: { limits: { cpu: "500m", memory: "1M" } } }),
    });
    expect(prune("coordination.v1.Lease", { spec: { renewTime: "2026-01-01T00:00:00.12Z" } }).value).toEqual({
      spec: { renewTime: "2026-01-01T00:00:00.120000Z" },
    });
    expect(prune("core.v1.Secret", { data: { a: "YWFh\nYWFh" } }).value).toEqual({ data: { a: "YWFhYWFh" } });
  });

  test("free-form values stay as they are", () => {
    const data = { a: null, b: [0, "", {}] };
    expect(prune("apps.v1.ControllerRevision", { data }).value).toEqual({ data });
    const schema = { default: { x: null }, enum: [null, 0, ""], additionalProperties: false, items: { type: "string", foo: 1 } };
    const crd = prune("apiextensions.v1.CustomResourceDefinition", { spec: { versions: [{ schema: { openAPIV3Schema: schema } }] } });
    expect(crd.value).toEqual({ spec: { versions: [{ schema: { openAPIV3Schema: { ...schema, items: { type: "string" } } } }] } });
    // As in Go, whose type for this reads itself.
    expect(crd.unknown).toEqual([]);
  });

  test("keys that JavaScript treats in its own way are ordinary keys", () => {
    const { value } = prune("core.v1.ConfigMap", JSON.parse('{"data":{"__proto__":"a","constructor":"b"}}'));
    expect(JSON.stringify(value)).toBe('{"data":{"__proto__":"a","constructor":"b"}}');
    expect(prune("core.v1.Pod", JSON.parse('{"__proto__":{"a":1},"toString":1}')).unknown).toEqual(["__proto__", "toString"]);
  });

  test("the given value is not touched, even when it is frozen", () => {
    const labels = Object.freeze({ a: "b" });
    const given = Object.freeze({ metadata: Object.freeze({ labels }) });
    const { value } = prune("core.v1.Pod", given);
    expect(value).toEqual(given);
    expect(value["metadata"]).not.toBe(given.metadata);
  });

  test("pruning twice gives the same", () => {
    const once = complete("core.v1.Event", { metadata: { name: "x" }, eventTime: "2026-01-01T00:00:00.000001Z" });
    expect(complete("core.v1.Event", structuredClone(once))).toEqual(once);
  });
});

// As the dry-run replies of a Kubernetes v1.36 API server show them.
describe("what is always written", () => {
  test.each<[string, object, object]>([
    [
      "core.v1.Pod",
      container({ name: "a", ports: [{ containerPort: 80 }] }),
      { metadata: {}, status: {}, ...container({ name: "a", ports: [{ containerPort: 80, protocol: "TCP" }], resources: {} }) },
    ],
    [
      "apps.v1.Deployment",
      { metadata: { name: "x" } },
      { metadata: { name: "x" }, spec: { template: { metadata: {}, spec: { containers: [] } }, strategy: {} }, status: {} },
    ],
    ["rbac.v1.Role", { metadata: { name: "x" }, rules: [] }, { metadata: { name: "x" }, rules: [] }],
    ["discovery.v1.EndpointSlice", { addressType: "IPv4" }, { addressType: "IPv4", metadata: {}, endpoints: null, ports: null }],
    [
      "policy.v1.PodDisruptionBudget",
      {},
      { metadata: {}, spec: {}, status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 } },
    ],
    [
      "core.v1.Event",
      {},
      {
        metadata: {},
        involvedObject: {},
        source: {},
        firstTimestamp: null,
        lastTimestamp: null,
        eventTime: null,
        reportingComponent: "",
        reportingInstance: "",
      },
    ],
    ["core.v1.ConfigMap", { metadata: {} }, { metadata: {} }],
    ["core.v1.ReplicationController", {}, { metadata: {}, spec: { replicas: 1 }, status: { replicas: 0 } }],
  ])("%s %j", (type, given, expected) => {
    expect(complete(type, given)).toEqual(expected);
  });
});

test("every type compiles, and an empty object passes through it", () => {
  for (const [name, facts] of Object.entries(types)) if (facts.fields) expect(complete(name, {}), name).toBeTypeOf("object");
});
