import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Kubectl } from "../support/kubectl.ts";
import { machine } from "../support/machine.ts";
import { forever, service, shellPod } from "../support/manifests.ts";
import { newNamespace, removeNamespace, sharedCluster } from "../support/shared-cluster.ts";

const { server, agents, serviceRange, podRange } = sharedCluster();
const [agent = ""] = agents;
const on = (nodeName: string): object => ({ nodeName });

/** The pods that want to reach the database: "place/name". */
const clients = ["home/friend", "home/stranger", "away/friend", "away/stranger"] as const;
type Client = (typeof clients)[number];

describe("NetworkPolicies", () => {
  let home: Kubectl;
  let away: Kubectl;
  let db = "";
  const place = (client: string): Kubectl => (client.startsWith("home") ? home : away);

  beforeAll(async () => {
    [home, away] = [await newNamespace(), await newNamespace()];
    await away("label", "namespace", away.namespace, "team=guests");
    const web = "echo data > /www/index.html; httpd -p 8001 -h /www; exec httpd -f -p 8000 -h /www";
    const client = (name: string, node: string): object => shellPod(name, forever, { labels: { role: name }, spec: on(node) });
    const readinessProbe = { httpGet: { path: "/", port: 8000 }, periodSeconds: 1, failureThreshold: 1 };
    await home.apply([
      shellPod("db", web, {
        labels: { app: "db" },
        spec: on(server),
        container: { ports: [{ name: "sql", containerPort: 8000 }], readinessProbe },
      }),
      service("db", 80, 8000),
      client("friend", server),
      client("stranger", agent),
    ]);
    await away.apply([client("friend", agent), client("stranger", server)]);
    for (const kubectl of [home, away]) await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
    db = await home("get", "pod", "db", "-o", "jsonpath={.status.podIP}");
  });
  afterAll(async () => {
    for (const kubectl of [home, away]) await removeNamespace(kubectl);
  });

  async function reaches(client: string, url: string): Promise<boolean> {
    const pod = client.split("/")[1] ?? "";
    const { stdout } = await place(client).run(["exec", pod, "--", "timeout", "1", "wget", "-q", "-O", "-", `http://${url}`]);
    return stdout === "data\n";
  }

  /** Who reaches the database at that port comes to be exactly these. */
  async function admitted(expected: readonly Client[], port = 8000, address = db): Promise<void> {
    const now = async (): Promise<Client[]> => {
      const all = await Promise.all(clients.map((client) => reaches(client, `${address}:${port}`)));
      return clients.filter((_, i) => all[i]);
    };
    await expect.poll(now, { timeout: 20_000, interval: 200 }).toEqual(expected);
  }

  const policy = (name: string, spec: object): object => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name },
    spec: { podSelector: { matchLabels: { app: "db" } }, ...spec },
  });
  const from = (...peers: object[]): object => ({ ingress: [{ from: peers }] });
  const friends = { podSelector: { matchLabels: { role: "friend" } } };
  const guests = { namespaceSelector: { matchLabels: { team: "guests" } } };
  const rules = async (): Promise<string[]> => (await machine("iptables-save", "-t", "mangle")).split("\n").filter((l) => l.includes(db));

  test("AT73 without any, everybody reaches everybody, and no packet is asked about", async () => {
    await admitted(clients);
    expect(await rules()).toEqual([]);
  });

  test("AT73 S2-20 default deny keeps everybody out, at the Service too, but not the kubelet's probes; deleted, it opens again", async () => {
    await home.apply([policy("deny", { podSelector: {} })]);
    await admitted([]);
    const clusterIP = await home("get", "service", "db", "-o", "jsonpath={.spec.clusterIP}");
    await admitted([], 80, clusterIP);
    // The probe asks every second, and once would be enough to make the pod unready.
    const { stdout } = await home.run(["wait", "--for=condition=Ready=false", "pod/db", "--timeout=4s"]);
    expect(stdout).toBe("");
    await home("delete", "networkpolicy", "deny");
    await admitted(clients);
    await admitted(clients, 80, clusterIP);
    await expect.poll(rules, { timeout: 10_000 }).toEqual([]);
  });

  test("S2-20 admits by the labels of pods, of namespaces, and of both; labels may change", async () => {
    await home.apply([policy("let-in", from(friends))]);
    await admitted(["home/friend"]);
    await home.apply([policy("let-in", from(guests))]);
    await admitted(["away/friend", "away/stranger"]);
    await home.apply([policy("let-in", from({ ...friends, ...guests }))]);
    await admitted(["away/friend"]);
    await away("label", "pod", "stranger", "role=friend", "--overwrite");
    await admitted(["away/friend", "away/stranger"]);
    await away("label", "namespace", away.namespace, "team-");
    await admitted([]);
    await away("label", "namespace", away.namespace, "team=guests");
    await away("label", "pod", "stranger", "role=stranger", "--overwrite");
    await admitted(["away/friend"]);
    await home("delete", "networkpolicy", "let-in");
  });

  test("ports are admitted by number, range and name, and several policies are united", async () => {
    await home.apply([policy("by-name", { ingress: [{ from: [friends], ports: [{ port: "sql" }] }] })]);
    await admitted(["home/friend"], 8000);
    await admitted([], 8001);
    await home.apply([policy("by-number", { ingress: [{ from: [guests], ports: [{ port: 8001, endPort: 8010 }] }] })]);
    await admitted(["away/friend", "away/stranger"], 8001);
    await admitted(["home/friend"], 8000);
    await home("delete", "networkpolicy", "--all");
  });

  test("addresses are admitted by range, without exceptions to it", async () => {
    const stranger = await away("get", "pod", "stranger", "-o", "jsonpath={.status.podIP}");
    await home.apply([policy("range", from({ ipBlock: { cidr: `${podRange}.0.0/16`, except: [`${stranger}/32`] } }))]);
    await admitted(["home/friend", "home/stranger", "away/friend"]);
    await home("delete", "networkpolicy", "range");
    await admitted(clients);
  });

  test("egress is admitted by destination, also behind a Service; the cluster's DNS is a destination like others", async () => {
    const friend = { podSelector: friends.podSelector, policyTypes: ["Egress"] };
    const host = `db.${home.namespace}.svc.cluster.local`;
    await home.apply([policy("out", friend)]);
    await admitted(["home/stranger", "away/friend", "away/stranger"]);
    const toDb = { to: [{ podSelector: { matchLabels: { app: "db" } } }], ports: [{ port: "sql" }] };
    await home.apply([policy("out", { ...friend, egress: [toDb] })]);
    await admitted(clients);
    expect(await reaches("home/friend", `${db}:8001`)).toBe(false);
    expect(await reaches("home/friend", host)).toBe(false);
    const dns = { podSelector: { matchLabels: { "k8s-app": "kube-dns" } }, namespaceSelector: {} };
    await home.apply([policy("out", { ...friend, egress: [toDb, { to: [dns], ports: [{ port: 53, protocol: "UDP" }] }] })]);
    await expect.poll(() => reaches("home/friend", host), { timeout: 20_000 }).toBe(true);
    await home.apply([policy("out", { ...friend, egress: [toDb, { to: [{ ipBlock: { cidr: `${serviceRange}.0.10/32` } }] }] })]);
    await expect.poll(() => reaches("home/friend", host), { timeout: 20_000 }).toBe(true);
    await home("delete", "networkpolicy", "out");
  });

  test("a pod that comes later is under the policies from its first packet", async () => {
    await home.apply([policy("out", { podSelector: { matchLabels: { app: "late" } }, policyTypes: ["Egress"] })]);
    const tries = `for i in 1 2 3; do timeout 1 wget -q -O - http://${db}:8000 2>/dev/null; done; echo over; ${forever}`;
    await home.apply(["late", "free"].map((app) => shellPod(app, tries, { spec: on(server) })));
    const said = (name: string): Promise<string> => home.until(["logs", name], (out) => out.includes("over"), 30);
    expect(await said("free")).toContain("data\n");
    expect(await said("late")).not.toContain("data\n");
    await home("delete", "networkpolicy", "out");
  });

  test("every node may read what it enforces", async () => {
    const asNode = ["--as", `system:node:${agent}`, "--as-group", "system:nodes", "-A"];
    for (const [verb, resource] of [
      ["watch", "networkpolicies.networking.k8s.io"],
      ["watch", "pods"],
      ["watch", "namespaces"],
    ])
      expect(await home("auth", "can-i", verb ?? "", resource ?? "", ...asNode), resource).toBe("yes\n");
    expect((await home.run(["auth", "can-i", "update", "networkpolicies.networking.k8s.io", ...asNode])).stdout).toBe("no\n");
  });
});
