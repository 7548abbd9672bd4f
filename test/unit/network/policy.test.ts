import { describe, expect, it } from "vitest";
import type { Namespace, Pod, PodSpec } from "../../../src/api/types/core.v1.ts";
import type { NetworkPolicy, NetworkPolicySpec } from "../../../src/api/types/networking.v1.ts";
import { withoutRanges } from "../../../src/network/policy/blocks.ts";
import { policyHooks, policyRules } from "../../../src/network/policy/rules.ts";

const config = { tag: "ABCD", clusterDNS: "10.43.0.10" };
const created = "2026-01-01T00:00:00Z";
const meta = (name: string, namespace: string, labels = {}, creationTimestamp = created) => ({
  name,
  namespace,
  labels,
  uid: `${namespace}-${name}`,
  resourceVersion: "1",
  creationTimestamp,
});

function pod(name: string, podIP: string, labels: Record<string, string>, more: Partial<PodSpec> = {}, namespace = "home"): Pod {
  const spec = { nodeName: "here", containers: [{ name: "main", image: "x" }], ...more } as PodSpec;
  return { apiVersion: "v1", kind: "Pod", metadata: meta(name, namespace, labels), spec, status: { phase: "Running", podIP } };
}

function namespace(name: string, labels: Record<string, string> = {}): Namespace {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { ...meta(name, ""), labels },
    spec: {},
    status: { phase: "Active" },
  } as Namespace;
}

function policy(name: string, spec: NetworkPolicySpec): NetworkPolicy {
  const all = { podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Ingress"], ...spec };
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: meta(name, "home"), spec: all };
}

const sql = { containers: [{ name: "main", image: "x", ports: [{ name: "sql", containerPort: 5432, protocol: "TCP" as const }] }] };
const db = pod("db", "10.42.0.2", { app: "db" }, sql);
const friend = pod("friend", "10.42.0.3", { role: "friend" });
const guest = pod("friend", "10.42.1.4", { role: "friend" }, { nodeName: "there" }, "away");
const stranger = pod("stranger", "10.42.1.5", { role: "stranger" }, { nodeName: "there" }, "away");
const namespaces = [namespace("home"), namespace("away", { team: "guests" }), namespace("kube-system", { system: "yes" })];

function rulesFor(policies: NetworkPolicy[], pods: Pod[] = [db, friend, guest, stranger]) {
  return policyRules(config, { policies, namespaces, pods, isLocal: (node) => node === "here" });
}

/** What the chain for traffic to (-d) or from (-s) that address says. */
function asked(chains: ReturnType<typeof rulesFor>, flag: "-d" | "-s", ip: string): string[] {
  const jump = chains.get("HUE-ABCD-POLICY")?.find((rule) => rule.startsWith(`${flag} ${ip}/32 -j HUE-`));
  return chains.get(jump?.split(" -j ")[1] ?? "") ?? [];
}

const ingress = (...list: NonNullable<NetworkPolicySpec["ingress"]>): string[] =>
  asked(rulesFor([policy("in", { ingress: list })]), "-d", "10.42.0.2");
const egress = (...list: NonNullable<NetworkPolicySpec["egress"]>): string[] =>
  asked(
    rulesFor([policy("out", { podSelector: { matchLabels: { role: "friend" } }, policyTypes: ["Egress"], egress: list })]),
    "-s",
    "10.42.0.3",
  );
const friends = { podSelector: { matchLabels: { role: "friend" } } };
const guests = { namespaceSelector: { matchLabels: { team: "guests" } } };

describe("which traffic policies ask about", () => {
  it("is none where no pod of this machine is selected", () => {
    expect(rulesFor([]).size).toBe(0);
    expect(rulesFor([policy("in", { podSelector: { matchLabels: { app: "other" } } })]).size).toBe(0);
    expect(rulesFor([policy("in", {})], [pod("db", "10.42.1.9", { app: "db" }, { nodeName: "there" })]).size).toBe(0);
  });

  it("is what begins, in the directions that a policy names, for the pods that it selects; what a pod sends itself passes", () => {
    const chains = rulesFor([policy("deny", {})]);
    const [denied] = [...chains.keys()].filter((chain) => chain !== "HUE-ABCD-POLICY");
    expect(chains).toEqual(
      new Map([
        [denied, ["-j DROP"]],
        [
          "HUE-ABCD-POLICY",
          [
            "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
            "-s 10.42.0.2/32 -d 10.42.0.2/32 -j RETURN",
            `-d 10.42.0.2/32 -j ${denied}`,
          ],
        ],
      ]),
    );
    expect(asked(rulesFor([policy("deny", { podSelector: {}, policyTypes: ["Egress"] })]), "-s", "10.42.0.3")).toEqual(["-j DROP"]);
  });

  it("is not that of pods on the machine's own network, of ended ones, and of those without an address", () => {
    const ended = { ...db, status: { ...db.status, phase: "Succeeded" as const } };
    const fresh = { ...db, status: { phase: "Pending" as const } };
    for (const other of [pod("db", "192.0.2.1", { app: "db" }, { hostNetwork: true }), ended, fresh])
      expect(rulesFor([policy("deny", {})], [other]).size).toBe(0);
  });

  it("is that of the newer pod where two are said to have the same address", () => {
    const later = { ...pod("new", "10.42.0.2", { app: "web" }), metadata: meta("new", "home", { app: "web" }, "2026-01-02T00:00:00Z") };
    for (const pods of [
      [db, later],
      [later, db],
    ])
      expect(rulesFor([policy("deny", {})], pods).size).toBe(0);
  });

  it("has questions to the cluster's DNS in it, and nothing else that goes to the machine itself", () => {
    expect(policyHooks(config)).toEqual([
      { table: "mangle", from: "FORWARD", to: "HUE-ABCD-POLICY" },
      { table: "mangle", from: "INPUT", match: "-d 10.43.0.10/32", to: "HUE-ABCD-POLICY" },
    ]);
  });
});

describe("who is admitted", () => {
  it("is everybody where no peers are named", () => {
    expect(ingress({})).toEqual(["-j RETURN", "-j DROP"]);
    expect(ingress({ from: [] })).toEqual(["-j RETURN", "-j DROP"]);
  });

  it("are pods of the policy's namespace, pods of other namespaces, or the pods that both selectors name", () => {
    expect(ingress({ from: [friends] })).toEqual(["-s 10.42.0.3/32 -j RETURN", "-j DROP"]);
    expect(ingress({ from: [guests] })).toEqual(["-s 10.42.1.4/32 -j RETURN", "-s 10.42.1.5/32 -j RETURN", "-j DROP"]);
    expect(ingress({ from: [{ ...friends, ...guests }] })).toEqual(["-s 10.42.1.4/32 -j RETURN", "-j DROP"]);
    expect(ingress({ from: [{ podSelector: {} }] })).toEqual(["-s 10.42.0.2/32 -j RETURN", "-s 10.42.0.3/32 -j RETURN", "-j DROP"]);
    expect(ingress({ from: [friends, guests] })).toHaveLength(4);
  });

  it("are addresses of a range without its exceptions", () => {
    expect(ingress({ from: [{ ipBlock: { cidr: "10.0.0.0/30", except: ["10.0.0.1/32"] } }] })).toEqual([
      "-s 10.0.0.0/32 -j RETURN",
      "-s 10.0.0.2/31 -j RETURN",
      "-j DROP",
    ]);
    expect(ingress({ from: [{ ipBlock: { cidr: "fd00::/8" } }] })).toEqual(["-j DROP"]);
  });

  it("is whom any of several policies admits", () => {
    const both = [policy("a", { ingress: [{ from: [friends] }] }), policy("b", { ingress: [{ ports: [{ port: 80 }] }] }), policy("c", {})];
    expect(asked(rulesFor(both), "-d", "10.42.0.2")).toEqual([
      "-s 10.42.0.3/32 -j RETURN",
      "-p tcp -m multiport --dports 80 -j RETURN",
      "-j DROP",
    ]);
  });

  it("is said once for all pods that are under the same policies", () => {
    const chains = rulesFor([policy("in", { ingress: [{ from: [guests] }] })], [db, pod("db2", "10.42.0.7", { app: "db" }, sql), guest]);
    expect(chains.size).toBe(2);
    expect(asked(chains, "-d", "10.42.0.7")).toEqual(asked(chains, "-d", "10.42.0.2"));
  });

  it("is the cluster's DNS under the labels that it has elsewhere", () => {
    const dns = { namespaceSelector: { matchLabels: { system: "yes" } }, podSelector: { matchLabels: { "k8s-app": "kube-dns" } } };
    expect(egress({ to: [dns], ports: [{ port: "dns", protocol: "UDP" }] })).toEqual([
      "-d 10.43.0.10/32 -p udp -m multiport --dports 53 -j RETURN",
      "-j DROP",
    ]);
  });
});

describe("which ports are admitted", () => {
  const ports = (...list: NonNullable<NonNullable<NetworkPolicySpec["ingress"]>[number]["ports"]>) => ingress({ ports: list });

  it("are numbers, ranges, and all of a protocol", () => {
    expect(ports({ port: 80 }, { port: 8000, endPort: 8010 }, { port: 53, protocol: "UDP" })).toEqual([
      "-p tcp -m multiport --dports 80,8000:8010 -j RETURN",
      "-p udp -m multiport --dports 53 -j RETURN",
      "-j DROP",
    ]);
    expect(ports({ protocol: "SCTP" }, { protocol: "SCTP", port: 9 })).toEqual(["-p sctp -j RETURN", "-j DROP"]);
  });

  it("are those that the destination calls by the name, in the same protocol", () => {
    expect(ports({ port: "sql" })).toEqual(["-p tcp -m multiport --dports 5432 -j RETURN", "-j DROP"]);
    expect(ports({ port: "sql", protocol: "UDP" })).toEqual(["-j DROP"]);
    expect(ports({ port: "other" })).toEqual(["-j DROP"]);
    const toSql = "-d 10.42.0.2/32 -p tcp -m multiport --dports 5432 -j RETURN";
    expect(egress({ to: [{ podSelector: {} }], ports: [{ port: "sql" }] })).toEqual([toSql, "-j DROP"]);
    expect(egress({ ports: [{ port: "sql" }] })).toEqual([toSql, "-j DROP"]);
  });

  it("are as many as one likes", () => {
    const many = ports(...Array.from({ length: 20 }, (_, i) => ({ port: 100 + i * 10, endPort: 105 + i * 10 })));
    expect(many).toHaveLength(4);
    for (const rule of many) expect(rule.match(/\d+/g)?.length ?? 0).toBeLessThanOrEqual(15);
  });
});

it("leaves what is left of a range, whatever is taken out", () => {
  expect(withoutRanges("10.1.0.0/16", [])).toEqual(["10.1.0.0/16"]);
  expect(withoutRanges("10.1.0.0/16", ["10.0.0.0/8"])).toEqual([]);
  expect(withoutRanges("10.1.0.0/16", ["192.168.0.0/16"])).toEqual(["10.1.0.0/16"]);
  expect(withoutRanges("192.0.0.0/2", ["224.0.0.0/3"])).toEqual(["192.0.0.0/3"]);
  const left = withoutRanges("0.0.0.0/0", ["10.0.0.0/8", "192.168.0.0/16"]);
  expect(left).toHaveLength(22);
  expect(left.reduce((sum, range) => sum + 2 ** (32 - Number(range.split("/")[1])), 0)).toBe(2 ** 32 - 2 ** 24 - 2 ** 16);
});
