import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Node, Pod, Secret } from "../../../src/api/types/core.v1.ts";
import { removable } from "../../../src/kubelet/images/image-collector.ts";
import { credentialsFor, nodePullSecrets } from "../../../src/kubelet/images/pull-secrets.ts";
import { isImageReference, registryOf } from "../../../src/kubelet/images/reference.ts";
import { admitPod, refuseAppArmor } from "../../../src/kubelet/pods/admission.ts";
import { refuseResize } from "../../../src/kubelet/pods/resize.ts";
import { Backoff } from "../../../src/kubelet/pods/backoff.ts";
import { hostnameOf, hostsFile } from "../../../src/kubelet/pods/hosts.ts";
import { formatResolvConf, parseResolvConf, podResolvConf } from "../../../src/kubelet/pods/resolv-conf.ts";
import { linuxResources, oomScoreAdjust, qosClass } from "../../../src/kubelet/pods/resources.ts";
import { linuxSecurity } from "../../../src/kubelet/pods/security.ts";
import { count, initialTally } from "../../../src/kubelet/probes/probe.ts";
import { parseCapabilities } from "../../../src/kubelet/runtime/docker/host-capabilities.ts";
import { containerOptions } from "../../../src/kubelet/runtime/docker/specs.ts";
import { pod } from "./pods.ts";

const c = (more = {}) => ({ name: "c", image: "i", ...more });

test("back-off doubles from 10 s to 5 minutes, and is forgotten after 10 minutes without failure", () => {
  const backoff = new Backoff();
  expect(backoff.remaining("k", 0, 0)).toBe(0);
  const delays: number[] = [];
  let at = 0;
  for (let i = 0; i < 7; i++) {
    backoff.next("k", at);
    delays.push(backoff.delay("k"));
    at += 1000;
  }
  expect(delays).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  expect(backoff.remaining("k", at, at + 1000)).toBe(299_000);
  expect(backoff.remaining("k", at + 700_000, at + 700_000)).toBe(0);
});

describe("probes", () => {
  const result = (outcome: "success" | "failure" | "unknown") => ({ outcome, output: "" });
  test("decide only after as many results in a row as the threshold says", () => {
    let tally = initialTally("Readiness");
    expect(tally.verdict).toBe("failure");
    tally = count(tally, result("success"), { successThreshold: 2 });
    expect(tally.verdict).toBe("failure");
    tally = count(tally, result("unknown"), { successThreshold: 2 });
    tally = count(tally, result("success"), { successThreshold: 2 });
    expect(tally.verdict).toBe("success");
    for (const expected of ["success", "success", "failure"]) {
      tally = count(tally, result("failure"), { failureThreshold: 3 });
      expect(tally.verdict).toBe(expected);
    }
  });
});

describe("resources", () => {
  test.each([
    [{}, { cpuShares: 2, cpuQuota: 0, memory: 0 }],
    [{ requests: { cpu: "1m" } }, { cpuShares: 2 }],
    [
      { requests: { cpu: "500m" }, limits: { cpu: "1", memory: "64Mi" } },
      { cpuShares: 512, cpuQuota: 100_000, memory: 67_108_864 },
    ],
    [{ limits: { cpu: "5m" } }, { cpuShares: 5, cpuQuota: 1000 }],
  ])("%j become %j", (resources, expected) => {
    expect(linuxResources(resources)).toMatchObject(expected);
  });

  const full = { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1000m", memory: "1Gi" } };
  test.each([
    [[{}], "BestEffort", 1000],
    [[full], "Guaranteed", -997],
    [[full, {}], "Burstable", 875],
    [[{ limits: { cpu: "1", memory: "1Gi" } }], "Guaranteed", -997],
  ])("of containers %j make a pod %s", (resources, qos, score) => {
    const p = pod({ containers: resources.map((r, i) => ({ name: `c${i}`, resources: r })) });
    expect(qosClass(p)).toBe(qos);
    expect(oomScoreAdjust(p, p.spec.containers[0] ?? c(), 8 * 2 ** 30)).toBe(score);
  });
});

describe("security", () => {
  const node = { memory: 2 ** 33, localSeccomp: () => "{}" };
  test("is the container's before the pod's; unset seccomp is unconfined, and supplemental groups add up", () => {
    const securityContext = { runAsUser: 1000, runAsGroup: 2000, fsGroup: 5, supplementalGroups: [6] };
    const p = pod({ containers: [c()], securityContext });
    expect(linuxSecurity(p, c({ securityContext: { runAsUser: 7 } }), { user: "" }, node)).toMatchObject({
      user: "7:2000",
      groups: ["6", "5"],
      seccomp: "unconfined",
    });
    expect(linuxSecurity(p, c({ securityContext: { seccompProfile: { type: "RuntimeDefault" } } }), { user: "" }, node).seccomp).toBe(
      "runtime/default",
    );
    expect(linuxSecurity(pod({ containers: [c()] }), c(), { user: "web:grp" }, node).user).toBe("web:grp");
  });

  test("profiles and labels are the container's before the pod's, or the runtime's own", () => {
    const securityContext = {
      appArmorProfile: { type: "Localhost" as const, localhostProfile: "deny-write" },
      seLinuxOptions: { level: "s0:c123,c456" },
    };
    const p = pod({ containers: [c()], securityContext });
    const of = (own: object) => linuxSecurity(p, c({ securityContext: own }), { user: "" }, node);
    expect(of({})).toMatchObject({ appArmor: "deny-write", seLinux: ["level:s0:c123,c456"] });
    expect(of({ appArmorProfile: { type: "RuntimeDefault" }, seLinuxOptions: { user: "u", type: "t" } })).toMatchObject({
      appArmor: "",
      seLinux: ["user:u", "type:t"],
    });
    expect(of({ appArmorProfile: { type: "Unconfined" } }).appArmor).toBe("unconfined");
    const rest = {
      pod: { uid: "u", name: "p", namespace: "n" },
      command: [],
      args: [],
      env: [],
      mounts: [],
      resources: {},
      annotations: {},
    };
    const { HostConfig } = containerOptions({ ...rest, security: of({}) } as never, { nodeName: "n", dataDir: "d" });
    expect((HostConfig as { SecurityOpt: string[] }).SecurityOpt).toEqual([
      "seccomp=unconfined",
      "apparmor=deny-write",
      "label=level:s0:c123,c456",
    ]);
  });

  test.each([
    ["", {}, "container has runAsNonRoot and image will run as root"],
    ["web", {}, "image has non-numeric user (web), cannot verify user is non-root"],
    ["1000", { runAsUser: 0 }, "container's runAsUser breaks non-root policy"],
  ])("with runAsNonRoot refuses image user %j and %j", (user, more, message) => {
    const container = c({ securityContext: { runAsNonRoot: true, ...more } });
    expect(() => linuxSecurity(pod({ containers: [container] }), container, { user }, node)).toThrow(message);
  });

  test("knows what a machine withholds", () => {
    expect(parseCapabilities("CapBnd:\t000001ffffffffff").complete).toBe(true);
    expect(parseCapabilities("CapBnd:\t000001fffeffffff").available).not.toContain("SYS_RESOURCE");
  });
});

describe("names and resolvers", () => {
  const host = parseResolvConf("search home.example\nnameserver 9.9.9.9\noptions timeout:1\n");
  const cluster = { dns: ["10.43.0.10"], domain: "cluster.local" };
  const text = (spec: object) => formatResolvConf(podResolvConf(pod({ containers: [], ...spec }), host, cluster));

  test("ClusterFirst asks the cluster only", () => {
    expect(text({})).toBe(
      "search default.svc.cluster.local svc.cluster.local cluster.local home.example\nnameserver 10.43.0.10\noptions ndots:5\n",
    );
  });

  test("hostNetwork uses the host's, unless told otherwise", () => {
    expect(text({ hostNetwork: true })).toBe("search home.example\nnameserver 9.9.9.9\noptions timeout:1\n");
    expect(text({ hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" })).toContain("nameserver 10.43.0.10");
  });

  test("None is what dnsConfig says; its options replace others of the same name", () => {
    const dnsConfig = { nameservers: ["1.1.1.1"], searches: ["x"], options: [{ name: "ndots", value: "2" }, { name: "edns0" }] };
    expect(text({ dnsPolicy: "None", dnsConfig })).toBe("search x\nnameserver 1.1.1.1\noptions ndots:2 edns0\n");
    expect(text({ dnsConfig })).toContain("options ndots:2 edns0");
  });

  test("hosts has the pod's names and aliases", () => {
    const p = pod({ containers: [], hostname: "h", subdomain: "sub", hostAliases: [{ ip: "123.45.67.89", hostnames: ["foo", "bar"] }] });
    const file = hostsFile(p, "10.42.0.2", hostnameOf(p, "cluster.local"), "");
    expect(file.startsWith("# Kubernetes-managed hosts file.\n")).toBe(true);
    expect(file).toContain("10.42.0.2\th.sub.default.svc.cluster.local\th\n");
    expect(file).toContain("123.45.67.89\tfoo\tbar\n");
    const shared = pod({ containers: [], hostNetwork: true });
    expect(hostsFile(shared, "", hostnameOf(shared, "cluster.local"), "127.0.0.1 x\n")).toBe(
      "# Kubernetes-managed hosts file (host network).\n127.0.0.1 x\n",
    );
  });

  test("setHostnameAsFQDN refuses names that the kernel cannot hold", () => {
    const p = pod({ containers: [], hostname: "h".repeat(60), subdomain: "sub", setHostnameAsFQDN: true });
    expect(() => hostnameOf(p, "cluster.local")).toThrow("is too long (64 characters is the max");
  });
});

describe("images", () => {
  test.each([
    ["busybox", true],
    ["registry.example:5000/team/app:1.2", true],
    ["app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true],
    ["Upper", false],
    ["a b", false],
    ["", false],
  ])("%j names an image: %s", (text, valid) => {
    expect(isImageReference(text)).toBe(valid);
  });

  test("credentials are those of the longest matching place", () => {
    const auths = {
      "https://index.docker.io/v1/": { auth: btoa("a:b") },
      "r.example/team": { username: "u", password: "p" },
      "r.example": { auth: btoa("x:y:z") },
    };
    const secret = { data: { ".dockerconfigjson": btoa(JSON.stringify({ auths })) } } as unknown as Secret;
    expect(registryOf("nginx")).toBe("docker.io");
    expect(credentialsFor("nginx", [secret])).toMatchObject({ username: "a", password: "b" });
    expect(credentialsFor("r.example/team/app:1", [secret])).toMatchObject({ username: "u", password: "p" });
    expect(credentialsFor("r.example/other", [secret])).toMatchObject({ username: "x", password: "y:z" });
    expect(credentialsFor("q.example/other", [secret])).toBeUndefined();
  });

  test("credentials of the node come after the pod's own", async () => {
    const home = mkdtempSync(join(tmpdir(), "hue-home-"));
    const login = (user: string): object => ({ "r.example": { auth: btoa(`${user}:p`) } });
    expect(await nodePullSecrets(home)).toEqual([]);
    writeFileSync(join(home, ".dockercfg"), JSON.stringify(login("old")));
    expect(credentialsFor("r.example/app", await nodePullSecrets(home))).toMatchObject({ username: "old" });
    mkdirSync(join(home, ".docker"));
    writeFileSync(join(home, ".docker/config.json"), JSON.stringify({ auths: login("node") }));
    const nodes = await nodePullSecrets(home);
    expect(credentialsFor("r.example/app", nodes)).toMatchObject({ username: "node" });
    const own = { data: { ".dockerconfigjson": btoa(JSON.stringify({ auths: login("pod") })) } };
    expect(credentialsFor("r.example/app", [own, ...nodes])).toMatchObject({ username: "pod" });
    rmSync(home, { recursive: true });
  });

  test("only those that a registry can give back, and that no pod uses, are removed", () => {
    const image = (name: string, sizeBytes: number, hasRepoDigest = true) => ({
      id: name,
      names: [name],
      statusId: "",
      hasRepoDigest,
      sizeBytes,
      user: "",
    });
    const images = [image("small", 1), image("big", 10), image("used", 20), image("local", 30, false)];
    expect(removable(images, new Set(["used"]), 5).map((i) => i.id)).toEqual(["big"]);
  });
});

describe("admission to the node", () => {
  const node = {
    metadata: { name: "n1", labels: { disk: "ssd", "kubernetes.io/os": "linux" } },
    status: { allocatable: { cpu: "1", memory: "1Gi", pods: "2" } },
  } as unknown as Node;
  const asking = (cpu: string, spec = {}): Pod => pod({ containers: [c({ resources: { requests: { cpu } } })], ...spec });

  test("takes what fits", () => {
    expect(admitPod(asking("600m"), node, [asking("400m")])).toBeUndefined();
  });

  test("refuses what does not fit, by the resource's name", () => {
    expect(admitPod(asking("600m"), node, [asking("500m")])).toEqual({
      reason: "OutOfcpu",
      message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000",
    });
    expect(admitPod(asking("0"), node, [asking("0"), asking("0")])?.reason).toBe("OutOfpods");
  });

  test("refuses pods for other nodes; ended pods use nothing", () => {
    expect(admitPod(asking("0", { nodeSelector: { disk: "hdd" } }), node, [])?.reason).toBe("NodeAffinity");
    expect(admitPod(asking("1"), node, [{ ...asking("1"), status: { phase: "Succeeded" } }])).toBeUndefined();
  });

  test("refuses a pod whose port of the node another one has", () => {
    const on = (port: object): Pod => pod({ containers: [c({ ports: [{ containerPort: 80, ...port }] })] });
    expect(admitPod(on({ hostPort: 8080 }), node, [on({ hostPort: 8080 })])?.reason).toBe("NodePorts");
    expect(admitPod(on({ hostPort: 8080, hostIP: "127.0.0.1" }), node, [on({ hostPort: 8080 })])?.reason).toBe("NodePorts");
    for (const other of [{}, { hostPort: 8081 }, { hostPort: 8080, protocol: "UDP" }, { hostPort: 8080, hostIP: "10.0.0.1" }])
      expect(admitPod(on({ hostPort: 8080, hostIP: "127.0.0.1" }), node, [on(other)])).toBeUndefined();
  });

  test("refuses a pod that wants an AppArmor profile where there is no AppArmor", () => {
    const wanting = (type: string) => refuseAppArmor(pod({ containers: [c({ securityContext: { appArmorProfile: { type } } })] }));
    expect(wanting("RuntimeDefault")).toEqual({
      reason: "AppArmor",
      message: "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host",
    });
    expect(wanting("Unconfined")).toBeUndefined();
    expect(refuseAppArmor(pod({ containers: [c()], securityContext: { appArmorProfile: { type: "RuntimeDefault" } } }))).toBeDefined();
    expect(refuseAppArmor(pod({ containers: [c()] }))).toBeUndefined();
  });

  test("says whether a resize is never possible, or not yet", () => {
    expect(refuseResize(asking("600m"), node, [asking("400m")])).toBeUndefined();
    expect(refuseResize(asking("600m"), node, [asking("500m")])).toEqual({
      reason: "Deferred",
      message: "Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000",
    });
    expect(refuseResize(asking("3"), node, [])).toEqual({
      reason: "Infeasible",
      message: "Node didn't have enough capacity: cpu, requested: 3000, capacity: 1000",
    });
  });
});
