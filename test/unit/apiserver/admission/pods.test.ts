import { beforeEach, describe, expect, test } from "vitest";
import type { Container, Pod, PodSpec } from "../../../../src/api/types/core.v1.ts";
import {
  LimitRanges,
  Namespaces,
  PersistentVolumeClaims,
  Pods,
  PriorityClasses,
  RuntimeClasses,
  ServiceAccounts,
} from "../../../../src/api/types/resources.ts";
import { AdmissionHarness } from "./harness.ts";

let admission: AdmissionHarness;
beforeEach(() => {
  admission = new AdmissionHarness();
});
const put = (...args: Parameters<AdmissionHarness["objects"]["put"]>) => admission.objects.put(...args);
const container = (name: string, resources: Container["resources"] = {}): Container => ({ name, image: "x", resources });

describe("namespaces", () => {
  test("must be there, and not on their way out", async () => {
    await expect(admission.pod({}, { namespace: "gone" })).rejects.toMatchObject({ code: 404, message: 'namespaces "gone" not found' });
    admission.namespace("ns", {}, { phase: "Terminating" });
    const error = await admission.pod().catch((e) => e);
    expect(error.message).toBe('pods "p" is forbidden: unable to create new content in namespace ns because it is being terminated');
    expect(error.status.details.causes).toEqual([
      { reason: "NamespaceTerminating", message: "namespace ns is being terminated", field: "metadata.namespace" },
    ]);
    const old = { apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "ns" } };
    await admission.write(Pods, undefined, { operation: "DELETE", old, name: "p" });
  });

  test("of the system stay", async () => {
    const remove = (name: string) => admission.write(Namespaces, undefined, { operation: "DELETE", name });
    await expect(remove("kube-system")).rejects.toThrow('namespaces "kube-system" is forbidden: this namespace may not be deleted');
    await remove("mine");
  });
});

describe("service accounts", () => {
  test("are mounted with token, authority and namespace", async () => {
    const { object } = await admission.pod({ initContainers: [container("i")] });
    expect(object.spec).toMatchObject({ serviceAccountName: "default", serviceAccount: "default" });
    const mount = { name: "kube-api-access-abcde", readOnly: true, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" };
    expect(object.spec.containers[0]?.volumeMounts).toEqual([mount]);
    expect(object.spec.initContainers?.[0]?.volumeMounts).toEqual([mount]);
    expect(object.spec.volumes?.[0]?.projected?.sources?.[0]).toEqual({ serviceAccountToken: { expirationSeconds: 3607, path: "token" } });
  });

  test("are mounted under one name in all pods of an owner, whose specs are equal so", async () => {
    const specOf = async (name: string, uid: string) => {
      const ownerReferences = [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "set", uid, controller: true }];
      const pod = { metadata: { name, ownerReferences }, spec: { containers: [container("c")] } };
      return (await admission.write<Pod>(Pods, pod)).object.spec;
    };
    const spec = await specOf("p-1", "one");
    expect(spec.volumes?.[0]?.name).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
    expect(await specOf("p-2", "one")).toEqual(spec);
    expect((await specOf("p-3", "another")).volumes?.[0]?.name).not.toBe(spec.volumes?.[0]?.name);
  });

  test.each([
    { pod: false, account: undefined, mounted: false },
    { pod: undefined, account: false, mounted: false },
    { pod: true, account: false, mounted: true },
  ])("are not mounted where pod ($pod) or account ($account) say so", async ({ pod, account, mounted }) => {
    put(ServiceAccounts, {
      metadata: { namespace: "ns", name: "default" },
      ...(account === undefined ? {} : { automountServiceAccountToken: account }),
    });
    const { object } = await admission.pod(pod === undefined ? {} : { automountServiceAccountToken: pod });
    expect((object.spec.volumes ?? []).length > 0).toBe(mounted);
  });

  test("bring their pull secrets", async () => {
    put(ServiceAccounts, { metadata: { namespace: "ns", name: "bot" }, imagePullSecrets: [{ name: "hub" }] });
    expect((await admission.pod({ serviceAccountName: "bot" })).object.spec.imagePullSecrets).toEqual([{ name: "hub" }]);
    const own = { serviceAccountName: "bot", imagePullSecrets: [{ name: "own" }] };
    expect((await admission.pod(own)).object.spec.imagePullSecrets).toEqual([{ name: "own" }]);
  });

  test.each<[string, Partial<PodSpec>, string]>([
    ["volume", { volumes: [{ name: "v", secret: { secretName: "other" } }] }, 'volume with secret.secretName="other"'],
    [
      "variable",
      { containers: [{ name: "a", env: [{ name: "E", valueFrom: { secretKeyRef: { name: "other", key: "k" } } }] }] },
      'container a with envVar E referencing secret.secretName="other"',
    ],
    [
      "variable of an init container",
      { initContainers: [{ name: "i", envFrom: [{ secretRef: { name: "other" } }] }] },
      'init container i with envFrom referencing secret.secretName="other"',
    ],
    ["pull secret", { imagePullSecrets: [{ name: "mine" }] }, 'imagePullSecrets[0].name="mine"'],
  ])("that allow only the Secrets that they list let pods have no other %s", async (_, spec, use) => {
    const account = (value: string) =>
      put(ServiceAccounts, {
        metadata: { namespace: "ns", name: "default", annotations: { "kubernetes.io/enforce-mountable-secrets": value } },
        secrets: [{ name: "mine" }],
        imagePullSecrets: [{ name: "hub" }],
      });
    account("true");
    await expect(admission.pod(spec)).rejects.toThrow(
      `pods "p" is forbidden: ${use} is not allowed because service account default does not`,
    );
    await admission.pod({ volumes: [{ name: "v", secret: { secretName: "mine" } }] });
    account("false");
    await admission.pod(spec);
  });

  test("allow ephemeral containers no other Secrets either", async () => {
    const annotations = { "kubernetes.io/enforce-mountable-secrets": "true" };
    put(ServiceAccounts, { metadata: { namespace: "ns", name: "default", annotations }, secrets: [{ name: "mine" }] });
    const debug = (name: string) => {
      const spec = { serviceAccountName: "default", ephemeralContainers: [{ name: "d", envFrom: [{ secretRef: { name } }] }] };
      const pod = { metadata: { name: "p" }, spec: { ...spec, containers: [container("a")] } };
      return admission.write(Pods, pod, { operation: "UPDATE", subresource: "ephemeralcontainers", old: pod as never });
    };
    await expect(debug("other")).rejects.toThrow('ephemeral container d with envFrom referencing secret.secretName="other" is not allowed');
    await debug("mine");
  });

  test("must be there; the default one of a new namespace is waited for", async () => {
    await expect(admission.pod({ serviceAccountName: "foo" })).rejects.toThrow(
      'pods "p" is forbidden: error looking up service account ns/foo: serviceaccount "foo" not found',
    );
    admission.namespace("new");
    const pod = admission.pod({}, { namespace: "new" });
    put(ServiceAccounts, { metadata: { namespace: "new", name: "default" } });
    expect((await pod).object.spec.serviceAccountName).toBe("default");
  });
});

describe("LimitRanger", () => {
  const limits = [
    {
      type: "Container",
      default: { cpu: "300m", memory: "200Mi" },
      defaultRequest: { cpu: "100m", memory: "200Mi" },
      min: { cpu: "50m" },
      max: { cpu: "1", memory: "1Gi" },
      maxLimitRequestRatio: { cpu: "4" },
    },
    { type: "Pod", max: { cpu: "2" } },
    { type: "PersistentVolumeClaim", min: { storage: "1Gi" }, max: { storage: "5Gi" } },
  ];
  beforeEach(() => put(LimitRanges, { metadata: { namespace: "ns", name: "lr" }, spec: { limits } }));

  test("fills in what containers leave open, and says so", async () => {
    const { object } = await admission.pod({
      containers: [container("a"), container("b", { limits: { cpu: "300m" }, requests: { cpu: "300m" } })],
    });
    expect(object.spec.containers.map((c) => c.resources)).toEqual([
      { limits: { cpu: "300m", memory: "200Mi" }, requests: { cpu: "100m", memory: "200Mi" } },
      { limits: { cpu: "300m", memory: "200Mi" }, requests: { cpu: "300m", memory: "200Mi" } },
    ]);
    expect(object.metadata.annotations?.["kubernetes.io/limit-ranger"]).toBe(
      "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; " +
        "memory request for container b; memory limit for container b",
    );
  });

  // As kube-apiserver 1.36 says it.
  test.each<{ resources: Container["resources"]; message: string }>([
    {
      resources: { limits: { cpu: "2", memory: "2Gi" }, requests: { cpu: "2", memory: "2Gi" } },
      message:
        'pods "p" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, ' +
        "maximum memory usage per Container is 1Gi, but limit is 2Gi, maximum cpu usage per Pod is 2, but limit is 2300m]",
    },
    {
      resources: { requests: { cpu: "10m" } },
      message:
        'pods "p" is forbidden: [minimum cpu usage per Container is 50m, but request is 10m, ' +
        "cpu max limit to request ratio per Container is 4, but provided ratio is 30.000000]",
    },
  ])("refuses $resources", async ({ resources, message }) => {
    await expect(admission.pod({ containers: [container("a", resources), container("b")] })).rejects.toThrow(message);
  });

  test("bounds claims", async () => {
    const claim = (storage: string) => ({ metadata: { name: "c" }, spec: { resources: { requests: { storage } } } });
    await expect(admission.write(PersistentVolumeClaims, claim("6Gi"))).rejects.toThrow(
      'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi',
    );
    await expect(admission.write(PersistentVolumeClaims, claim("1Mi"))).rejects.toThrow(
      "minimum storage usage per PersistentVolumeClaim is 1Gi",
    );
    await admission.write(PersistentVolumeClaims, claim("2Gi"));
  });
});

describe("priority", () => {
  test("comes from the class named, or the default one, or is 0", async () => {
    expect((await admission.pod()).object.spec).toMatchObject({ priority: 0, preemptionPolicy: "PreemptLowerPriority" });
    put(PriorityClasses, { metadata: { name: "high" }, value: 1000, preemptionPolicy: "Never" });
    expect((await admission.pod({ priorityClassName: "high" })).object.spec).toMatchObject({ priority: 1000, preemptionPolicy: "Never" });
    put(PriorityClasses, { metadata: { name: "usual" }, value: 5, globalDefault: true });
    expect((await admission.pod()).object.spec).toMatchObject({ priority: 5, priorityClassName: "usual" });
    await expect(admission.write(PriorityClasses, { metadata: { name: "other" }, value: 6, globalDefault: true })).rejects.toThrow(
      'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as default. Only one default can exist',
    );
  });

  test.each<{ spec: Partial<PodSpec>; message: string }>([
    { spec: { priorityClassName: "foo" }, message: 'pods "p" is forbidden: no PriorityClass with name foo was found' },
    {
      spec: { priority: 7 },
      message:
        "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given",
    },
  ])("refuses $spec", async ({ spec, message }) => {
    await expect(admission.pod(spec)).rejects.toThrow(message);
  });
});

test("a pod tolerates nodes that are away for five minutes, or as long as it says", async () => {
  const mine = { key: "node.kubernetes.io/unreachable", operator: "Exists" as const, effect: "NoExecute" as const, tolerationSeconds: 7 };
  const { object } = await admission.pod({ tolerations: [mine] });
  expect(object.spec.tolerations).toEqual([
    mine,
    { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
  ]);
});

describe("RuntimeClass", () => {
  test("must be there, and gives overhead and place", async () => {
    await expect(admission.pod({ runtimeClassName: "foo" })).rejects.toThrow(
      'pods "p" is forbidden: pod rejected: RuntimeClass "foo" not found',
    );
    put(RuntimeClasses, {
      metadata: { name: "vm" },
      handler: "vm",
      overhead: { podFixed: { memory: "64Mi" } },
      scheduling: { nodeSelector: { vm: "yes" }, tolerations: [{ key: "vm", operator: "Exists" }] },
    });
    const { object } = await admission.pod({ runtimeClassName: "vm" });
    expect(object.spec).toMatchObject({ overhead: { memory: "64Mi" }, nodeSelector: { vm: "yes" } });
    expect(object.spec.tolerations?.[0]?.key).toBe("node.kubernetes.io/not-ready");
    expect(object.spec.tolerations).toContainEqual({ key: "vm", operator: "Exists" });
    await expect(admission.pod({ runtimeClassName: "vm", nodeSelector: { vm: "no" } })).rejects.toThrow("conflict");
    await expect(admission.pod({ overhead: { cpu: "1" } })).rejects.toThrow("Pod Overhead set without corresponding RuntimeClass");
  });
});
