import { beforeEach, describe, expect, test } from "vitest";
import type { ResourceInfo } from "../../../../src/api/resource.ts";
import type { ClusterRole, ClusterRoleBinding } from "../../../../src/api/types/rbac.v1.ts";
import {
  ClusterRoleBindings,
  ClusterRoles,
  ConfigMaps,
  Endpoints,
  EndpointSlices,
  FlowSchemas,
  Namespaces,
  PriorityClasses,
  ServiceCIDRs,
  Services,
  StorageClasses,
} from "../../../../src/api/types/resources.ts";
import { type BootstrapWriter, bootstrap, type ServerFacts } from "../../../../src/apiserver/bootstrap/index.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";
import { MemoryObjects } from "../memory-objects.ts";

const facts: ServerFacts = {
  address: "192.0.2.1",
  port: 6443,
  serviceCIDR: "10.43.0.0/16",
  serviceAddress: "10.43.0.1",
  clientAuthorities: "client authority",
  requestHeader: { authorities: "proxy authority", allowedNames: ["front-proxy-client"] },
  url: "https://192.0.2.1:6443",
  serverAuthorities: "server authority",
  localPath: true,
  ingress: true,
};

let objects: MemoryObjects;
let writes: string[];
const writer: BootstrapWriter = {
  async create(resource, object) {
    writes.push(`create ${resource.plural} ${object.metadata.name}`);
    objects.put(resource, object);
  },
  async update(resource, object, subresource) {
    writes.push(`update ${resource.plural}${subresource ? `/${subresource}` : ""} ${object.metadata.name}`);
    objects.put(resource, object);
  },
};
const start = (more: Partial<ServerFacts> = {}) => bootstrap({ objects, writer, facts: { ...facts, ...more }, clock: new FakeClock() });
const get = <T extends { metadata: object }>(resource: ResourceInfo, name: string, namespace?: string) => {
  const object = objects.get(resource, namespace, name);
  if (!object) throw new Error(`${resource.plural} ${name} is not there`);
  return structuredClone(object) as unknown as T; // The resource says which type its objects have.
};

beforeEach(() => {
  objects = new MemoryObjects();
  writes = [];
});

test("a new cluster holds what every cluster holds", async () => {
  await start();
  expect(writes.slice(0, 4).every((write) => write.startsWith("create namespaces"))).toBe(true);
  for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"]) get(Namespaces, name);
  for (const name of ["cluster-admin", "admin", "edit", "view", "system:node"]) get(ClusterRoles, name);
  expect(get<{ metadata: object; value: number }>(PriorityClasses, "system-node-critical").value).toBe(2000001000);
  get(FlowSchemas, "exempt");
  expect(objects.get(ServiceCIDRs, undefined, "kubernetes")).toMatchObject({
    spec: { cidrs: ["10.43.0.0/16"] },
    status: { conditions: [{ type: "Ready", status: "True" }] },
  });
  expect(objects.get(Services, "default", "kubernetes")).toMatchObject({
    spec: { clusterIP: "10.43.0.1", ports: [{ name: "https", port: 443, targetPort: 6443 }] },
  });
  expect(objects.get(EndpointSlices, "default", "kubernetes")).toMatchObject({
    endpoints: [{ addresses: ["192.0.2.1"] }],
    ports: [{ port: 6443 }],
  });
  expect(objects.get(StorageClasses, undefined, "local-path")?.metadata.annotations).toEqual({
    "storageclass.kubernetes.io/is-default-class": "true",
  });
  expect(objects.get(ConfigMaps, "kube-system", "extension-apiserver-authentication")).toMatchObject({
    data: { "client-ca-file": "client authority", "requestheader-allowed-names": '["front-proxy-client"]' },
  });
});

test("a server that only this machine reaches has no endpoints: the API takes no loopback address", async () => {
  await start({ address: "127.0.0.1" });
  expect(objects.list(EndpointSlices)).toEqual([]);
  get(Services, "kubernetes", "default");
});

test("whoever joins may ask for a certificate and read where the cluster is", async () => {
  await start();
  expect(objects.get(ClusterRoleBindings, undefined, "hue:node-bootstrapper")).toMatchObject({
    roleRef: { name: "system:node-bootstrapper" },
    subjects: [{ kind: "Group", name: "system:bootstrappers" }],
  });
  const info = get<{ metadata: object; data: { kubeconfig: string } }>(ConfigMaps, "cluster-info", "kube-public");
  expect(JSON.parse(info.data.kubeconfig).clusters[0].cluster).toEqual({
    "certificate-authority-data": Buffer.from("server authority").toString("base64"),
    server: "https://192.0.2.1:6443",
  });
});

describe("the second start", () => {
  beforeEach(async () => {
    await start();
    writes = [];
  });

  test("writes nothing", async () => {
    expect(await start()).toBe(0);
    expect(writes).toEqual([]);
  });

  test("at another address moves the kubernetes Service there", async () => {
    await start({ address: "192.0.2.7", port: 7443 });
    expect(writes.sort()).toEqual(["update endpoints kubernetes", "update endpointslices kubernetes", "update services kubernetes"]);
    expect(objects.get(Endpoints, "default", "kubernetes")).toMatchObject({
      subsets: [{ addresses: [{ ip: "192.0.2.7" }], ports: [{ port: 7443 }] }],
    });
  });

  test("gives roles and bindings back what was taken, and keeps what was added", async () => {
    const role = get<ClusterRole>(ClusterRoles, "system:node");
    const rules = role.rules ?? [];
    const added = { verbs: ["get"], apiGroups: ["example.com"], resources: ["widgets"] };
    objects.put(ClusterRoles, { ...role, rules: [...rules.slice(1), added] });
    const binding = get<ClusterRoleBinding>(ClusterRoleBindings, "system:discovery");
    objects.put(ClusterRoleBindings, { ...binding, subjects: [{ kind: "User", name: "extra" }] });
    await start();
    expect(writes.sort()).toEqual(["update clusterrolebindings system:discovery", "update clusterroles system:node"]);
    expect(get<ClusterRole>(ClusterRoles, "system:node").rules).toEqual([...rules.slice(1), added, rules[0]]);
    expect(get<ClusterRoleBinding>(ClusterRoleBindings, "system:discovery").subjects?.map((s) => s.name)).toEqual([
      "extra",
      "system:authenticated",
    ]);
  });

  test("leaves alone what an administrator has taken over", async () => {
    const role = get<ClusterRole>(ClusterRoles, "view");
    const annotations = { "rbac.authorization.kubernetes.io/autoupdate": "false" };
    objects.put(ClusterRoles, { ...role, aggregationRule: undefined, metadata: { ...role.metadata, annotations } });
    objects.put(StorageClasses, { ...get(StorageClasses, "local-path"), metadata: { name: "local-path", annotations: {} } });
    expect(await start()).toBe(0);
  });
});
