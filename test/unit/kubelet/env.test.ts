import { describe, expect, test } from "vitest";
import type { Service } from "../../../src/api/types/core.v1.ts";
import { type EnvSources, environment, expand, expandStrictly, serviceEnvironment } from "../../../src/kubelet/pods/env.ts";
import { podField, resourceField } from "../../../src/kubelet/pods/fields.ts";
import { pod } from "./pods.ts";

const node = { nodeName: "n1", hostIPs: ["192.168.1.1"], podIPs: ["10.42.0.2"], allocatable: { cpu: "4", memory: "8Gi" } };

test.each([
  ["$(A)", "1"],
  ["$$(A)", "$(A)"],
  ["$$$(A)", "$1"],
  ["$(B) $ $A $(", "$(B) $ $A $("],
  ["$\x7bA}test $(A)test", "$\x7bA}test 1test"],
  ["a$$b", "a$b"],
])("%s expands to %s", (text, result) => {
  expect(expand(text, (name) => (name === "A" ? "1" : undefined))).toBe(result);
});

test("subPathExpr needs every variable", () => {
  expect(() => expandStrictly("$(X)/y", () => undefined)).toThrow(`missing value for "X"`);
});

describe("the environment of a container", () => {
  const sources: EnvSources = {
    node,
    configMap: (name) =>
      name === "cm" ? { apiVersion: "v1", kind: "ConfigMap", metadata: {} as never, data: { k: "v", other: "o" } } : undefined,
    secret: (name) => (name === "s" ? { apiVersion: "v1", kind: "Secret", metadata: {} as never, data: { pw: "Z2VoZWlt" } } : undefined),
    file: (_, path) => (path === "f.env" ? "A=1\nB='two'\n" : undefined),
    services: [],
  };
  const env = (container: object) => Object.fromEntries(environment(pod({ containers: [] }), { name: "c", ...container }, sources));

  test("lets later variables refer to earlier ones and override envFrom", () => {
    const variables = {
      envFrom: [{ prefix: "P_", configMapRef: { name: "cm" } }],
      env: [
        { name: "P_k", value: "mine" },
        { name: "B", value: "$(P_k)!" },
      ],
    };
    expect(env(variables)).toEqual({ P_k: "mine", P_other: "o", B: "mine!" });
  });

  test("reads objects, fields, resources and files", () => {
    const from = (name: string, valueFrom: object) => ({ name, valueFrom });
    expect(
      env({
        env: [
          from("A", { configMapKeyRef: { name: "cm", key: "k" } }),
          from("B", { secretKeyRef: { name: "s", key: "pw" } }),
          from("C", { fieldRef: { fieldPath: "status.podIP" } }),
          from("D", { resourceFieldRef: { resource: "limits.cpu" } }),
          from("E", { fileKeyRef: { volumeName: "v", path: "f.env", key: "B" } }),
          from("F", { secretKeyRef: { name: "none", key: "x", optional: true } }),
        ],
      }),
    ).toEqual({ A: "v", B: "geheim", C: "10.42.0.2", D: "4", E: "two" });
  });

  test.each([
    [{ configMapKeyRef: { name: "no", key: "k" } }, `configmap "no" not found`],
    [{ configMapKeyRef: { name: "cm", key: "no" } }, "couldn't find key no in ConfigMap default/cm"],
    [{ secretKeyRef: { name: "no", key: "k" } }, `secret "no" not found`],
    [{ secretKeyRef: { name: "s", key: "no" } }, "couldn't find key no in Secret default/s"],
  ])("refuses %j", (valueFrom, message) => {
    expect(() => env({ env: [{ name: "A", valueFrom }] })).toThrow(message);
  });
});

describe("service variables", () => {
  const service = (name: string, namespace: string, clusterIP: string): Service => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, uid: "", resourceVersion: "", creationTimestamp: "" },
    spec: { clusterIP, ports: [{ name: "http", port: 80, protocol: "TCP" }] },
    status: {},
  });
  const services = [
    service("my-web", "default", "10.43.0.5"),
    service("kubernetes", "default", "10.43.0.1"),
    service("headless", "default", "None"),
  ];

  test("are what Docker links gave", () => {
    expect(Object.fromEntries(serviceEnvironment(services, true))).toMatchObject({
      MY_WEB_SERVICE_HOST: "10.43.0.5",
      MY_WEB_SERVICE_PORT: "80",
      MY_WEB_SERVICE_PORT_HTTP: "80",
      MY_WEB_PORT: "tcp://10.43.0.5:80",
      MY_WEB_PORT_80_TCP_ADDR: "10.43.0.5",
      KUBERNETES_SERVICE_HOST: "10.43.0.1",
    });
    expect([...serviceEnvironment(services, true).keys()].some((name) => name.startsWith("HEADLESS"))).toBe(false);
  });

  test("without links are those of kubernetes only", () => {
    expect([...serviceEnvironment(services, false).keys()].every((name) => name.startsWith("KUBERNETES_"))).toBe(true);
  });
});

describe("downward API", () => {
  const p = pod({ containers: [{ name: "c", resources: { limits: { memory: "100Mi" }, requests: { cpu: "250m" } } }] });
  p.metadata.labels = { b: 'say "hi"', a: "1" };

  test("writes labels sorted and quoted, and one of them plain", () => {
    expect(podField(p, "metadata.labels", node)).toBe('a="1"\nb="say \\"hi\\""');
    expect(podField(p, "metadata.labels['a']", node)).toBe("1");
    expect(() => podField(p, "spec.nope", node)).toThrow("unsupported fieldPath");
  });

  test.each([
    ["requests.cpu", "1m", "250"],
    ["requests.cpu", "1", "1"],
    ["limits.memory", "1Mi", "100"],
    ["limits.cpu", "1", "4"],
    ["requests.memory", "1", "0"],
  ])("gives %s in units of %s as %s", (resource, divisor, result) => {
    expect(resourceField(p, p.spec.containers[0] ?? { name: "" }, { resource, divisor }, node)).toBe(result);
  });
});
