import { describe, expect } from "vitest";
import { shellDeployment, shellPod } from "../support/manifests.ts";
import { sharedCluster, test } from "../support/shared-cluster.ts";

const busy = "while true; do :; done";
const container = { resources: { requests: { cpu: "10m" }, limits: { cpu: "50m" } } };

describe.concurrent("resource metrics", () => {
  test("kubectl top shows what pods and all nodes use", async ({ kubectl }) => {
    const { server, agents } = sharedCluster();
    const pods = agents.map((nodeName, i) => shellPod(`busy-${i}`, busy, { spec: { nodeName }, container }));
    await kubectl.apply(pods);
    await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
    const rows = await kubectl.until(["top", "pods", "--containers", "--no-headers"], (out) => out.trim().split("\n").length === 2, 30);
    for (const row of rows.trim().split("\n")) expect(row).toMatch(/^busy-\d\s+main\s+[1-9]\d*m\s+\d+Mi/);
    const nodes = await kubectl("top", "nodes", "--no-headers");
    for (const node of [server, ...agents]) expect(nodes).toMatch(new RegExp(`${node}\\s+\\d+m\\s+\\d+%\\s+\\d+Mi\\s+\\d+%`));
  });

  test("S4-1G AT-36 an autoscaler adds pods for the CPU that they use", async ({ kubectl }) => {
    await kubectl.apply([shellDeployment("busy", 1, busy, { container })]);
    await kubectl("autoscale", "deployment", "busy", "--cpu-percent=50", "--min=1", "--max=2");
    await kubectl.until(["get", "deployment", "busy", "-o", "jsonpath={.spec.replicas}"], (out) => out === "2", 90);
  });
});
