import { describe, expect, it } from "vitest";
import { hostPortRules } from "../../../src/network/host-ports.ts";
import { staleFlows } from "../../../src/network/proxy/flows.ts";
import { restoreText } from "../../../src/network/host/rule-set.ts";
import { buildRules, type ProxyConfig } from "../../../src/network/proxy/rules.ts";
import { servicePorts } from "../../../src/network/proxy/services.ts";
import { service, slice } from "./objects.ts";

const config: ProxyConfig = { tag: "ABCD", clusterCIDR: "10.42.0.0/16", serviceCIDR: "10.43.0.0/16", clusterDNS: "10.43.0.10" };
const onThisMachine = (node: string): boolean => node === "here";
const ready = { ready: true };
const two = slice(
  "web",
  [
    { addresses: ["10.42.0.5"], conditions: ready, nodeName: "here" },
    { addresses: ["10.42.1.6"], conditions: ready, nodeName: "there" },
  ],
  [{ name: "", port: 8080, protocol: "TCP" }],
);
const web = service("web", {
  type: "ClusterIP",
  clusterIP: "10.43.1.1",
  clusterIPs: ["10.43.1.1"],
  ports: [{ port: 80, protocol: "TCP" }],
});

/** Every rule as "CHAIN rule", as iptables-save would show it. */
function lines(rules: ReturnType<typeof buildRules>): string[] {
  return [...rules.nat, ...rules.filter].flatMap(([chain, list]) => list.map((rule) => `${chain} ${rule}`));
}

describe("UDP flows that are forgotten", () => {
  const ports = [{ port: 53, protocol: "UDP" as const, nodePort: 30053 }];
  const dns = service("web", { type: "NodePort", clusterIP: "10.43.1.1", clusterIPs: ["10.43.1.1"], ports });
  const at = (...ips: string[]) => {
    const endpoints = ips.map((ip) => ({ addresses: [ip], conditions: ready, nodeName: "here" }));
    return servicePorts(dns, [slice("web", endpoints, [{ name: "", port: 53, protocol: "UDP" }])], onThisMachine);
  };

  it("are those to a backend that has gone", () => {
    expect(staleFlows(at("10.42.0.5", "10.42.0.6"), at("10.42.0.6", "10.42.0.7"))).toEqual([
      ["-D", "-p", "udp", "--orig-dst", "10.43.1.1", "--dst-nat", "10.42.0.5"],
      ["-D", "-p", "udp", "--orig-port-dst", "30053", "--dst-nat", "10.42.0.5"],
    ]);
    expect(staleFlows(at("10.42.0.5"), [])).toHaveLength(2);
  });

  it("are those that began before there was a backend", () => {
    expect(staleFlows(at(), at("10.42.0.5"))).toContainEqual(["-D", "-p", "udp", "--orig-dst", "10.43.1.1"]);
  });

  it("are none while backends only come, nor of TCP", () => {
    expect(staleFlows(at("10.42.0.5"), at("10.42.0.5", "10.42.0.6"))).toEqual([]);
    expect(staleFlows(servicePorts(web, [two], onThisMachine), [])).toEqual([]);
  });
});

describe("what a Service leads to", () => {
  it("is every ready endpoint, by the port's name", () => {
    expect(servicePorts(web, [two], onThisMachine)[0]?.internal).toEqual([
      { ip: "10.42.0.5", port: 8080, local: true },
      { ip: "10.42.1.6", port: 8080, local: false },
    ]);
  });

  it("is nothing for headless and ExternalName Services", () => {
    expect(servicePorts(service("h", { clusterIP: "None", ports: [{ port: 80 }] }), [two], onThisMachine)).toEqual([]);
    expect(servicePorts(service("e", { type: "ExternalName", externalName: "example.com" }), [], onThisMachine)).toEqual([]);
  });

  it("falls back to endpoints that still serve while they terminate, when none is ready", () => {
    const going = slice(
      "web",
      [
        { addresses: ["10.42.0.5"], conditions: { ready: false, serving: true, terminating: true } },
        { addresses: ["10.42.0.6"], conditions: { ready: false, serving: false, terminating: true } },
      ],
      two.ports ?? [],
    );
    expect(servicePorts(web, [going], onThisMachine)[0]?.internal.map((b) => b.ip)).toEqual(["10.42.0.5"]);
    expect(servicePorts(web, [going, two], onThisMachine)[0]?.internal.map((b) => b.ip)).toEqual(["10.42.0.5", "10.42.1.6"]);
  });

  it("stays on this machine with a Local policy", () => {
    const local = service("web", { ...web.spec, type: "NodePort", internalTrafficPolicy: "Local", externalTrafficPolicy: "Local" });
    const [port] = servicePorts(local, [two], onThisMachine);
    expect(port?.internal.map((b) => b.ip)).toEqual(["10.42.0.5"]);
    expect(port?.external.map((b) => b.ip)).toEqual(["10.42.0.5"]);
  });
});

describe("rules", () => {
  it("spread a cluster IP evenly over its endpoints", () => {
    const all = lines(buildRules(config, servicePorts(web, [two], onThisMachine)));
    expect(all.filter((l) => l.includes("--to-destination")).map((l) => l.split("--to-destination ")[1])).toEqual([
      "10.42.0.5:8080",
      "10.42.1.6:8080",
    ]);
    expect(all.filter((l) => l.includes("--probability"))).toHaveLength(1);
    expect(all.some((l) => l.includes("--probability 0.5000000000"))).toBe(true);
    expect(all.some((l) => /SERVICES -d 10.43.1.1\/32 -p tcp -m tcp --dport 80 -j HUE-ABCD-SVC-/.test(l))).toBe(true);
  });

  it("refuse a Service without endpoints at once, instead of letting clients wait", () => {
    const all = lines(buildRules(config, servicePorts(web, [], onThisMachine)));
    expect(all).toContain("HUE-ABCD-FORWARD -d 10.43.1.1/32 -p tcp -m tcp --dport 80 -j REJECT");
    expect(all).toContain("HUE-ABCD-OUTPUT -d 10.43.1.1/32 -p tcp -m tcp --dport 80 -j REJECT");
  });

  it("never let a packet for the Service range pass on, except to the cluster's DNS", () => {
    const all = lines(buildRules(config, []));
    expect(all).toContain("HUE-ABCD-FORWARD -d 10.43.0.0/16 -j REJECT");
    expect(all).toContain("HUE-ABCD-SERVICES -d 10.43.0.10/32 -j RETURN");
  });

  it("keep a client at its backend with session affinity", () => {
    const sticky = service("web", {
      ...web.spec,
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    });
    const all = lines(buildRules(config, servicePorts(sticky, [two], onThisMachine)));
    expect(all.filter((l) => l.includes("--rcheck --seconds 60"))).toHaveLength(2);
    expect(all.filter((l) => l.includes("--set --rsource"))).toHaveLength(2);
  });

  it("open node ports on the machine's own addresses, and keep the client's address with the Local policy", () => {
    const open = service("web", { ...web.spec, type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] });
    const cluster = lines(buildRules(config, servicePorts(open, [two], onThisMachine)));
    expect(cluster.some((l) => /NODEPORTS -p tcp -m tcp --dport 30080 -j HUE-ABCD-EXT-/.test(l))).toBe(true);
    expect(cluster.some((l) => /EXT-\w+ -j HUE-ABCD-MARK$/.test(l))).toBe(true);
    const local = service("web", { ...open.spec, externalTrafficPolicy: "Local" });
    const rules = lines(buildRules(config, servicePorts(local, [two], onThisMachine)));
    expect(rules.some((l) => /EXT-\w+ -j HUE-ABCD-MARK$/.test(l))).toBe(false);
    expect(rules.some((l) => /EXT-\w+ -j HUE-ABCD-SVL-/.test(l))).toBe(true);
  });

  it("have chain names that iptables takes", () => {
    const rules = buildRules(config, servicePorts(web, [two], onThisMachine));
    for (const chain of [...rules.nat.keys(), ...rules.filter.keys()]) expect(chain.length).toBeLessThanOrEqual(28);
  });
});

describe("writing rules", () => {
  const one = buildRules(config, servicePorts(web, [two], onThisMachine));

  it("writes nothing when nothing differs", () => {
    expect(restoreText(one, buildRules(config, servicePorts(web, [two], onThisMachine)))).toBeUndefined();
  });

  it("writes only the chains that changed, and removes those that are gone", () => {
    const less = slice("web", (two.endpoints ?? []).slice(0, 1), two.ports ?? []);
    const text = restoreText(one, buildRules(config, servicePorts(web, [less], onThisMachine))) ?? "";
    expect(text).not.toContain(":HUE-ABCD-SERVICES");
    expect(text.match(/^-X /gm)).toHaveLength(1);
    expect(text.match(/^:HUE-ABCD-SVC-/gm)).toHaveLength(1);
    expect(text).not.toContain("*filter");
  });
});

describe("host ports", () => {
  const port = { hostIP: "127.0.0.1", hostPort: 54323, protocol: "tcp" as const, podIP: "10.42.0.9", containerPort: 8080 };

  it("lead to their pod, from the machine itself too", () => {
    const rules = hostPortRules([port]);
    expect(rules).toContain("-d 127.0.0.1/32 -p tcp -m tcp --dport 54323 -j DNAT --to-destination 10.42.0.9:8080");
    expect(rules).toContain("-m addrtype --src-type LOCAL -d 127.0.0.1/32 -p tcp -m tcp --dport 54323 -j MARK --set-xmark 0x4000/0x4000");
  });

  it("answer at every address when the pod names none", () => {
    expect(hostPortRules([{ ...port, hostIP: "" }])[2]).toBe("-p tcp -m tcp --dport 54323 -j DNAT --to-destination 10.42.0.9:8080");
  });
});
