import { existsSync, readdirSync } from "node:fs";
import { expect, onTestFinished } from "vitest";
import { freePort, hue as run, startAgent, startHue } from "../support/hue.ts";
import { docker, machine } from "../support/machine.ts";
import { forever, httpServer, service, shellPod } from "../support/manifests.ts";
import { sharedCluster, test } from "../support/shared-cluster.ts";

const { podRange, serviceRange, nodes, kubectl: admin } = sharedCluster();
/** The other half of this run's ranges: see docker-cluster.ts. */
const third = (shared: string): string => `10.${Number(shared.split(".")[1]) + 2}`;
const kinds = ["containers", "rules", "routes", "addresses", "links", "mounts"] as const;
type Traces = Record<(typeof kinds)[number] | "networks" | "volumes" | "namespaces", string[]>;

/** What hue can leave on a machine, without what changes by itself. */
async function traces(): Promise<Traces> {
  const lines = (text: string): string[] =>
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.replace(/\[\d+:\d+\]/, "").trim())
      .sort();
  const links = lines(await machine("ip", "-o", "link")).map(
    (line) => `${/^\d+: ([^:@]+)/.exec(line)?.[1]} ${/ master \S+/.exec(line)?.[0] ?? ""}`,
  );
  return {
    containers: lines(await docker("ps", "-a", "--no-trunc", "--format", '{{.ID}} {{.Label "hue.node"}} {{.Label "hue.data-dir"}}')),
    networks: lines(await docker("network", "ls", "-q", "--no-trunc")),
    volumes: lines(await docker("volume", "ls", "-q")),
    rules: lines(await machine("iptables-save")),
    routes: lines(await machine("ip", "-4", "route", "show", "table", "all")).map((line) => line.replace(/ expires \d+sec/, "")),
    addresses: lines(await machine("ip", "-o", "-4", "address")).map((line) => line.replace(/^\d+: /, "")),
    links: links.sort(),
    mounts: lines(await machine("sh", "-c", "cut -d' ' -f2 /proc/self/mounts")).filter(
      (mount) => !/overlay2|containerd|\/netns\//.test(mount),
    ),
    namespaces: existsSync("/run/netns") ? readdirSync("/run/netns").sort() : [],
  };
}

/** The things of one cluster, others may come and go: those that name it, its chains of rules, and what is on its bridges. */
function thingsOf(found: Traces, names: readonly string[]): (now: Traces) => Traces {
  const named = (lines: string[], marks: readonly string[]): string[] => lines.filter((line) => marks.some((mark) => line.includes(mark)));
  const chains = named(found.rules, names).flatMap((line) => line.match(/HUE-\w+-/g) ?? []);
  const bridges = named(found.addresses, names).flatMap((line) => /^hue\S+/.exec(line) ?? []);
  const marks = [...names, ...chains, ...bridges];
  return (now) => ({ ...now, ...Object.fromEntries(kinds.map((kind) => [kind, named(now[kind], marks)])) });
}

test("hue cleanup takes away every container, rule, link, route, mount and folder of its cluster, and nothing else", async ({
  kubectl: other,
}) => {
  // What other tests left ends first, and a pod of the other cluster has to survive.
  await admin.until(
    ["get", "pods", "-A", "-o", "jsonpath={range .items[*]}{.metadata.namespace}{'\\n'}{end}"],
    (out) => !out.includes("t-"),
    90,
  );
  await other.apply([shellPod("stays", forever, { spec: { nodeName: nodes[0] } }), service("stays", 80, 80, { type: "NodePort" })]);
  await other("wait", "--for=condition=Ready", "pod/stays", "--timeout=60s");
  await other.until(["get", "endpointslices", "-o", "jsonpath={.items[*].endpoints[*].conditions.ready}"], (out) => out === "true");
  const shared = thingsOf(await traces(), [...nodes, `${podRange}.`, `${serviceRange}.`]);
  let before = shared(await traces());
  await expect
    .poll(
      async () => {
        const now = shared(await traces());
        const same = JSON.stringify(now) === JSON.stringify(before);
        before = now;
        return same;
      },
      { timeout: 30_000, interval: 1000 },
    )
    .toBe(true);

  const ports = ["--ingress-http-port", String(await freePort()), "--ingress-https-port", String(await freePort())];
  const network = [
    "--cluster-cidr",
    `${third(podRange)}.0.0/16`,
    "--service-cidr",
    `${third(serviceRange)}.0.0/16`,
    "--cluster-dns",
    `${third(serviceRange)}.0.10`,
  ];
  const hue = await startHue(["--node-name", `c-${process.pid}`, ...network, ...ports]);
  const agent = await startAgent(hue, `d-${process.pid}`, ports);
  onTestFinished(async () => {
    for (const each of [agent, hue]) {
      await each.stop();
      if (existsSync(each.dataDir)) await each.cleanup();
    }
  });
  const kubectl = hue.kubectl;
  await kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=20s");
  const claim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "8Mi" } } },
  };
  const volumes = [
    { name: "data", persistentVolumeClaim: { claimName: "data" } },
    { name: "memory", emptyDir: { medium: "Memory" } },
  ];
  const volumeMounts = [
    { name: "data", mountPath: "/data" },
    { name: "memory", mountPath: "/memory" },
  ];
  await kubectl.apply([
    claim,
    shellPod("web", httpServer(80, "web"), {
      container: { ports: [{ containerPort: 80, hostPort: 28_124 }], volumeMounts },
      spec: { volumes },
    }),
    shellPod("far", forever, { spec: { nodeName: agent.nodeName } }),
    service("web", 8125, 80, { type: "LoadBalancer" }),
    { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "deny" }, spec: { podSelector: {} } },
  ]);
  await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
  const found = await traces();
  const mine = thingsOf(found, [hue.dataDir, agent.dataDir, `${third(podRange)}.`, `${third(serviceRange)}.`]);
  const during = mine(found);
  for (const kind of kinds) expect(during[kind].length, kind).toBeGreaterThan(kind === "containers" ? 3 : 0);

  const running = await run("cleanup", "--data-dir", hue.dataDir);
  expect(running.code, "a running server is not cleaned up under its feet").toBe(1);
  expect(running.stderr).toMatch(/^hue: .*\n$/);
  await agent.stop();
  await hue.stop();
  expect(mine(await traces()).containers, "stopping leaves the pods alone").toEqual(during.containers);
  await agent.cleanup();
  await hue.cleanup();
  const after = await traces();
  for (const kind of kinds) {
    expect(mine(after)[kind], `${kind} that are left`).toEqual([]);
    expect(shared(after)[kind], `${kind} of others`).toEqual(before[kind]);
  }
  for (const kind of ["networks", "volumes", "namespaces"] as const) expect(after[kind], kind).toEqual(before[kind]);
  expect(existsSync(hue.dataDir)).toBe(false);
  expect(await other("exec", "stays", "--", "echo", "here")).toBe("here\n");
});
