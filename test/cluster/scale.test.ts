import { afterAll, beforeAll, expect, test } from "vitest";
import { type HueProcess, nodeReady, startHue } from "../support/hue.ts";
import { shellDeployment } from "../support/manifests.ts";
import { rmSync } from "node:fs";

let hue: HueProcess;
beforeAll(async () => {
  hue = await startHue(["--runtime=simulated", "--node-name", "n0", "--simulated-nodes", "1"]);
  await nodeReady(hue.kubectl, "n0");
  await hue.kubectl.until(["get", "nodes", "--no-headers"], (out) => out.match(/ Ready /g)?.length === 2, 20);
});
afterAll(async () => {
  await hue.stop();
  rmSync(hue.dataDir, { recursive: true });
});

test("S4-1G scaled to 300 replicas, two nodes of 110 pods each are full and the rest waits, and says why", async () => {
  await hue.kubectl.apply(shellDeployment("zeus-front-end-ui", 1, "sleep 86400"));
  expect(await hue.kubectl("scale", "--replicas", "300", "deployment", "zeus-front-end-ui")).toBe(
    "deployment.apps/zeus-front-end-ui scaled\n",
  );
  const ready = ["get", "deployment", "zeus-front-end-ui", "-o", "jsonpath={.status.replicas} {.status.readyReplicas}"];
  await hue.kubectl.until(ready, (out) => out === "300 220", 45);
  const pending = await hue.kubectl("get", "pods", "--field-selector=status.phase=Pending", "--no-headers");
  expect(pending.trim().split("\n")).toHaveLength(80);
  const why = await hue.kubectl("get", "events", "--field-selector=reason=FailedScheduling", "-o", "jsonpath={.items[0].message}");
  expect(why).toContain("0/2 nodes are available: 2 Too many pods.");
  await hue.kubectl("scale", "--replicas=10", "deployment/zeus-front-end-ui");
  await hue.kubectl.until(ready, (out) => out === "10 10", 30);
});
