import { beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../../../src/api/meta/object.ts";
import type { ResourceInfo } from "../../../../src/api/resource.ts";
import type { Ingress } from "../../../../src/api/types/networking.v1.ts";
import type { Node, PersistentVolumeClaim } from "../../../../src/api/types/core.v1.ts";
import {
  CertificateSigningRequests,
  CSINodes,
  Ingresses,
  IngressClasses,
  Leases,
  Nodes,
  PersistentVolumeClaims,
  Pods,
  ResourceSlices,
  ServiceAccounts,
  StorageClasses,
} from "../../../../src/api/types/resources.ts";
import type { AdmissionRequest } from "../../../../src/apiserver/admission/admission.ts";
import { createRequest } from "../../../../src/pki/credentials.ts";
import { AdmissionHarness } from "./harness.ts";

let admission: AdmissionHarness;
beforeEach(() => {
  admission = new AdmissionHarness();
  admission.namespace("kube-node-lease");
});

describe("NodeRestriction", () => {
  const user = { name: "system:node:n1", groups: ["system:nodes", "system:authenticated"] };
  const write = (resource: ResourceInfo, object: object | undefined, more: Partial<AdmissionRequest> = {}) =>
    admission.write(resource, object, { user, ...more });
  const mirror = (spec: object, more: object = {}) => ({
    metadata: { name: "m", annotations: { "kubernetes.io/config.mirror": "x" }, ...more },
    spec: { containers: [{ name: "a" }], ...spec },
  });
  const owner = { apiVersion: "v1", kind: "Node", name: "n1", uid: "uid-n1", controller: true };
  const owned = (spec: object) => mirror({ nodeName: "n1", ...spec }, { ownerReferences: [owner] });
  const tokenFor = (spec: object) => ({
    metadata: {},
    spec: { boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "own", uid: "uid-own" }, ...spec },
  });
  const onOther = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "ns", uid: "uid-p" },
    spec: { containers: [], nodeName: "n2" },
  };

  // As kube-apiserver 1.36 says it.
  test.each<{ resource: ResourceInfo; object?: object; more?: Partial<AdmissionRequest>; message: string }>([
    {
      resource: Pods,
      object: { metadata: { name: "zz" }, spec: { containers: [] } },
      message: 'pods "zz" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
    },
    { resource: Pods, object: mirror({ nodeName: "n2" }), message: 'node "n1" can only create pods with spec.nodeName set to itself' },
    { resource: Pods, object: mirror({ nodeName: "n1" }), message: 'node "n1" can only create pods with an owner reference set to itself' },
    {
      resource: Pods,
      more: { operation: "DELETE", old: onOther },
      message: 'node "n1" can only delete pods with spec.nodeName set to itself',
    },
    {
      resource: Pods,
      object: onOther,
      more: { operation: "UPDATE", old: onOther, subresource: "status" },
      message: 'pods "p" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
    },
    {
      resource: Pods,
      object: onOther,
      more: { operation: "UPDATE", old: onOther },
      message: 'pods "p" is forbidden: unexpected operation "UPDATE", node "n1" can only create and delete mirror pods',
    },
    {
      resource: Pods,
      object: { metadata: { name: "p" } },
      more: { subresource: "eviction", name: "p" },
      message: 'pods "p" is forbidden: node n1 can only evict pods with spec.nodeName set to itself',
    },
    {
      resource: Nodes,
      object: { metadata: { name: "n2" } },
      message: 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
    },
    {
      resource: Nodes,
      object: {
        metadata: {
          name: "n1",
          labels: { "node-role.kubernetes.io/x": "", "kubernetes.io/hostname": "n1", foo: "bar", "node-restriction.kubernetes.io/a": "b" },
        },
      },
      message: 'node "n1" is not allowed to set the following labels: node-restriction.kubernetes.io/a, node-role.kubernetes.io/x',
    },
    {
      resource: Nodes,
      object: { metadata: { name: "n1" }, spec: { taints: [{ key: "a", effect: "NoSchedule" }] } },
      more: { operation: "UPDATE", old: { apiVersion: "v1", kind: "Node", metadata: { name: "n1" } } },
      message: 'nodes "n1" is forbidden: node "n1" is not allowed to modify taints',
    },
    {
      resource: Leases,
      object: { metadata: { name: "n2" } },
      more: { namespace: "kube-node-lease" },
      message: 'leases.coordination.k8s.io "n2" is forbidden: can only access node lease with the same name as the requesting node',
    },
    { resource: Leases, object: { metadata: { name: "n1" } }, message: 'can only access leases in the "kube-node-lease" system namespace' },
    {
      resource: CSINodes,
      object: { metadata: { name: "n2" } },
      message: "can only access CSINode with the same name as the requesting node",
    },
    { resource: PersistentVolumeClaims, object: { metadata: { name: "c" }, spec: {} }, message: "may only update PVC status" },
    {
      resource: ServiceAccounts,
      object: { metadata: {}, spec: {} },
      more: { subresource: "token", name: "default" },
      message: 'serviceaccounts "default" is forbidden: node requested token not bound to a pod',
    },
    {
      resource: ServiceAccounts,
      object: { metadata: {}, spec: { boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "p", uid: "uid-p" } } },
      more: { subresource: "token", name: "default" },
      message: "node requested token bound to a pod scheduled on a different node",
    },
    {
      resource: Pods,
      object: mirror({ nodeName: "n1" }, { ownerReferences: [{ ...owner, controller: false }] }),
      message: 'node "n1" can only create pods with a controller owner reference set to itself',
    },
    {
      resource: Pods,
      object: mirror({ nodeName: "n1" }, { ownerReferences: [{ ...owner, uid: "old" }] }),
      message: "node n1 UID mismatch: expected old got uid-n1",
    },
    ...[
      [{ volumes: [{ name: "v", configMap: { name: "c" } }] }, "configmaps"],
      [{ volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c" } }] }, "persistentvolumeclaims"],
      [{ resourceClaims: [{ name: "r", resourceClaimName: "c" }] }, "resourceclaims"],
    ].map(([spec, what]) => ({
      resource: Pods,
      object: owned(Object(spec)),
      message: `node "n1" can not create pods that reference ${String(what)}`,
    })),
    {
      resource: ResourceSlices,
      object: { metadata: { name: "s" }, spec: { nodeName: "n2" } },
      message: "can only create ResourceSlice with the same NodeName as the requesting node",
    },
    {
      resource: ServiceAccounts,
      object: tokenFor({ audiences: ["elsewhere"] }),
      more: { subresource: "token", name: "default" },
      message: 'audience "elsewhere" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience',
    },
    {
      resource: ServiceAccounts,
      object: tokenFor({ audiences: ["a", "b"] }),
      more: { subresource: "token", name: "default" },
      message: "node may only request 0 or 1 audiences",
    },
  ])("refuses: $message", async ({ resource, object, more, message }) => {
    admission.objects.put(Nodes, { metadata: { name: "n1" } });
    admission.objects.put(Pods, { metadata: { name: "own", namespace: "ns" }, spec: { containers: [], nodeName: "n1" } });
    admission.objects.put(Pods, onOther);
    await expect(write(resource, object, more)).rejects.toThrow(message);
  });

  test("lets a node do its work", async () => {
    admission.objects.put(Nodes, { metadata: { name: "n1" } });
    await write(Pods, owned({}));
    const { object } = await admission.write<Node>(
      Nodes,
      { metadata: { name: "n1", labels: { "kubernetes.io/hostname": "n1" } } },
      { user },
    );
    expect(object.spec?.taints).toEqual([{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }]);
    await write(Leases, { metadata: { name: "n1" } }, { namespace: "kube-node-lease" });
    await write(ResourceSlices, { metadata: { name: "s" }, spec: { nodeName: "n1" } });
    const volumes = [{ name: "t", projected: { sources: [{ serviceAccountToken: { audience: "elsewhere", path: "t" } }] } }];
    admission.objects.put(Pods, { metadata: { name: "own", namespace: "ns" }, spec: { containers: [], nodeName: "n1", volumes } });
    await write(ServiceAccounts, tokenFor({ audiences: ["elsewhere"] }), { subresource: "token", name: "default" });
    const own = { ...onOther, spec: { containers: [], nodeName: "n1" } };
    await write(Pods, own, { operation: "UPDATE", old: own, subresource: "status" });
  });
});

describe("storage", () => {
  const classOf = (name: string, more: object = {}) =>
    admission.objects.put(StorageClasses, { metadata: { name, ...more }, allowVolumeExpansion: name === "grows" });
  const claim = (spec: object, status?: object) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "c" },
    spec,
    status,
  });
  const isDefault = { annotations: { "storageclass.kubernetes.io/is-default-class": "true" } };

  test("a claim without a class gets the newest default, and its protection", async () => {
    classOf("old", { ...isDefault, creationTimestamp: "2025-01-01T00:00:00Z" });
    classOf("new", { ...isDefault, creationTimestamp: "2026-01-01T00:00:00Z" });
    const { object } = await admission.write<PersistentVolumeClaim>(PersistentVolumeClaims, claim({}));
    expect(object.spec.storageClassName).toBe("new");
    expect(object.metadata.finalizers).toEqual(["kubernetes.io/pvc-protection"]);
    const none = await admission.write<PersistentVolumeClaim>(PersistentVolumeClaims, claim({ storageClassName: "" }));
    expect(none.object.spec.storageClassName).toBe("");
  });

  test("a bound claim grows only with a class that allows it", async () => {
    classOf("grows");
    classOf("fixed");
    const resize = (storageClassName: string) => {
      const at = (storage: string) => claim({ storageClassName, resources: { requests: { storage } } }, { phase: "Bound" });
      return admission.write(PersistentVolumeClaims, at("9Gi"), { operation: "UPDATE", old: at("6Gi") as KubeObject });
    };
    await resize("grows");
    await expect(resize("fixed")).rejects.toThrow(
      'persistentvolumeclaims "c" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    );
  });
});

test("an Ingress without a class gets the default one", async () => {
  const annotations = { "ingressclass.kubernetes.io/is-default-class": "true" };
  admission.objects.put(IngressClasses, { metadata: { name: "hue", annotations } });
  expect((await admission.write<Ingress>(Ingresses, { metadata: { name: "i" }, spec: {} })).object.spec?.ingressClassName).toBe("hue");
  const named = { metadata: { name: "i", annotations: { "kubernetes.io/ingress.class": "nginx" } }, spec: {} };
  expect((await admission.write<Ingress>(Ingresses, named)).object.spec?.ingressClassName).toBeUndefined();
});

test("certificates are approved and signed by those allowed to", async () => {
  const old = {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name: "r" },
    spec: { signerName: "example.com/x", request: "" },
  };
  const approve = () => admission.write(CertificateSigningRequests, old, { operation: "UPDATE", subresource: "approval", old });
  const sign = () =>
    admission.write(
      CertificateSigningRequests,
      { ...old, status: { certificate: "x" } },
      { operation: "UPDATE", subresource: "status", old },
    );
  await expect(approve()).rejects.toThrow('user not permitted to approve requests with signerName "example.com/x"');
  await expect(sign()).rejects.toThrow('user not permitted to sign requests with signerName "example.com/x"');
  admission.isAllowed = ({ verb, resource, name }) => verb === "approve" && resource === "signers" && name === "example.com/*";
  await approve();
  await expect(sign()).rejects.toThrow("not permitted");
});

test("nobody becomes an administrator by a certificate that he asks for", async () => {
  const ask = (organization: string, signerName: string) => {
    const { request: pem } = createRequest({ commonName: "eve", organizations: [organization] });
    const request = Buffer.from(pem).toString("base64");
    return admission.write(CertificateSigningRequests, { metadata: { name: "r" }, spec: { signerName, request } });
  };
  await expect(ask("system:masters", "kubernetes.io/kube-apiserver-client")).rejects.toThrow(
    "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
  );
  await ask("dev", "kubernetes.io/kube-apiserver-client");
  await ask("system:masters", "example.com/own");
});
