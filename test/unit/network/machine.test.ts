import { expect, it } from "vitest";
import { Ownership } from "../../../src/network/host/ownership.ts";
import { loadBalancerAddresses, servedLoadBalancers } from "../../../src/network/load-balancer.ts";
import { overlayMac, remoteRanges } from "../../../src/network/routes.ts";
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
