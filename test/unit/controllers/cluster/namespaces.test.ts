import { describe, expect, it } from "vitest";
import { ConfigMaps, Namespaces, Pods, ServiceAccounts } from "../../../../src/api/types/resources.ts";
import { Cluster } from "./cluster.ts";

async function withNamespace(...names: string[]): Promise<Cluster> {
  const cluster = new Cluster(names);
  await cluster.create(Namespaces, { metadata: { name: "a", finalizers: ["api"] }, spec: { finalizers: ["kubernetes"] } });
  return cluster;
}

describe("a new namespace", () => {
  it("has a default service account and the cluster's authority, and gets them back", async () => {
    const cluster = await withNamespace("serviceaccount", "root-ca-certificate-publisher");
    expect((await cluster.get(ConfigMaps, "kube-root-ca.crt")).data).toEqual({ "ca.crt": "the authority" });
    await cluster.client.delete(ServiceAccounts, { namespace: "a", name: "default" });
    await cluster.change(ConfigMaps, "kube-root-ca.crt", (map) => (map.data = { "ca.crt": "forged", more: "" }));
    expect((await cluster.list(ServiceAccounts)).map((s) => s.metadata.name)).toEqual(["default"]);
    expect((await cluster.get(ConfigMaps, "kube-root-ca.crt")).data).toEqual({ "ca.crt": "the authority" });
  });
});

describe("a namespace that is deleted", () => {
  it("loses its pods first, then everything else, then goes; its conditions say what it waits for", async () => {
    const cluster = await withNamespace("namespace", "serviceaccount");
    await cluster.create(ConfigMaps, { metadata: { name: "settings" } });
    await cluster.create(Pods, { metadata: { name: "p", finalizers: ["example.com/wait"] }, spec: { containers: [] } });
    await cluster.client.delete(Namespaces, { name: "a" });
    await cluster.settle();
    const stuck = await cluster.get(Namespaces, "a");
    expect(stuck.spec.finalizers).toEqual(["kubernetes"]);
    expect(Object.fromEntries((stuck.status.conditions ?? []).map((c) => [c.type, `${c.status} ${c.message}`]))).toMatchObject({
      NamespaceDeletionContentFailure: "False All content successfully deleted, may be waiting on finalization",
      NamespaceContentRemaining: "True Some resources are remaining: pods. has 1 resource instances",
      NamespaceFinalizersRemaining: "True Some content in the namespace has finalizers remaining: example.com/wait in 1 resource instances",
    });
    expect((await cluster.list(ConfigMaps)).map((m) => m.metadata.name)).toEqual(["settings"]);
    await cluster.change(Pods, "p", (pod) => (pod.metadata.finalizers = []));
    await cluster.pass(5);
    expect(await cluster.list(ConfigMaps)).toEqual([]);
    expect(await cluster.list(ServiceAccounts)).toEqual([]);
    expect((await cluster.get(Namespaces, "a")).spec.finalizers).toEqual([]);
  });
});
