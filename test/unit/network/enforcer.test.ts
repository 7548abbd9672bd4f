import { expect, it, onTestFinished } from "vitest";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import type { NetworkPolicy } from "../../../src/api/types/networking.v1.ts";
import { NetworkPolicies, Nodes, Pods } from "../../../src/api/types/resources.ts";
import { createCaches } from "../../../src/client/caches.ts";
import { Client } from "../../../src/client/client.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import type { NetworkHost } from "../../../src/network/host/host.ts";
import { PolicyEnforcer } from "../../../src/network/policy/enforcer.ts";
import { MemoryAPI } from "../client/memory-api.ts";
import { node } from "./objects.ts";

const meta = (name: string) => ({ name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" });
const deny: NetworkPolicy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: meta("deny"),
  spec: { podSelector: {}, policyTypes: ["Ingress"] },
};
const pod = (name: string, podIP?: string): Pod =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(name),
    spec: { nodeName: "here", containers: [] },
    status: { phase: "Running", ...(podIP ? { podIP } : {}) },
  }) as unknown as Pod;

/** A machine that remembers what is done to its rules. */
function machine(saved = "") {
  const done: string[] = [];
  let failures = 0;
  const host = {
    addresses: () => ["192.0.2.1"],
    save: async () => saved,
    restore: async (text: string) => {
      if (failures-- > 0) throw new Error("somebody has removed the chains");
      done.push(text);
    },
    iptables: async (...args: string[]) => {
      if (args.includes("-C")) return false;
      done.push(args.join(" "));
      return true;
    },
  } as unknown as NetworkHost;
  return { host, done, fail: (times: number) => (failures = times), last: () => done.at(-1) ?? "" };
}

async function enforcer(host: NetworkHost, ...policies: NetworkPolicy[]) {
  const api = new MemoryAPI(systemClock);
  const client = new Client(api);
  await client.create(Nodes, node("here", "192.0.2.1"));
  for (const policy of policies) await client.create(NetworkPolicies, policy);
  const caches = createCaches(api, systemClock, silentLogger);
  const config = { tag: "ABCD", clusterDNS: "10.43.0.10" };
  const running = new PolicyEnforcer({ config, enabled: true, host, caches, clock: systemClock, log: silentLogger });
  onTestFinished(() => running.stop());
  await running.start();
  return { client, running };
}

it("does nothing to a machine without policies, and takes its rules away with the last one", async () => {
  const { host, done, last } = machine();
  const { client } = await enforcer(host);
  await client.create(Pods, pod("a", "10.42.0.2"));
  expect(done).toEqual([]);
  await client.create(NetworkPolicies, deny);
  await expect.poll(last).toContain("-A HUE-ABCD-POLICY -d 10.42.0.2/32 -j HUE-ABCD-POL-");
  expect(done).toContain("-t mangle -I FORWARD 1 -j HUE-ABCD-POLICY");
  expect(done).toContain("-t mangle -I INPUT 1 -d 10.43.0.10/32 -j HUE-ABCD-POLICY");
  await client.delete(NetworkPolicies, { namespace: "default", name: "deny" });
  await expect.poll(last).toContain("-X HUE-ABCD-POLICY");
  expect(done).toContain("-t mangle -D FORWARD -j HUE-ABCD-POLICY");
  expect(last().match(/^-X /gm)).toHaveLength(2);
});

it("removes what an earlier process has left and is no longer wanted", async () => {
  const { host, done, last } = machine("*mangle\n:FORWARD ACCEPT [0:0]\n:HUE-ABCD-POLICY - [0:0]\n:HUE-ABCD-POL-0123 - [0:0]\nCOMMIT\n");
  await enforcer(host);
  expect(done).toContain("-t mangle -D FORWARD -j HUE-ABCD-POLICY");
  expect(last()).toBe("*mangle\n:HUE-ABCD-POLICY - [0:0]\n:HUE-ABCD-POL-0123 - [0:0]\n-X HUE-ABCD-POLICY\n-X HUE-ABCD-POL-0123\nCOMMIT\n");
});

it("has the rules for a pod in place before the pod joins, and while the API does not know its address", async () => {
  const { host, last } = machine();
  const { client, running } = await enforcer(host, deny);
  await client.create(Pods, pod("first", "10.42.0.2"));
  await client.create(Pods, pod("new"));
  await expect.poll(last).toContain("10.42.0.2/32");
  await running.join("default/new", "10.42.0.3");
  expect(last()).toContain("-d 10.42.0.3/32 -j HUE-ABCD-POL-");
  await client.create(Pods, pod("third", "10.42.0.4"));
  await expect.poll(last).toContain("10.42.0.4/32");
  expect(last()).toContain("-d 10.42.0.3/32 -j");
  await client.delete(Pods, { namespace: "default", name: "new" }, { gracePeriodSeconds: 0 });
  await expect.poll(last).not.toContain("10.42.0.3/32");
});

it("tries again what could not be written, jumps included", async () => {
  const { host, done, fail, last } = machine();
  const { client } = await enforcer(host, deny);
  fail(1);
  await client.create(Pods, pod("a", "10.42.0.2"));
  await expect.poll(last, { timeout: 5000 }).toContain("10.42.0.2/32");
  expect(done).toContain("-t mangle -I FORWARD 1 -j HUE-ABCD-POLICY");
});
