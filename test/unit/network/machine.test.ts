import { expect, it } from "vitest";
import { Services } from "../../../src/api/types/resources.ts";
import { createCaches } from "../../../src/client/caches.ts";
import { Client } from "../../../src/client/client.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import type { NetworkHost } from "../../../src/network/host/host.ts";
import { Ownership } from "../../../src/network/host/ownership.ts";
import { loadBalancerAddresses, servedLoadBalancers } from "../../../src/network/load-balancer.ts";
import { overlayMac, remoteRanges } from "../../../src/network/routes.ts";
import { createNetwork, type Network } from "../../../src/network/network.ts";
import { MemoryAPI } from "../client/memory-api.ts";
import { node, service } from "./objects.ts";

const balancer = (name: string, port: number, created: string) =>
  service(name, { type: "LoadBalancer", clusterIP: "10.43.1.2", ports: [{ port, protocol: "TCP" }] }, created);

it("gives a port on the hosts to the oldest Service, never one that the host uses itself", () => {
  const services = [
    balancer("b", 8080, "2026-01-02T00:00:00Z"),
    balancer("a", 8080, "2026-01-01T00:00:00Z"),
    balancer("c", 80, "2026-01-01T00:00:00Z"),
  ];
  expect([...servedLoadBalancers(services, new Set(["TCP/80"]))]).toEqual(["default/a"]);
});

it("leaves Services of another class to their controller", () => {
  const other = service("x", { type: "LoadBalancer", loadBalancerClass: "example.com/lb", ports: [{ port: 1 }] });
  expect(servedLoadBalancers([other], new Set()).size).toBe(0);
});

it("shows the addresses of ready nodes, each once and with one key only", () => {
  const nodes = [node("a", "10.0.0.1"), node("b", "10.0.0.1"), node("c", "10.0.0.2", undefined, "False")];
  expect(loadBalancerAddresses(nodes)).toEqual([{ ip: "10.0.0.1" }]);
});

it("routes only the ranges of nodes on other machines", () => {
  const nodes = [
    node("a", "10.0.0.1", "10.42.0.0/24"),
    node("b", "10.0.0.1", "10.42.1.0/24"),
    node("c", "10.0.0.2", "10.42.2.0/24"),
    node("d", "10.0.0.3"),
  ];
  expect(remoteRanges(nodes, ["10.0.0.1", "127.0.0.1"])).toEqual([{ podCIDR: "10.42.2.0/24", via: "10.0.0.2" }]);
  expect(overlayMac("10.0.0.2")).toBe("02:68:0a:00:00:02");
});

it("lets one process keep the machine's network, and the next take over when it ends", async () => {
  const name = `test-${process.pid}`;
  const [first, second, third] = [new Ownership(name), new Ownership(name), new Ownership(name)];
  expect(await first.acquire()).toBe(true);
  let secondOwns = false;
  const waiting = second.acquire().then((owns) => {
    secondOwns = owns;
  });
  const givingUp = third.acquire();
  third.release();
  expect(await givingUp).toBe(false);
  expect(secondOwns).toBe(false);
  first.release();
  await waiting;
  expect(secondOwns).toBe(true);
  second.release();
});

it("goes on with Services in another process when the one that kept them has died with the API server", async () => {
  const api = new MemoryAPI(systemClock);
  const spec = { clusterIP: "10.43.7.7", clusterIPs: ["10.43.7.7"], ports: [{ port: 80, protocol: "TCP" as const }] };
  await new Client(api).create(Services, service("web", spec));
  const start = (): { network: Network; written: string[]; synced: () => Promise<void> } => {
    const written: string[] = [];
    const host = { ip: async () => "", restore: async (text: string) => void written.push(text), iptables: async () => true };
    const rest = {
      ipBatch: async () => {},
      bridge: async () => "",
      save: async () => "",
      sysctl: async () => true,
      conntrack: async () => {},
      addresses: () => [],
    };
    const ranges = { clusterCIDR: "10.42.0.0/16", serviceCIDR: "10.43.0.0/16", clusterDNS: "10.43.0.10", clusterDomain: "cluster.local" };
    const parts = { tag: `t${process.pid}`, disable: ["dns", "ingress"], ingressHttpPort: 0, ingressHttpsPort: 0 };
    const config = { ...ranges, ...parts, fallbackCertificate: { key: "", cert: "" } };
    const caches = createCaches(api, systemClock, silentLogger);
    const network = createNetwork({ config, host: { ...host, ...rest } as NetworkHost, caches, clock: systemClock, log: silentLogger });
    network.start();
    return { network, written, synced: () => caches.synced() };
  };
  const server = start();
  await server.network.ready;
  const agent = start();
  await agent.synced();
  api.list = () => Promise.reject(new Error("the server is gone"));
  api.watch = () => {
    throw new Error("the server is gone");
  };
  expect(agent.written).toEqual([]);
  await server.network.stop();
  await agent.network.ready;
  expect(agent.written.join("\n")).toContain("10.43.7.7");
  await agent.network.stop();
});
