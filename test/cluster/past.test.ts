import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HueProcess, hue, nodeReady, startHue } from "../support/hue.ts";
import { type Result, tool } from "../support/kubectl.ts";

let running: HueProcess;
/** The revision before the change. */
let before: string;
const at = (time: string, ...command: string[]): Promise<Result> =>
  hue("at", "--data-dir", running.dataDir, "--kubectl", tool("kubectl"), time, ...command);
const diff = (...args: string[]): Promise<Result> => hue("diff", "--data-dir", running.dataDir, ...args);

beforeAll(async () => {
  running = await startHue(["--runtime=simulated", "--node-name", "one"]);
  const { kubectl } = running;
  await nodeReady(kubectl, "one");
  await kubectl("create", "deployment", "web", "--image", "example.com/web:1", "--replicas", "2");
  await kubectl("create", "secret", "generic", "gone", "--from-literal", "password=hush");
  await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  before = JSON.parse(await kubectl("get", "--raw", "/api/v1/namespaces?limit=1")).metadata.resourceVersion;
  await kubectl("set", "image", "deployment/web", "web=example.com/web:2");
  await kubectl("delete", "secret", "gone");
  await kubectl("create", "configmap", "fresh", "--from-literal", "a=1");
  await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
});
afterAll(async () => {
  await running.stop();
  rmSync(running.dataDir, { recursive: true });
});

describe("hue at runs kubectl on the cluster as it was", () => {
  test.each<[string[], RegExp]>([
    [["get", "deployment", "web", "-o", "yaml"], /image: example.com\/web:1/],
    [["get", "secret", "gone", "-o", "jsonpath={.data.password}"], /^aHVzaA==$/],
    [["get", "pods,deployments", "-l", "app=web"], /pod\/web-\S+ +1\/1 +Running(.|\n)*deployment.apps\/web +2\/2/],
    [["get", "configmaps", "--chunk-size=1", "-A", "-o", "name"], /^(configmap\/(?!fresh)\S+\n)+$/],
    [["describe", "deployment", "web"], /Image: +example.com\/web:1\n(.|\n)*ScalingReplicaSet/],
    [["get", "events"], /Scaled up replica set web-\S+ from 0 to 2\n/],
    [["api-resources"], /^deployments +deploy +apps\/v1/m],
    [["explain", "pod.spec.hostname"], /^FIELD: hostname <string>/m],
  ])("kubectl %s", async (args, shown) => {
    expect(await at(before, "kubectl", ...args)).toEqual({ code: 0, stdout: expect.stringMatching(shown), stderr: "" });
  });

  test.each<[string[], RegExp]>([
    [["delete", "deployment", "web"], /the past is read only/],
    [["scale", "deployment", "web", "--replicas=5"], /the past is read only/],
    [["create", "configmap", "x"], /the past is read only/],
    [["exec", "deployment/web", "--", "ls"], /the past/],
    [["logs", "deployment/web"], /nothing is kept of the past of this/],
    [["get", "pods", "-w"], /the past does not change: it can be read, but not watched/],
    [["get", "configmap", "fresh"], /configmaps "fresh" not found/],
  ])("kubectl %s is refused, with kubectl's own exit code", async (args, said) => {
    const { code, stderr } = await at(before, "kubectl", ...args);
    expect([code, stderr]).toEqual([1, expect.stringMatching(said)]);
  });

  test("any program that reads KUBECONFIG will do; its file is private, and gone afterwards, and so is the way to the server", async () => {
    const script = join(running.dataDir, "script");
    writeFileSync(script, 'stat -c %a "$KUBECONFIG"; cat "$KUBECONFIG"; exit 7\n');
    const { code, stdout } = await at(before, "sh", script);
    expect(code).toBe(7);
    expect(stdout).toMatch(/^600\napiVersion: v1/);
    const server = /server: (https:\S+)/.exec(stdout)?.[1] ?? "";
    expect(server).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    await expect(fetch(server)).rejects.toThrow();
    expect(
      readdirSync(tmpdir()).filter((name) => name.startsWith("hue-at-") && statSync(join(tmpdir(), name)).uid === process.getuid?.()),
    ).toEqual([]);
  });

  test("whoever does not have the file is refused", async () => {
    const script = join(running.dataDir, "ask");
    const ask = `process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; process.removeAllListeners("warning");
      const url = /server: (\\S+)/.exec(require("fs").readFileSync(process.env.KUBECONFIG, "utf8"))[1] + "/api/v1/namespaces";
      Promise.all(["", "Bearer wrong"].map((authorization) => fetch(url, { headers: { authorization } }))).then((all) => console.log(all.map((one) => one.status).join()));`;
    writeFileSync(script, ask);
    expect((await at(before, process.execPath, script)).stdout).toBe("401,401\n");
  });

  test.each<[string, string[], RegExp]>([
    ["10000h", ["kubectl", "get", "ns"], /^hue: "\S+" is too long ago: the past is kept from \S+Z on\n$/],
    ["2100-01-01T00:00:00Z", ["kubectl", "get", "ns"], /^hue: "2100-01-01T00:00:00Z" is in the future: it is \S+Z\n$/],
    ["noon", ["kubectl", "get", "ns"], /^hue: "noon" is no moment: give a time such as/],
    ["1", [], /^hue: at: name what to run/],
    ["0s", ["no-such-program"], /^hue: no-such-program cannot be run/],
  ])("hue at %s %j is one sentence", async (time, command, said) => {
    const { code, stderr, stdout } = await at(time, ...command);
    expect([code > 0, stdout, stderr]).toEqual([true, "", expect.stringMatching(said)]);
  });
});

describe("hue diff", () => {
  test("tells what changed, and who changed it", async () => {
    const { stdout, stderr, code } = await diff(before);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^deleted {2}Secret default\/gone$/m);
    expect(stdout).toMatch(/^created {2}ConfigMap default\/fresh {2}by kubectl-create at \S+Z$/m);
    expect(stdout).toMatch(/^changed {2}Deployment default\/web {2}by .*kubectl-set at \S+Z/m);
    expect(stdout).toMatch(
      /^ {2}spec\.template\.spec\.containers\[web\]\.image: "example.com\/web:1" -> "example.com\/web:2" {2}\(kubectl-set\)$/m,
    );
    expect(stdout).not.toMatch(/hush|aHVzaA==|Event/);
    // No terminal, no colours.
    expect(stdout).not.toContain("\u001b");
  });

  test("of a namespace and a kind, as JSON; between a moment and itself nothing", async () => {
    const { stdout } = await diff(before, "-n", "default", "--kind", "configmaps", "-o", "json");
    expect(JSON.parse(stdout)).toMatchObject([{ type: "created", kind: "ConfigMap", name: "fresh", by: [{ manager: "kubectl-create" }] }]);
    expect((await diff(before, "-n", "kube-public")).stdout).toBe("0 created, 0 changed, 0 deleted\n");
    expect((await diff(before, before)).stdout).toBe("0 created, 0 changed, 0 deleted\n");
    expect((await diff(before, "--kind", "unheard")).stderr).toBe('hue: --kind: the server has no "unheard"\n');
  });
});

test("after a restart the past is still there", async () => {
  await running.stop();
  running = await running.restart();
  const shown = await at(before, "kubectl", "get", "deployment", "web", "-o", "jsonpath={..image}");
  expect(shown).toMatchObject({ code: 0, stdout: "example.com/web:1" });
});
