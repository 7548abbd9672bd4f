import { beforeEach, expect, test } from "vitest";
import { parseQuantity } from "../../../../src/api/meta/quantity.ts";
import { quotaCovers, quotaUsage } from "../../../../src/api/core/quota-usage.ts";
import type { KubeObject } from "../../../../src/api/meta/object.ts";
import type { ResourceQuota } from "../../../../src/api/types/core.v1.ts";
import { ConfigMaps, PersistentVolumeClaims, Pods, ResourceQuotas, Services } from "../../../../src/api/types/resources.ts";
import { AdmissionHarness } from "./harness.ts";

let admission: AdmissionHarness;
beforeEach(() => {
  admission = new AdmissionHarness();
});
const quota = (hard: Record<string, string>, more: object = {}) =>
  admission.objects.put(ResourceQuotas, { metadata: { namespace: "ns", name: "q" }, spec: { hard, ...more } });
const create = (name: string) => admission.write(Pods, { metadata: { name }, spec: { containers: [{ name: "a", image: "x" }] } });
const commit = (name: string, more: object = {}) =>
  admission.objects.put(Pods, { metadata: { namespace: "ns", name }, spec: { containers: [{ name: "a" }] }, ...more });

test("refuses what goes beyond, with the numbers", async () => {
  quota({ pods: "2", "count/configmaps": "1" });
  commit("one");
  commit("two");
  await expect(create("three")).rejects.toThrow(
    'pods "three" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
  );
  await admission.write(ConfigMaps, { metadata: { name: "a" } });
  await expect(admission.write(ConfigMaps, { metadata: { name: "b" } })).rejects.toThrow(
    'configmaps "b" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1',
  );
});

test("two pods at once cannot both take the last place; a failed write gives it back", async () => {
  quota({ pods: "1" });
  const first = await create("one");
  await expect(create("two")).rejects.toThrow("exceeded quota");
  first.fail();
  await create("two");
  commit("two");
  await expect(create("three")).rejects.toThrow("used: pods=1");
  // Gone again: neither the pod nor its reservation counts any more.
  admission.objects.remove(Pods, "ns", "two");
  await create("three");
});

test("pods that have ended do not count", async () => {
  quota({ pods: "1" });
  commit("done", { status: { phase: "Succeeded" } });
  await create("next");
});

test("wants every container to say what the quota counts", async () => {
  quota({ "limits.cpu": "1", "requests.memory": "1Gi", "requests.cpu": "1" });
  await expect(create("p")).rejects.toThrow(
    'pods "p" is forbidden: failed quota: q: must specify limits.cpu for: a; requests.cpu for: a; requests.memory for: a',
  );
});

test("an update pays only for what it adds", async () => {
  quota({ "services.nodeports": "2", "requests.storage": "4Gi" });
  const service = (ports: number) => ({
    metadata: { name: "s", namespace: "ns" },
    spec: { type: "NodePort", ports: Array.from({ length: ports }, (_, i) => ({ port: 80 + i })) },
  });
  admission.objects.put(Services, service(2));
  const old = admission.objects.get<KubeObject>(Services, "ns", "s");
  await admission.write(Services, service(2), { operation: "UPDATE", old });
  await expect(admission.write(Services, service(3), { operation: "UPDATE", old })).rejects.toThrow(
    "requested: services.nodeports=1, used: services.nodeports=2, limited: services.nodeports=2",
  );
  const claim = { metadata: { name: "c" }, spec: { resources: { requests: { storage: "5Gi" } } } };
  await expect(admission.write(PersistentVolumeClaims, claim)).rejects.toThrow(
    "requested: requests.storage=5Gi, used: requests.storage=0, limited: requests.storage=4Gi",
  );
});

test.each<{ resource: { group: string; plural: string }; object: object; usage: Record<string, string> }>([
  {
    resource: Pods,
    object: {
      spec: {
        overhead: { cpu: "10m" },
        initContainers: [
          { resources: { requests: { cpu: "500m" } } },
          { restartPolicy: "Always", resources: { requests: { cpu: "50m", memory: "1Mi" } } },
        ],
        containers: [{ resources: { requests: { cpu: "100m", "nvidia.com/gpu": "1" }, limits: { cpu: "1", "nvidia.com/gpu": "1" } } }],
      },
    },
    usage: {
      "count/pods": "1",
      pods: "1",
      cpu: "510m",
      "requests.cpu": "510m",
      memory: "1Mi",
      "requests.memory": "1Mi",
      "requests.nvidia.com/gpu": "1",
      "limits.cpu": "1010m",
    },
  },
  {
    resource: Services,
    object: { spec: { type: "LoadBalancer", ports: [{}, {}] } },
    usage: { "count/services": "1", services: "1", "services.loadbalancers": "1", "services.nodeports": "2" },
  },
  {
    resource: PersistentVolumeClaims,
    object: { spec: { storageClassName: "gold", resources: { requests: { storage: "1Gi" } } } },
    usage: {
      "count/persistentvolumeclaims": "1",
      persistentvolumeclaims: "1",
      "requests.storage": "1Gi",
      "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
      "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
    },
  },
  ...["configmaps", "secrets", "replicationcontrollers", "resourcequotas"].map((plural) => ({
    ...{ resource: { group: "", plural }, object: {}, usage: { [plural]: "1", [`count/${plural}`]: "1" } },
  })),
  { resource: Services, object: { spec: { ports: [{}] } }, usage: { "count/services": "1", services: "1" } },
  {
    resource: Services,
    object: { spec: { type: "NodePort", ports: [{}] } },
    usage: { "count/services": "1", services: "1", "services.nodeports": "1" },
  },
  { resource: { group: "apps", plural: "replicasets" }, object: {}, usage: { "count/replicasets.apps": "1" } },
])("$resource.plural cost $usage", ({ resource, object, usage }) => {
  const actual = quotaUsage(resource, { metadata: {}, ...object } as KubeObject, 0);
  expect(Object.keys(actual).sort()).toEqual(Object.keys(usage).sort());
  for (const [name, amount] of Object.entries(usage)) expect([name, actual[name]?.nano]).toEqual([name, parseQuantity(amount).nano]);
});

test.each([
  { scopes: ["BestEffort"], spec: {}, covered: true },
  { scopes: ["BestEffort"], spec: { containers: [{ resources: { limits: { cpu: "1" } } }] }, covered: false },
  {
    scopes: ["NotBestEffort", "Terminating"],
    spec: { activeDeadlineSeconds: 5, containers: [{ resources: { limits: { cpu: "1" } } }] },
    covered: true,
  },
  { scopes: ["NotTerminating"], spec: { activeDeadlineSeconds: 5 }, covered: false },
  { scopes: ["PriorityClass"], spec: { priorityClassName: "x" }, covered: true },
  { scopes: ["CrossNamespacePodAffinity"], spec: {}, covered: false },
])("scopes $scopes take in $spec: $covered", ({ scopes, spec, covered }) => {
  const pod = { metadata: {}, spec: { containers: [{}], ...spec } } as unknown as KubeObject;
  expect(quotaCovers({ spec: { scopes } } as ResourceQuota, Pods, pod)).toBe(covered);
});
