import { describe, expect, test } from "vitest";
import { readObject } from "../../../../src/api/codec/body.ts";
import { openEnvelope } from "../../../../src/api/schema/protobuf.ts";
import { typeOfKind } from "../../../../src/api/schema/struct.ts";
import { kubectlBodies } from "./kubectl-bodies.ts";

const contentType = "application/vnd.kubernetes.protobuf";

function decode(name: string): unknown {
  const body = Buffer.from(kubectlBodies[name] ?? "", "base64");
  const { apiVersion, kind } = openEnvelope(body);
  return readObject(body, contentType, { type: typeOfKind(apiVersion, kind), apiVersion, kind, fieldValidation: "Strict" }).object;
}

/** A message by hand: numbers are varints, texts and lists of bytes are length-delimited. */
function message(...fields: [number, number | string | Buffer][]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === "number") return Buffer.concat([varint(number * 8), varint(value)]);
      const bytes = Buffer.from(value);
      return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
    }),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  return Buffer.concat([Buffer.from("k8s\0"), message([1, message([1, apiVersion], [2, kind])], [2, raw])]);
}

function read(apiVersion: string, kind: string, raw: Buffer): unknown {
  const target = { type: typeOfKind(apiVersion, kind), apiVersion, kind };
  return readObject(envelope(apiVersion, kind, raw), contentType, target).object;
}

describe("bodies of kubectl", () => {
  test.each([
    ["namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "foo" }, spec: {}, status: {} }],
    ["configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "cm" }, data: { a: "b", c: "d" } }],
    ["secrets", { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: { a: "Yg==" } }],
    ["serviceaccounts", { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "x" } }],
    [
      "deployments",
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "d", labels: { app: "d" } },
        spec: {
          replicas: 3,
          selector: { matchLabels: { app: "d" } },
          template: {
            metadata: { labels: { app: "d" } },
            spec: { containers: [{ name: "nginx", image: "nginx", ports: [{ containerPort: 80 }], resources: {} }] },
          },
          strategy: {},
        },
        status: {},
      },
    ],
    [
      "services",
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "svc", labels: { app: "svc" } },
        spec: { ports: [{ name: "80-8080", protocol: "TCP", port: 80, targetPort: 8080 }], selector: { app: "svc" }, type: "ClusterIP" },
        status: { loadBalancer: {} },
      },
    ],
    [
      "resourcequotas",
      { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "q" }, spec: { hard: { cpu: "1", memory: "1Gi" } }, status: {} },
    ],
    [
      "roles",
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "Role",
        metadata: { name: "r" },
        rules: [{ verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] }],
      },
    ],
    [
      "ingresses",
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "Ingress",
        metadata: { name: "i" },
        spec: {
          rules: [
            {
              host: "foo.com",
              http: { paths: [{ path: "/bar", pathType: "Exact", backend: { service: { name: "svc", port: { number: 80 } } } }] },
            },
          ],
        },
        status: { loadBalancer: {} },
      },
    ],
  ])("%s", (name, expected) => {
    expect(decode(name)).toEqual(expected);
  });

  test("all others are read as well", () => {
    for (const name of Object.keys(kubectlBodies)) expect(decode(name), name).toMatchObject({ metadata: {} });
  });
});

describe("the wire format", () => {
  const metadata = message([1, "x"]);

  test("JSON inside of messages: raw objects, managed fields, defaults and enums of schemas", () => {
    const schema = message([5, "string"], [8, message([1, '"a"'])], [20, message([1, '"a"'])], [20, message([1, "null"])]);
    const version = message([1, "v1"], [4, message([1, schema])]);
    expect(read("apiextensions.k8s.io/v1", "CustomResourceDefinition", message([1, metadata], [2, message([7, version])]))).toMatchObject({
      spec: { versions: [{ schema: { openAPIV3Schema: { type: "string", default: "a", enum: ["a", null] } } }] },
    });
    const owned = message([1, "x"], [17, message([1, "me"], [7, message([1, '{"f:data":{}}'])])]);
    expect(read("v1", "ConfigMap", message([1, owned]))).toMatchObject({ metadata: { managedFields: [{ fieldsV1: { "f:data": {} } }] } });
  });

  test("schemas that are a boolean, a schema or a list", () => {
    const leaf = message([5, "integer"]);
    const schema = message(
      [30, message([1, 1])],
      [33, message([2, leaf])],
      [24, message([2, leaf], [2, leaf])],
      [32, message([1, "k"], [2, message([2, "v"])])],
    );
    const version = message([4, message([1, schema])]);
    expect(read("apiextensions.k8s.io/v1", "CustomResourceDefinition", message([2, message([7, version])]))).toMatchObject({
      spec: {
        versions: [
          {
            schema: {
              openAPIV3Schema: {
                additionalProperties: true,
                additionalItems: { type: "integer" },
                items: [{ type: "integer" }, { type: "integer" }],
                dependencies: { k: ["v"] },
              },
            },
          },
        ],
      },
    });
  });

  test("times, negative numbers, int-or-string, embedded structs, packed numbers", () => {
    const born = message([1, "x"], [8, message([1, 1767225600])]);
    const probe = message([1, message([2, message([1, "/"], [2, message([1, 1], [2, 0], [3, "web"])])])], [4, 5]);
    const container = message([1, "c"], [10, probe]);
    expect(read("v1", "Pod", message([1, born], [2, message([2, container], [4, 30])]))).toMatchObject({
      metadata: { creationTimestamp: "2026-01-01T00:00:00Z" },
      spec: {
        terminationGracePeriodSeconds: 30,
        containers: [{ livenessProbe: { httpGet: { path: "/", port: "web" }, periodSeconds: 5 } }],
      },
    });
    expect(read("scheduling.k8s.io/v1", "PriorityClass", message([2, -7]))).toMatchObject({ value: -7 });
    const exitCodes = message([2, "In"], [3, Buffer.from([1, 2, 0x80, 0x01])]);
    const rule = message([1, "Ignore"], [2, exitCodes]);
    expect(read("batch/v1", "Job", message([2, message([11, message([1, rule])])]))).toMatchObject({
      spec: { podFailurePolicy: { rules: [{ onExitCodes: { values: [1, 2, 128] } }] } },
    });
  });

  test("zero values of fields without a pointer are absent, of others they are kept", () => {
    const pod = read("v1", "Pod", message([1, metadata], [2, message([11, 0], [10, ""], [21, 0], [4, 0])]));
    expect(pod).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "x" },
      spec: { automountServiceAccountToken: false, terminationGracePeriodSeconds: 0 },
    });
  });

  test("unknown fields are skipped", () => {
    expect(read("v1", "ConfigMap", message([1, metadata], [99, "new"], [98, 7]))).toMatchObject({ metadata: { name: "x" } });
  });

  test("options of any group version", () => {
    const body = envelope("policy/v1", "DeleteOptions", message([1, 0], [4, "Foreground"]));
    const target = { type: "meta.v1.DeleteOptions", apiVersion: "v1", kind: "DeleteOptions" };
    expect(readObject(body, contentType, target).object).toMatchObject({ gracePeriodSeconds: 0, propagationPolicy: "Foreground" });
  });

  test("broken bodies are refused", () => {
    const pod = { type: "core.v1.Pod", apiVersion: "v1", kind: "Pod" };
    const refuse = (body: Buffer): unknown => readObject(body, contentType, pod);
    expect(() => refuse(Buffer.from("abc"))).toThrow(
      "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (616263)",
    );
    expect(() => refuse(envelope("v1", "Pod", Buffer.from([0x0a, 0x7f])))).toThrow(
      'Pod in version "v1" cannot be handled as a Pod: unexpected EOF',
    );
  });
});
