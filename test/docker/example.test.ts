import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, expect, test } from "vitest";
import { fetchText } from "../support/machine.ts";
import { sharedCluster } from "../support/shared-cluster.ts";

const { kubeconfig, ingressHttpPort, kubectl, nodes } = sharedCluster();
const root = new URL("../..", import.meta.url).pathname;
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

afterAll(async () => {
  await kubectl("delete", "namespace", "staging", "production", "restricted", "--wait=false", "--ignore-not-found");
});

test("npm run example: the Hue platform comes up in staging and production, and its front answers by Service and Ingress", async () => {
  const env = { ...process.env, KUBECONFIG: kubeconfig, HUE_INGRESS_HTTP_PORT: String(ingressHttpPort) };
  const child = spawn(process.execPath, ["examples/hue-platform/run.ts"], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (output += data));
  const [code] = await once(child, "close");
  expect(code, output).toBe(0);
  expect(output).toContain("== the platform is up; try next");
  const front = await fetchText(`http://127.0.0.1:${ingressHttpPort}/cgi-bin/reminders?user=gigi`, { host: "front.hue.example" });
  expect(front).toEqual({ status: 200, text: "Dentist appointment at 3pm\nDinner at 7pm\nBuy bread\n" });
  const staging = await fetchText(`http://127.0.0.1:${ingressHttpPort}/cgi-bin/reminders?user=gigi`, { host: "staging.hue.example" });
  expect(staging.text).toBe("Dentist appointment at 3pm\nDinner at 7pm\n");
});

test("what the platform is made of runs: three learners, version 0.4 in staging, a proxy on each node, 120, three finance pods under the restricted policy", async () => {
  const images = (namespace: string): Promise<string> =>
    kubectl("get", "pods", "-n", namespace, "-l", "service=learn", "-o", "jsonpath={.items[*].spec.containers[0].image}");
  expect(await images("production")).toBe("g1g1/hue-learn:0.3 g1g1/hue-learn:0.3 g1g1/hue-learn:0.3");
  expect(await images("staging")).toBe("g1g1/hue-learn:0.4");
  const proxies = await kubectl(
    "get",
    "pods",
    "-n",
    "production",
    "-l",
    "app=hue-collect-proxy",
    "-o",
    "jsonpath={range .items[*]}{.spec.nodeName}{'\\n'}{end}",
  );
  expect(lines(proxies).sort()).toEqual([...nodes].sort());
  expect(await kubectl("logs", "-n", "production", "job/factorial5")).toBe("120\n");
  expect(await kubectl("logs", "-n", "production", "hue-fitness")).toBe("ten push-ups\n");
  expect(lines(await kubectl("get", "pods", "-n", "restricted", "--no-headers")).filter((pod) => pod.includes("Running"))).toHaveLength(3);
  const privileged = await kubectl.run(["run", "root", "-n", "restricted", "--image=hue-platform/base"]);
  expect(privileged.stderr).toContain('violates PodSecurity "restricted:latest"');
  expect(await kubectl("get", "quota", "platform", "-n", "production", "-o", "jsonpath={.status.used.persistentvolumeclaims}")).toBe("1");
  expect(await kubectl("exec", "-n", "restricted", "deploy/hue-finance", "--", "id", "-u")).toBe("65534\n");
});

test("the reminders' store keeps what it was told when its pod is deleted", async () => {
  await kubectl("delete", "pod", "-n", "production", "hue-store-0");
  await kubectl("rollout", "status", "-n", "production", "statefulset/hue-store", "--timeout=60s");
  await expect
    .poll(
      () => fetchText(`http://127.0.0.1:${ingressHttpPort}/cgi-bin/reminders?user=gigi`, { host: "front.hue.example" }).then((r) => r.text),
      { timeout: 30_000 },
    )
    .toContain("Buy bread\n");
});
