import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test as plain } from "vitest";
import { createRequest } from "../../src/pki/credentials.ts";
import { temporaryFolder } from "../support/hue.ts";
import { type Kubectl, kubectlFor } from "../support/kubectl.ts";
import { forever, shellDeployment, shellPod } from "../support/manifests.ts";
import { sharedCluster, test } from "../support/shared-cluster.ts";

const { kubeconfig, kubectl: admin } = sharedCluster();
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

describe("a namespace with a context and a user of its own", () => {
  const name = `restricted-${randomBytes(2).toString("hex")}`;
  const folder = temporaryFolder();
  const config = join(folder, "config");
  let kubectl: Kubectl;
  beforeAll(() => {
    writeFileSync(config, readFileSync(kubeconfig));
    kubectl = kubectlFor(config);
  });
  afterAll(async () => {
    await admin("delete", "namespace", name, "--wait=false", "--ignore-not-found");
    rmSync(folder, { recursive: true });
  });

  plain("AT-20 what is made in the context's namespace is listed there only, and by --all-namespaces", async () => {
    const manifest = `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${name}\n  labels:\n    name: ${name}\n`;
    expect(await kubectl.create(manifest)).toBe(`namespace/${name} created\n`);
    const [context = {}] = (
      await kubectl.json<{ contexts: { context: { cluster?: string; user?: string } }[] }>("config", "view")
    ).contexts.map((c) => c.context);
    expect(
      await kubectl("config", "set-context", name, "--cluster", context.cluster ?? "", `--namespace=${name}`, "--user", context.user ?? ""),
    ).toBe(`Context "${name}" created.\n`);
    expect(await kubectl("config", "use-context", name)).toBe(`Switched to context "${name}".\n`);
    await kubectl.apply(shellDeployment("hue-finance", 3, forever));
    await kubectl("rollout", "status", "deployment/hue-finance", "--timeout=60s");
    const own = lines(await kubectl("get", "pods", "--no-headers"));
    expect(own).toHaveLength(3);
    expect(own.every((pod) => pod.startsWith("hue-finance-"))).toBe(true);
    expect(await kubectl("get", "pods", "-n", "default", "-l", "app=hue-finance")).toBe("");
    const all = lines(await kubectl("get", "pods", "--all-namespaces", "--no-headers")).filter((pod) => pod.startsWith(`${name} `));
    expect(all).toHaveLength(3);
    const wrong = await kubectl.run(["config", "use-context", "nobody"]);
    expect(wrong.stderr).toContain('no context exists with the name: "nobody"');
  });

  plain(
    "AT-20 AT-36 a user whose certificate the cluster signed may do in that namespace what a role allows, and nothing else",
    async () => {
      const { key, request } = await createRequest({ commonName: "gigi", organizations: ["finance"] });
      const csr = {
        apiVersion: "certificates.k8s.io/v1",
        kind: "CertificateSigningRequest",
        metadata: { name },
        spec: {
          request: Buffer.from(request).toString("base64"),
          signerName: "kubernetes.io/kube-apiserver-client",
          usages: ["client auth"],
        },
      };
      await admin.create(csr);
      expect(await admin("get", "csr", name, "--no-headers")).toMatch(/\sPending$/m);
      expect(await admin("certificate", "approve", name)).toBe(`certificatesigningrequest.certificates.k8s.io/${name} approved\n`);
      const signed = await admin.until(["get", "csr", name, "-o", "jsonpath={.status.certificate}"], (out) => out !== "", 20);
      writeFileSync(join(folder, "key.pem"), key);
      writeFileSync(join(folder, "cert.pem"), Buffer.from(signed, "base64"));
      await kubectl("config", "set-credentials", "gigi", `--client-certificate=${folder}/cert.pem`, `--client-key=${folder}/key.pem`);
      await kubectl("config", "set-context", name, "--user=gigi");
      expect(await kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}")).toBe(
        'gigi ["finance","system:authenticated"]',
      );
      const refused = await kubectl.run(["get", "pods"]);
      expect(refused.stderr).toBe(
        `Error from server (Forbidden): pods is forbidden: User "gigi" cannot list resource "pods" in API group "" in the namespace "${name}"\n`,
      );
      await admin("create", "rolebinding", "finance", "--clusterrole=edit", "--group=finance", "-n", name);
      await kubectl.until(["get", "pods", "--no-headers"], (out) => lines(out).length === 3, 10);
      expect((await kubectl.run(["get", "pods", "-n", "default"])).code).toBe(1);
      expect((await kubectl.run(["get", "nodes"])).code).toBe(1);
      expect(await kubectl("auth", "can-i", "delete", "deployments")).toBe("yes\n");
      await admin("delete", "csr", name);
    },
  );

  plain("a certificate request that is denied is not signed", async () => {
    const { request } = await createRequest({ commonName: "mallory" });
    const spec = {
      request: Buffer.from(request).toString("base64"),
      signerName: "kubernetes.io/kube-apiserver-client",
      usages: ["client auth"],
    };
    await admin.create({
      apiVersion: "certificates.k8s.io/v1",
      kind: "CertificateSigningRequest",
      metadata: { name: `${name}-denied` },
      spec,
    });
    expect(await admin("certificate", "deny", `${name}-denied`)).toContain("denied");
    expect(await admin("get", "csr", `${name}-denied`, "-o", "jsonpath={.status.certificate}{.status.conditions[0].type}")).toBe("Denied");
    await admin("delete", "csr", `${name}-denied`);
  });
});

test("a quota and limits hold in a namespace", async ({ kubectl }) => {
  await kubectl("create", "quota", "few", "--hard=pods=2,requests.cpu=300m");
  await kubectl.apply({
    apiVersion: "v1",
    kind: "LimitRange",
    metadata: { name: "usual" },
    spec: { limits: [{ type: "Container", defaultRequest: { cpu: "100m" }, max: { cpu: "1" } }] },
  });
  await kubectl.apply(shellPod("one", forever));
  expect(await kubectl("get", "pod", "one", "-o", "jsonpath={.spec.containers[0].resources.requests.cpu}")).toBe("100m");
  const big = await kubectl.run(
    ["apply", "-f", "-"],
    JSON.stringify(shellPod("big", forever, { container: { resources: { requests: { cpu: "2" }, limits: { cpu: "2" } } } })),
  );
  expect(big.stderr).toContain("maximum cpu usage per Container is 1, but limit is 2");
  await kubectl.until(["get", "quota", "few", "-o", "jsonpath={.status.used.pods}"], (out) => out === "1");
  const greedy = await kubectl.run(
    ["apply", "-f", "-"],
    JSON.stringify(shellPod("greedy", forever, { container: { resources: { requests: { cpu: "250m" } } } })),
  );
  expect(greedy.stderr).toContain("exceeded quota: few, requested: requests.cpu=250m, used: requests.cpu=100m, limited: requests.cpu=300m");
});

test("a deleted namespace takes everything in it along", async ({ kubectl }) => {
  await kubectl.apply([shellDeployment("goes", 1, forever), { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "goes" } }]);
  await kubectl("rollout", "status", "deployment/goes", "--timeout=60s");
  await kubectl("delete", "namespace", kubectl.namespace, "--timeout=60s");
  const left = await admin("get", "all,configmaps", "-A", "-o", "jsonpath={.items[*].metadata.namespace}");
  expect(left.split(" ")).not.toContain(kubectl.namespace);
});
