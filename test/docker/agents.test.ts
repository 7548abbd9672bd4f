import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hue, type HueAgent, nodeReady, startAgent, temporaryFolder } from "../support/hue.ts";
import type { Kubectl } from "../support/kubectl.ts";
import { docker } from "../support/machine.ts";
import { forever, shell, shellDeployment } from "../support/manifests.ts";
import { newNamespace, removeNamespace, sharedCluster } from "../support/shared-cluster.ts";

const cluster = sharedCluster();
const { kubectl: admin } = cluster;
const name = `${cluster.server}-late`;
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const nodeOf = ["-o", "jsonpath={range .items[*]}{.spec.nodeName}{'\\n'}{end}"];

describe("a node that joins late and dies", () => {
  let kubectl: Kubectl;
  let agent: HueAgent | undefined;
  beforeAll(async () => {
    kubectl = await newNamespace();
  });
  afterAll(async () => {
    await agent?.kill();
    await agent?.cleanup();
    await admin("delete", "node", name, "--ignore-not-found");
    await removeNamespace(kubectl);
  });

  test("AT-35 S4-1D registers itself, and gets its pod of every DaemonSet", async () => {
    const daemon = {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "everywhere" },
      spec: {
        selector: { matchLabels: { app: "everywhere" } },
        template: {
          metadata: { labels: { app: "everywhere" } },
          spec: { terminationGracePeriodSeconds: 1, containers: [shell("main", forever)] },
        },
      },
    };
    await kubectl.apply(daemon);
    await kubectl("rollout", "status", "daemonset/everywhere", "--timeout=60s");
    agent = await startAgent(cluster, name, ["--node-label", "hue.example/late=yes"]);
    await nodeReady(admin, name);
    await kubectl.until(
      ["get", "pods", "-l", "app=everywhere", "--field-selector=status.phase=Running", ...nodeOf],
      (out) => lines(out).includes(name),
      40,
    );
  });

  test("its own credentials let it touch no other node's pods and Secrets", async () => {
    const asNode = ["--as", `system:node:${name}`, "--as-group", "system:nodes"];
    expect((await admin.run(["get", "secrets", "-A", ...asNode])).stderr).toContain("forbidden");
    expect((await admin.run(["label", "node", cluster.server, "mine=yes", ...asNode])).stderr).toContain(
      `is not allowed to modify node "${cluster.server}"`,
    );
    expect(await admin("label", "node", name, "mine=yes", ...asNode)).toContain("labeled");
  });

  test("its agent restarted, its containers go on", async () => {
    const ids = async (): Promise<string> =>
      kubectl(
        "get",
        "pods",
        "--field-selector",
        `spec.nodeName=${name}`,
        "-o",
        "jsonpath={.items[*].status.containerStatuses[0].containerID} {.items[*].status.containerStatuses[0].restartCount}",
      );
    const before = await ids();
    expect(before).toMatch(/^docker:\/\/[0-9a-f]{64} 0$/);
    const dataDir = agent?.dataDir;
    await agent?.kill();
    agent = await startAgent(cluster, name, ["--node-label", "hue.example/late=yes"], dataDir);
    await expect(docker("inspect", before.split(" ")[0]?.replace("docker://", "") ?? "")).resolves.toBeTruthy();
    const pod = (await kubectl("get", "pods", "--field-selector", `spec.nodeName=${name}`, "-o", "name")).trim();
    await kubectl.until(["exec", pod, "--", "echo", "here"], (out) => out === "here\n", 20);
    expect(await ids()).toBe(before);
  });

  test("S4-1G when it dies, its node becomes NotReady, and its pods move to others", async () => {
    const soon = (key: string): object => ({
      key: `node.kubernetes.io/${key}`,
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: 1,
    });
    const preference = { matchExpressions: [{ key: "hue.example/late", operator: "Exists" }] };
    const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] } };
    await kubectl.apply(
      shellDeployment("moving", 1, forever, { spec: { affinity, tolerations: [soon("not-ready"), soon("unreachable")] } }),
    );
    await kubectl("rollout", "status", "deployment/moving", "--timeout=60s");
    expect(await kubectl("get", "pods", "-l", "app=moving", ...nodeOf)).toBe(`${name}\n`);
    await agent?.kill();
    await admin("wait", "--for=condition=Ready=Unknown", `node/${name}`, "--timeout=100s");
    expect(await admin("get", "node", name, "--no-headers")).toMatch(/\sNotReady\s/);
    expect(await admin("get", "node", name, "-o", "jsonpath={.spec.taints[*].key}")).toContain("node.kubernetes.io/unreachable");
    const others = [
      "get",
      "pods",
      "-l",
      "app=moving",
      "--field-selector=status.phase=Running",
      "-o",
      "jsonpath={range .items[*]}{.spec.nodeName} {.metadata.deletionTimestamp}{'\\n'}{end}",
    ];
    await kubectl.until(others, (out) => lines(out).some((line) => line.endsWith(" ") && !line.startsWith(name)), 60);
  });
});

test("an agent without a right token is told so in one line", async () => {
  const dataDir = temporaryFolder();
  const join = [
    "agent",
    "--join",
    `https://127.0.0.1:${cluster.port}`,
    "--node-name",
    "stranger",
    "--data-dir",
    dataDir,
    "--kubelet-port",
    "0",
  ];
  for (const token of [
    [],
    ["--token", "nonsense"],
    ["--token", "aaaaaa.bbbbbbbbbbbbbbbb"],
    ["--token", `K10${"0".repeat(64)}::aaaaaa.bbbbbbbbbbbbbbbb`],
  ]) {
    const { code, stderr } = await hue(...join, ...token);
    const last = lines(stderr).at(-1) ?? "";
    expect(code).toBe(1);
    expect(last).toMatch(/^hue: .*(token|Unauthorized|is not the one)/i);
    expect(stderr).not.toContain("    at ");
  }
  rmSync(dataDir, { recursive: true });
});
