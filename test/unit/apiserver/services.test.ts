import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type RunningServer } from "./running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

const services = "/api/v1/namespaces/default/services";
const request: RunningServer["request"] = (...args) => running.request(...args);
const create = (name: string, spec: object): ReturnType<RunningServer["request"]> =>
  request("POST", services, { metadata: { name }, spec });
const replace = (name: string, spec: object): ReturnType<RunningServer["request"]> =>
  request("PUT", `${services}/${name}`, { metadata: { name }, spec });
const ports = [{ port: 80 }];

describe("cluster addresses", () => {
  test("are given from the range, one to a Service, and taken back", async () => {
    const { body } = await create("plain", { ports });
    const { clusterIP } = body.spec;
    expect(clusterIP).toMatch(/^10\.43\.\d+\.\d+$/);
    expect(body.spec).toMatchObject({ clusterIPs: [clusterIP], ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack", type: "ClusterIP" });
    const twice = await create("twice", { ports, clusterIP });
    expect(twice.body).toMatchObject({
      code: 422,
      message: `Service "twice" is invalid: spec.clusterIPs: Invalid value: ["${clusterIP}"]: failed to allocate IP ${clusterIP}: provided IP is already allocated`,
    });
    await request("DELETE", `${services}/plain`);
    expect((await create("twice", { ports, clusterIP })).code).toBe(201);
  });

  test.each([
    [
      "9.9.9.9",
      "spec.clusterIPs",
      'Invalid value: ["9.9.9.9"]: failed to allocate IP 9.9.9.9: the provided network does not match the current range',
    ],
    [
      "10.43.0.0",
      "spec.clusterIPs",
      'Invalid value: ["10.43.0.0"]: failed to allocate IP 10.43.0.0: the provided network does not match the current range',
    ],
    ["x", "spec.clusterIPs[0]", 'Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ])("%s is refused", async (clusterIP, field, message) => {
    const { body } = await create("refused", { ports, clusterIP });
    expect(body.message).toBe(`Service "refused" is invalid: ${field}: ${message}`);
  });

  test("a failed create and a dry run keep nothing", async () => {
    const clusterIP = "10.43.200.200";
    expect((await create("Bad_Name", { ports, clusterIP })).code).toBe(422);
    expect((await request("POST", `${services}?dryRun=All`, { metadata: { name: "dry" }, spec: { ports, clusterIP } })).code).toBe(201);
    expect((await create("good", { ports, clusterIP })).code).toBe(201);
  });

  test("headless and ExternalName Services have none", async () => {
    expect((await create("headless", { ports, clusterIP: "None", selector: { a: "b" } })).body.spec).toMatchObject({
      clusterIP: "None",
      clusterIPs: ["None"],
      ipFamilies: ["IPv4"],
    });
    const { spec } = (await create("external", { type: "ExternalName", externalName: "a.b" })).body;
    expect(spec).toEqual({ type: "ExternalName", externalName: "a.b", sessionAffinity: "None" });
    expect((await create("v6", { ports, ipFamilies: ["IPv6"] })).body.message).toBe(
      'Service "v6" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    );
  });

  test("stay the same when a client sends the Service without them, and cannot change", async () => {
    const { clusterIP } = (await create("keeps", { ports })).body.spec;
    expect((await replace("keeps", { ports: [{ port: 81 }] })).body.spec.clusterIP).toBe(clusterIP);
    expect((await replace("keeps", { ports, clusterIP: "10.43.9.77" })).body.message).toBe(
      'Service "keeps" is invalid: spec.clusterIPs[0]: Invalid value: ["10.43.9.77"]: may not change once set',
    );
    expect((await replace("keeps", { type: "ExternalName", externalName: "a.b" })).body.spec).not.toHaveProperty("clusterIP");
    expect((await create("heir", { ports, clusterIP })).code).toBe(201);
    expect((await replace("keeps", { ports, type: "ClusterIP" })).body.spec.clusterIP).toMatch(/^10\.43\./);
  });
});

describe("node ports", () => {
  test("are unique in the cluster and lie in their range", async () => {
    const { body } = await create("np", { ports, type: "NodePort" });
    const { nodePort } = body.spec.ports[0];
    expect(nodePort).toBeGreaterThanOrEqual(30000);
    expect(nodePort).toBeLessThanOrEqual(32767);
    expect((await create("np2", { ports: [{ port: 80, nodePort }], type: "NodePort" })).body.message).toBe(
      `Service "np2" is invalid: spec.ports[0].nodePort: Invalid value: ${nodePort}: provided port is already allocated`,
    );
    expect((await create("np2", { ports: [{ port: 80, nodePort: 80 }], type: "NodePort" })).body.message).toBe(
      'Service "np2" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
    );
  });

  test("are shared by the protocols of one port", async () => {
    const both = [
      { name: "tcp", port: 53, protocol: "TCP" },
      { name: "udp", port: 53, protocol: "UDP" },
    ];
    const { spec } = (await create("dns", { ports: both, type: "NodePort" })).body;
    expect(spec.ports[0].nodePort).toBe(spec.ports[1].nodePort);
  });

  test("stay with their port's name, move when asked, and go with the type", async () => {
    await create("moves", { ports: [{ port: 80, nodePort: 30080 }], type: "NodePort" });
    expect((await replace("moves", { ports: [{ port: 81 }], type: "NodePort" })).body.spec.ports[0]).toMatchObject({
      port: 81,
      nodePort: 30080,
    });
    expect((await replace("moves", { ports: [{ port: 81, nodePort: 30081 }], type: "NodePort" })).code).toBe(200);
    expect((await create("next", { ports: [{ port: 80, nodePort: 30080 }], type: "NodePort" })).code).toBe(201);
    expect((await replace("moves", { ports: [{ port: 81 }], type: "ClusterIP" })).body.spec.ports[0]).not.toHaveProperty("nodePort");
    expect((await create("after", { ports: [{ port: 80, nodePort: 30081 }], type: "NodePort" })).code).toBe(201);
  });

  test("health checks of local load balancers have one of their own", async () => {
    const { spec } = (await create("lb", { ports, type: "LoadBalancer", externalTrafficPolicy: "Local" })).body;
    expect(spec.healthCheckNodePort).toBeGreaterThanOrEqual(30000);
    expect(spec.healthCheckNodePort).not.toBe(spec.ports[0].nodePort);
    const none = await create("lb2", { ports, type: "LoadBalancer", allocateLoadBalancerNodePorts: false });
    expect(none.body.spec.ports[0]).not.toHaveProperty("nodePort");
  });

  test("what is taken is known again after a restart", async () => {
    const again = await startServer({ store: running.store });
    const answer = await again.request("POST", services, {
      metadata: { name: "late" },
      spec: { ports: [{ port: 80, nodePort: 30080 }], type: "NodePort" },
    });
    expect(answer.body.message).toContain("provided port is already allocated");
    await again.stop();
  });
});

test("each address in use is shown as an IPAddress", async () => {
  const { clusterIP } = (await create("shown", { ports })).body.spec;
  const path = `/apis/networking.k8s.io/v1/ipaddresses/${clusterIP}`;
  await expect.poll(async () => (await request("GET", path)).code).toBe(200);
  expect((await request("GET", path)).body).toMatchObject({
    metadata: { labels: { "ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io" } },
    spec: { parentRef: { group: "", resource: "services", namespace: "default", name: "shown" } },
  });
  await request("DELETE", `${services}/shown`);
  await expect.poll(async () => (await request("GET", path)).code).toBe(404);
});
