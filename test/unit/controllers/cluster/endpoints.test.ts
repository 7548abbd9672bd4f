import { describe, expect, it } from "vitest";
import { StatusError } from "../../../../src/api/errors.ts";
import type { Pod, Service } from "../../../../src/api/types/core.v1.ts";
import type { EndpointSlice } from "../../../../src/api/types/discovery.v1.ts";
import { EndpointSlices, Endpoints, Nodes, Pods, Services } from "../../../../src/api/types/resources.ts";
import { endpointSubsets, truncate } from "../../../../src/controllers/endpoints/endpoints.ts";
import { planSlices } from "../../../../src/controllers/endpoints/slices.ts";
import { Cluster } from "./cluster.ts";

const labels = { app: "web" };
const ready = (status: "True" | "False") => [{ type: "Ready", status }];

function podSpec(more: Partial<Pod["spec"]> = {}): Pod["spec"] {
  return { nodeName: "n1", containers: [{ name: "c", ports: [{ name: "http", containerPort: 8080 }] }], ...more };
}

async function web(spec: Partial<Service["spec"]> = {}): Promise<Cluster> {
  const cluster = new Cluster(["endpoints", "endpointslice", "endpointslicemirroring"]);
  await cluster.create(Nodes, { metadata: { name: "n1", labels: { "topology.kubernetes.io/zone": "east" } }, spec: {} });
  await cluster.create(Services, {
    metadata: { name: "web", labels: { team: "a" } },
    spec: { clusterIP: "10.43.0.9", selector: labels, ports: [{ port: 80, targetPort: "http", protocol: "TCP" }], ...spec },
  });
  return cluster;
}

const addPod = (cluster: Cluster, name: string, podIP: string, status: "True" | "False" = "True", spec: Partial<Pod["spec"]> = {}) =>
  cluster.create(Pods, {
    metadata: { name, labels },
    spec: podSpec(spec),
    status: { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions: ready(status) },
  });

async function shown(cluster: Cluster): Promise<string[]> {
  const slices = await cluster.list(EndpointSlices);
  return slices
    .flatMap((s) =>
      (s.endpoints ?? []).map(
        (e) =>
          `${e.addresses[0]}:${s.ports?.[0]?.port} ${e.conditions?.ready ? "ready" : "-"} ${e.conditions?.serving ? "serving" : "-"} ${e.conditions?.terminating ? "terminating" : "-"}`,
      ),
    )
    .sort();
}

describe("endpoints of a service", () => {
  it("are its pods, with ports by name, zone and owner", async () => {
    const cluster = await web();
    await addPod(cluster, "p1", "10.42.0.2");
    const [slice, ...others] = await cluster.list(EndpointSlices);
    expect(others).toEqual([]);
    expect(slice).toMatchObject({
      addressType: "IPv4",
      metadata: {
        labels: {
          team: "a",
          "kubernetes.io/service-name": "web",
          "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        },
        ownerReferences: [{ kind: "Service", name: "web", controller: true, blockOwnerDeletion: true }],
      },
      ports: [{ name: "", port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: ["10.42.0.2"], nodeName: "n1", zone: "east", targetRef: { kind: "Pod", name: "p1", namespace: "a" } }],
    });
    const [legacy] = await cluster.list(Endpoints);
    expect(legacy?.subsets).toMatchObject([
      { addresses: [{ ip: "10.42.0.2", nodeName: "n1", targetRef: { name: "p1" } }], ports: [{ port: 8080 }] },
    ]);
  });

  it("without pods there is a slice with none", async () => {
    const cluster = await web();
    expect((await cluster.list(EndpointSlices)).map((s) => s.endpoints)).toEqual([[]]);
    expect((await cluster.list(Endpoints)).map((e) => e.subsets ?? [])).toEqual([[]]);
  });

  it("are made once at most in a namespace that goes", async () => {
    const cluster = await web();
    const asked: string[] = [];
    cluster.api.beforeWrite = (verb, { resource }) => {
      if (verb !== "create" || !resource.plural.startsWith("endpoint")) return;
      asked.push(resource.plural);
      const causes = [{ reason: "NamespaceTerminating", message: "", field: "metadata.namespace" }];
      throw new StatusError({ code: 403, reason: "Forbidden", message: "it is being terminated", details: { causes } });
    };
    const spec = { clusterIP: "10.43.0.8", selector: labels, ports: [{ port: 80, protocol: "TCP" as const }] };
    await cluster.create(Services, { metadata: { name: "late" }, spec });
    await cluster.settle();
    expect(asked.sort()).toEqual(["endpoints", "endpointslices"]);
  });

  it("follow readiness, and serve on while they terminate", async () => {
    const cluster = await web();
    await addPod(cluster, "p1", "10.42.0.2", "False");
    await addPod(cluster, "p2", "10.42.0.3");
    expect(await shown(cluster)).toEqual(["10.42.0.2:8080 - - -", "10.42.0.3:8080 ready serving -"]);
    expect((await cluster.get(Endpoints, "web")).subsets).toMatchObject([
      { addresses: [{ ip: "10.42.0.3" }], notReadyAddresses: [{ ip: "10.42.0.2" }] },
    ]);
    await cluster.client.delete(Pods, { namespace: "a", name: "p2" });
    await cluster.settle();
    expect(await shown(cluster)).toEqual(["10.42.0.2:8080 - - -", "10.42.0.3:8080 - serving terminating"]);
    expect((await cluster.get(Endpoints, "web")).subsets).toEqual([expect.not.objectContaining({ addresses: expect.anything() })]);
    await cluster.reap();
    expect(await shown(cluster)).toEqual(["10.42.0.2:8080 - - -"]);
  });

  it("publishNotReadyAddresses shows all as ready", async () => {
    const cluster = await web({ publishNotReadyAddresses: true });
    await addPod(cluster, "p1", "10.42.0.2", "False");
    expect(await shown(cluster)).toEqual(["10.42.0.2:8080 ready - -"]);
  });

  it("of a headless service have host names for their DNS records", async () => {
    const cluster = await web({ clusterIP: "None" });
    await addPod(cluster, "p1", "10.42.0.2", "True", { hostname: "db-0", subdomain: "web" });
    const [slice] = await cluster.list(EndpointSlices);
    expect(slice?.metadata.labels).toHaveProperty(["service.kubernetes.io/headless"], "");
    expect(slice?.endpoints?.[0]?.hostname).toBe("db-0");
  });

  it("pods whose named port differs get slices of their own; without the port they have none", async () => {
    const cluster = await web();
    await addPod(cluster, "p1", "10.42.0.2");
    await addPod(cluster, "p2", "10.42.0.3", "True", { containers: [{ name: "c", ports: [{ name: "http", containerPort: 9090 }] }] });
    expect(await shown(cluster)).toEqual(["10.42.0.2:8080 ready serving -", "10.42.0.3:9090 ready serving -"]);
  });

  it("come and go with selector, labels and service", async () => {
    const cluster = await web();
    await addPod(cluster, "p1", "10.42.0.2");
    await cluster.change(Pods, "p1", (pod) => (pod.metadata.labels = { app: "other" }));
    expect(await shown(cluster)).toEqual([]);
    await cluster.change(Services, "web", (service) => (service.spec.selector = { app: "other" }));
    expect(await shown(cluster)).toEqual(["10.42.0.2:8080 ready serving -"]);
    await cluster.client.delete(Services, { namespace: "a", name: "web" });
    await cluster.settle();
    expect(await cluster.list(Endpoints)).toEqual([]);
  });

  it("a slice that somebody deletes comes back", async () => {
    const cluster = await web();
    const [slice] = await cluster.list(EndpointSlices);
    await cluster.client.delete(EndpointSlices, { namespace: "a", name: slice?.metadata.name ?? "" });
    await cluster.settle();
    expect(await cluster.list(EndpointSlices)).toHaveLength(1);
  });
});

describe("endpoints made by hand", () => {
  it("are left alone, and shown as slices", async () => {
    const cluster = await web({ selector: undefined });
    const subsets = [{ addresses: [{ ip: "192.0.2.1" }], ports: [{ name: "", port: 80, protocol: "TCP" as const }] }];
    await cluster.create(Endpoints, { metadata: { name: "web" }, subsets });
    expect((await cluster.get(Endpoints, "web")).subsets).toEqual(subsets);
    expect(await cluster.list(EndpointSlices)).toMatchObject([
      {
        metadata: { labels: { "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io" } },
        endpoints: [{ addresses: ["192.0.2.1"], conditions: { ready: true } }],
      },
    ]);
    await cluster.change(Endpoints, "web", (e) => (e.subsets = [{ ...subsets[0], addresses: [{ ip: "192.0.2.2" }] }]));
    expect((await cluster.list(EndpointSlices)).flatMap((s) => s.endpoints?.map((e) => e.addresses[0]))).toEqual(["192.0.2.2"]);
    await cluster.client.delete(Endpoints, { namespace: "a", name: "web" });
    await cluster.settle();
    expect(await cluster.list(EndpointSlices)).toEqual([]);
  });
});

describe("slices", () => {
  const endpoint = (i: number) => ({ addresses: [`10.0.0.${i}`], conditions: { ready: true } });
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => endpoint(from + i));
  const slice = (name: string, endpoints: EndpointSlice["endpoints"]): EndpointSlice => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    addressType: "IPv4",
    metadata: { name, namespace: "a", uid: name, resourceVersion: "1", creationTimestamp: "", labels: {} },
    ports: [],
    endpoints,
  });
  const plan = (existing: EndpointSlice[], endpoints: EndpointSlice["endpoints"]) =>
    planSlices(existing, [{ addressType: "IPv4", ports: [], endpoints: endpoints ?? [] }], { labels: {} }, 3);

  it.each<[string, EndpointSlice[], EndpointSlice["endpoints"], { create: number[]; update: string[]; remove: string[] }]>([
    ["many endpoints fill many slices", [], range(1, 7), { create: [3, 3, 1], update: [], remove: [] }],
    ["nothing changes, nothing is written", [slice("a", range(1, 3))], range(1, 3), { create: [], update: [], remove: [] }],
    [
      "one more goes where there is room",
      [slice("a", range(1, 3)), slice("b", range(4, 5))],
      range(1, 6),
      { create: [], update: ["b"], remove: [] },
    ],
    [
      "a replaced one takes the place of the old one",
      [slice("a", range(1, 3)), slice("b", range(4, 5))],
      [...range(2, 5), endpoint(9)],
      { create: [], update: ["a"], remove: [] },
    ],
    ["an empty slice goes", [slice("a", range(1, 3)), slice("b", range(4, 4))], range(1, 3), { create: [], update: [], remove: ["b"] }],
    ["the last slice stays, empty", [slice("a", range(1, 1))], [], { create: [], update: ["a"], remove: [] }],
  ])("%s", (_name, existing, endpoints, expected) => {
    const { create, update, remove } = plan(existing, endpoints);
    const names = (list: EndpointSlice[]) => list.map((s) => s.metadata.name);
    expect({ create: create.map((c) => c.endpoints?.length), update: names(update), remove: names(remove) }).toEqual(expected);
  });
});

it("a legacy object holds a thousand addresses, ready ones first", () => {
  const meta = { namespace: "a", resourceVersion: "1", creationTimestamp: "" };
  const service: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...meta, name: "web", uid: "s" },
    spec: { ports: [{ port: 80 }] },
    status: {},
  };
  const pods = Array.from({ length: 1100 }, (_, i): Pod => {
    const podIP = `10.0.${Math.floor(i / 250)}.${i % 250}`;
    return {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...meta, name: `p${i}`, uid: `p${i}` },
      spec: podSpec(),
      status: { podIP, conditions: ready(i < 200 ? "False" : "True") },
    };
  });
  const subsets = endpointSubsets(service, pods);
  expect(truncate(subsets)).toBe(true);
  expect(subsets.map((s) => [s.addresses?.length, s.notReadyAddresses?.length])).toEqual([[900, 100]]);
});
