import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPublicKey } from "node:crypto";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, createCluster } from "../../src/index.ts";
import { issueAuthority, issueLeaf, newKey } from "../../src/pki/issue.ts";
import { compileJava, missingLibraries } from "../support/java.ts";
import { type Kubectl, kubectlFor, tool } from "../support/kubectl.ts";
import { pythonPrograms } from "../support/python.ts";

const run = promisify(execFile);
const root = new URL("../..", import.meta.url).pathname;
const clients = join(root, "test/clients");
const cache = join(root, "node_modules/.cache/hue");
const folder = mkdtempSync(join(tmpdir(), "hue-clients-"));
const kubeconfig = join(folder, "kubeconfig");
// Modules and packages are fetched and built the first time.
const firstTime = 600_000;

let cluster: Cluster;
let kubectl: Kubectl;
beforeAll(async () => {
  cluster = await createCluster();
  writeFileSync(kubeconfig, cluster.kubeconfig, { mode: 0o600 });
  kubectl = kubectlFor(kubeconfig);
});
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true });
});

describe("helm", () => {
  const helm = async (...args: string[]): Promise<string> =>
    (await run(tool("helm"), [...args, "--kubeconfig", kubeconfig], { env: { ...process.env, HOME: folder } })).stdout;
  const chart = join(clients, "chart");
  const image = (): Promise<string> => kubectl("get", "deployment", "one-web", "-o", "jsonpath={.spec.template.spec.containers[0].image}");

  test("installs a chart and waits for its hooks and pods, upgrades, rolls back and uninstalls", async () => {
    const installed = await helm("install", "one", chart, "--wait", "--timeout", "60s");
    expect(installed).toMatch(/STATUS: deployed\nREVISION: 1/);
    expect(installed).toContain("The answer is 1 of one.");
    const ready = await kubectl("get", "deployment", "one-web", "-o", "jsonpath={.status.readyReplicas}");
    expect(ready).toBe("2");
    expect(await kubectl("get", "configmap", "one-hooks", "-o", "jsonpath={.data.phase}")).toBe("pre-install");

    await helm("upgrade", "one", chart, "--set", "image=nginx:2,replicas=3", "--wait", "--timeout", "60s");
    expect(await image()).toBe("nginx:2");
    expect(await kubectl("get", "job", "one-post-upgrade", "-o", "jsonpath={.status.succeeded}")).toBe("1");
    expect(await helm("history", "one")).toMatch(/1 .*superseded.*\n2 .*deployed/);

    expect(await helm("rollback", "one", "1", "--wait", "--timeout", "60s")).toContain("Rollback was a success");
    expect(await image()).toBe("nginx:1");
    expect(JSON.parse(await helm("list", "-o", "json"))).toMatchObject([{ name: "one", revision: "3", status: "deployed" }]);

    expect(await helm("uninstall", "one", "--wait", "--timeout", "60s")).toBe('release "one" uninstalled\n');
    expect(await kubectl("get", "deployment,service,secret", "-l", "app.kubernetes.io/instance=one", "-o", "name")).toBe("");
  });

  test("an upgrade that fails is rolled back, and a chart of what the API does not know is refused", async () => {
    await helm("install", "two", chart, "--wait", "--timeout", "60s");
    await expect(
      helm("upgrade", "two", chart, "--set", "hookCommand=false", "--wait", "--timeout", "60s", "--rollback-on-failure"),
    ).rejects.toThrow(/failed.*rolled back/s);
    expect(await helm("status", "two")).toMatch(/STATUS: deployed\nREVISION: 3/);
    await expect(helm("upgrade", "two", chart, "--set", "replicas=many")).rejects.toThrow(/replicas/);
    await helm("uninstall", "two");
  });
});

describe("programs of other languages", () => {
  test("Python: objects, patches, watches, scale, dynamic client, server-side apply, leader election", { timeout: firstTime }, async () => {
    await kubectl("create", "namespace", "python");
    const { stdout } = await run(join(await pythonPrograms("python", "kubernetes==36.0.3"), "python"), [
      join(clients, "python/clients.py"),
      kubeconfig,
      "python",
    ]);
    expect(stdout).toBe(
      ["crud", "patches", "watching", "deployments", "dynamic_client", "leader_election"].map((part) => `${part} ok\n`).join(""),
    );
  });

  test("Go: watches in protobuf, leader election, dynamic informers, apply, and an operator with a webhook", {
    timeout: firstTime,
  }, async () => {
    await kubectl("create", "namespace", "go");
    await kubectl.create(greetings);
    await kubectl("wait", "--for=condition=Established", "crd/greetings.clients.example.com");
    const scenarios = ["watch", "leader-election", "dynamic-informer", "apply", "manager"];
    const env = { ...process.env, WEBHOOK_CERTIFICATES: webhookCertificates() };
    const { stdout } = await run(await goProgram(), [kubeconfig, "go", ...scenarios], { env });
    expect(stdout).toBe(scenarios.map((name) => `${name} ok\n`).join(""));
  });

  // fabric8's client watches through WebSockets, and takes keys that are not of its kind for RSA.
  test("Java, with Kubernetes' own client and fabric8's: pages, patches, apply, informers, logs, exec, custom resources, leader election", {
    timeout: firstTime,
  }, async ({ skip }) => {
    const folder = join(clients, "java");
    const missing = await missingLibraries(folder);
    if (missing) skip(missing);
    const programs = ["Official", "Fabric8"];
    const java = await compileJava(folder, programs);
    const printed = programs.map(async (program) => {
      const namespace = program.toLowerCase();
      await kubectl("create", "namespace", namespace);
      return (await run("java", [...java, program, kubeconfig, namespace])).stdout;
    });
    const parts = ["crud", "pages", "patches", "apply", "watching", "informer", "deployments", "pods", "dynamic"];
    const [official, fabric8] = await Promise.all(printed);
    expect(official).toBe(parts.map((part) => `${part} ok\n`).join(""));
    expect(fabric8).toBe([...parts, "leader election"].map((part) => `${part} ok\n`).join(""));
  });
});

/** The Go program, built when its sources have changed. */
async function goProgram(): Promise<string> {
  mkdirSync(cache, { recursive: true });
  const program = join(cache, "go-clients");
  await run("go", ["build", "-o", program, "."], { cwd: join(clients, "go"), env: { ...process.env, CGO_ENABLED: "0" } });
  return program;
}

/** A folder with the certificate of a webhook on this machine, and its authority. */
function webhookCertificates(): string {
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
  const key = newKey();
  const authority = { key, certificate: issueAuthority("webhooks", key, validity) };
  const serving = newKey();
  const spec = { commonName: "webhook", names: ["127.0.0.1"], usages: ["server auth"] as const };
  writeFileSync(join(folder, "ca.crt"), authority.certificate);
  writeFileSync(join(folder, "tls.crt"), issueLeaf(authority, createPublicKey(serving), spec, validity));
  writeFileSync(join(folder, "tls.key"), serving, { mode: 0o600 });
  return folder;
}

const object = (properties: object): object => ({ type: "object", properties });
const text = { type: "string" };
const greetings = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "greetings.clients.example.com" },
  spec: {
    group: "clients.example.com",
    scope: "Namespaced",
    names: { plural: "greetings", singular: "greeting", kind: "Greeting", listKind: "GreetingList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: object({ spec: object({ text }), status: object({ said: text }) }) },
      },
    ],
  },
};
