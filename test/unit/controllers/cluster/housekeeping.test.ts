import { describe, expect, it } from "vitest";
import {
  ClusterRoles,
  ConfigMaps,
  Events,
  Pods,
  ResourceQuotas,
  Secrets,
  ServiceAccounts,
  ServiceCIDRs,
} from "../../../../src/api/types/resources.ts";
import { eventTTL } from "../../../../src/controllers/event-ttl.ts";
import { Cluster } from "./cluster.ts";

const encoded = (text: string) => Buffer.from(text).toString("base64");

describe("quota status", () => {
  it("follows what is there, and puts right what somebody has tampered with", async () => {
    const cluster = new Cluster(["resourcequota"]);
    await cluster.create(ResourceQuotas, {
      metadata: { name: "q" },
      spec: { hard: { pods: "5", "requests.cpu": "4", "count/configmaps": "9", secrets: "1" } },
    });
    const used = async () => (await cluster.get(ResourceQuotas, "q")).status.used;
    expect(await used()).toEqual({ pods: "0", "requests.cpu": "0", "count/configmaps": "0", secrets: "0" });
    for (const name of ["p1", "p2"])
      await cluster.create(Pods, { metadata: { name }, spec: { containers: [{ name: "c", resources: { requests: { cpu: "250m" } } }] } });
    await cluster.create(ConfigMaps, { metadata: { name: "m" } });
    expect(await used()).toEqual({ pods: "2", "requests.cpu": "500m", "count/configmaps": "1", secrets: "0" });
    await cluster.setPod("p1", "Succeeded");
    await cluster.client.delete(ConfigMaps, { namespace: "a", name: "m" });
    await cluster.settle();
    expect(await used()).toEqual({ pods: "1", "requests.cpu": "250m", "count/configmaps": "0", secrets: "0" });
    await cluster.client.patch(
      ResourceQuotas,
      { namespace: "a", name: "q" },
      { type: "merge", body: { status: { hard: { pods: "500" } } } },
    );
    await cluster.settle();
    expect((await cluster.get(ResourceQuotas, "q")).status.hard).toMatchObject({ pods: "5" });
  });
});

describe("tokens of service accounts in Secrets", () => {
  const token = (cluster: Cluster, name: string, account: string) =>
    cluster.create(Secrets, {
      metadata: { name, annotations: { "kubernetes.io/service-account.name": account } },
      type: "kubernetes.io/service-account-token",
    });

  it("are filled in, and go with their account", async () => {
    const cluster = new Cluster(["serviceaccount-token"]);
    const account = await cluster.create(ServiceAccounts, { metadata: { name: "robot" } });
    await token(cluster, "t", "robot");
    const secret = await cluster.get(Secrets, "t");
    expect(secret.data).toEqual({ token: encoded("token of a/robot"), "ca.crt": encoded("the authority"), namespace: encoded("a") });
    expect(secret.metadata.annotations).toHaveProperty(["kubernetes.io/service-account.uid"], account.metadata.uid);
    await cluster.client.delete(ServiceAccounts, { namespace: "a", name: "robot" });
    await cluster.settle();
    expect(await cluster.list(Secrets)).toEqual([]);
  });

  it("of an account that is not there go at once", async () => {
    const cluster = new Cluster(["serviceaccount-token"]);
    await token(cluster, "t", "nobody");
    expect(await cluster.list(Secrets)).toEqual([]);
  });
});

it("bootstrap tokens go when their time is over", async () => {
  const cluster = new Cluster(["bootstrap-token-cleaner"]);
  const expiration = new Date(cluster.clock.now() + 60_000).toISOString();
  const metadata = { namespace: "kube-system", name: "bootstrap-token-abcdef" };
  await cluster.create(Secrets, { metadata, type: "bootstrap.kubernetes.io/token", data: { expiration: encoded(expiration) } });
  const count = async () => (await cluster.client.list(Secrets)).items.length;
  await cluster.pass(55);
  expect(await count()).toBe(1);
  await cluster.pass(10);
  expect(await count()).toBe(0);
});

it("events go an hour after they last happened", async () => {
  const cluster = new Cluster(["event-ttl"]);
  const event = (name: string) =>
    cluster.create(Events, { metadata: { name }, involvedObject: {}, lastTimestamp: new Date(cluster.clock.now()).toISOString() });
  const names = async () => (await cluster.list(Events)).map((e) => e.metadata.name);
  await event("first");
  await event("repeated");
  await cluster.pass(1800);
  await event("later");
  await cluster.change(Events, "repeated", (e) => (e.lastTimestamp = new Date(cluster.clock.now()).toISOString()));
  await cluster.pass(1860);
  expect(await names()).toEqual(["repeated", "later"]);
  await cluster.pass(1860);
  expect(await names()).toEqual([]);
});

it("of too many events the oldest go early", async () => {
  const cluster = new Cluster([]);
  cluster.run(eventTTL(3));
  for (let i = 0; i < 7; i++) {
    const lastTimestamp = new Date(cluster.clock.now()).toISOString();
    await cluster.create(Events, { metadata: { name: `e${i}` }, involvedObject: {}, lastTimestamp });
    await cluster.pass(1);
  }
  expect((await cluster.list(Events)).map((e) => e.metadata.name)).toEqual(["e4", "e5", "e6"]);
});

it("aggregated ClusterRoles have the rules of those that they select, each once", async () => {
  const cluster = new Cluster(["clusterrole-aggregation"]);
  const rule = (resource: string) => ({ apiGroups: [""], resources: [resource], verbs: ["get"] });
  const labels = { aggregate: "yes" };
  await cluster.create(ClusterRoles, {
    metadata: { name: "view" },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: labels }] },
    rules: [],
  });
  await cluster.create(ClusterRoles, { metadata: { name: "b", labels }, rules: [rule("pods"), rule("services")] });
  await cluster.create(ClusterRoles, { metadata: { name: "a", labels }, rules: [rule("nodes"), rule("pods")] });
  expect((await cluster.get(ClusterRoles, "view")).rules).toEqual([rule("nodes"), rule("pods"), rule("services")]);
  await cluster.client.delete(ClusterRoles, { name: "a" });
  await cluster.settle();
  expect((await cluster.get(ClusterRoles, "view")).rules).toEqual([rule("pods"), rule("services")]);
});

it("an aggregated ClusterRole that selects nothing keeps the rules that it was given", async () => {
  const cluster = new Cluster(["clusterrole-aggregation"]);
  const rules = [{ nonResourceURLs: ["/healthz"], verbs: ["get"] }];
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { never: "matches" } }] };
  await cluster.create(ClusterRoles, { metadata: { name: "own" }, aggregationRule, rules });
  await cluster.settle();
  expect((await cluster.get(ClusterRoles, "own")).rules).toEqual(rules);
});

it("ranges of service addresses are ready, and can be deleted", async () => {
  const cluster = new Cluster(["service-cidr"]);
  await cluster.create(ServiceCIDRs, { metadata: { name: "more" }, spec: { cidrs: ["10.90.0.0/24"] } });
  expect((await cluster.get(ServiceCIDRs, "more")).status.conditions).toMatchObject([{ type: "Ready", status: "True" }]);
  await cluster.client.delete(ServiceCIDRs, { name: "more" });
  await cluster.settle();
  expect(await cluster.list(ServiceCIDRs)).toEqual([]);
});
