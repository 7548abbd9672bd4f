import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, expect, test as plain } from "vitest";
import { temporaryFolder } from "../support/hue.ts";
import { forever, shellDeployment, shellPod } from "../support/manifests.ts";
import { sharedCluster, test } from "../support/shared-cluster.ts";

const { port, kubectl: admin } = sharedCluster();
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));

plain("AT-01 the kubeconfig names the server and a client certificate, which kubectl keeps to itself", async () => {
  const view = await admin("config", "view");
  expect(view).toMatch(/certificate-authority-data: DATA\+OMITTED/);
  expect(view).toMatch(/client-certificate-data: DATA\+OMITTED/);
  expect(view).toMatch(/client-key-data: DATA\+OMITTED/);
  expect(view).toContain(`server: https://127.0.0.1:${port}`);
  expect(await admin("config", "current-context")).toMatch(/^\S+\n$/);
  expect(await admin("auth", "whoami", "-o", "jsonpath={.status.userInfo.groups}")).toContain("system:masters");
});

plain("AT-02 explain tells of a kind, of a field, and of a whole tree", async () => {
  expect(await admin("explain", "pod")).toMatch(/KIND:\s+Pod\nVERSION:\s+v1\n[\s\S]*metadata\s<ObjectMeta>\n\s+Standard object's metadata/);
  const spec = await admin("explain", "pod.spec");
  expect(spec).toMatch(/FIELD: spec <PodSpec>/);
  expect(spec).toMatch(/containers\s+<\[\]Container> -required-\n/);
  expect(await admin("explain", "deployment.spec.strategy", "--recursive")).toMatch(
    /rollingUpdate\s+<RollingUpdateDeployment>\n\s+maxSurge\s+<IntOrString>/,
  );
  expect(await admin("explain", "cronjob.spec.schedule")).toMatch(/FIELD: schedule <string>/);
  expect((await admin.run(["explain", "pod.spec.nothing"])).stderr).toContain('field "nothing" does not exist');
});

plain("AT-36 version, cluster-info and api-resources answer", async () => {
  expect(await admin("version")).toMatch(/Server Version: v1\.36\./);
  expect((await admin("cluster-info")).replaceAll("\x1b", "")).toContain(`https://127.0.0.1:${port}`);
  const resources = await admin("api-resources");
  for (const row of [
    /^pods\s+po\s+v1\s+true\s+Pod$/m,
    /^deployments\s+deploy\s+apps\/v1\s+true\s+Deployment$/m,
    /^cronjobs\s+cj\s+batch\/v1\s+true\s+CronJob$/m,
    /^nodes\s+no\s+v1\s+false\s+Node$/m,
  ])
    expect(resources).toMatch(row);
  expect(lines(await admin("api-versions"))).toEqual(
    expect.arrayContaining(["v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "autoscaling/v2"]),
  );
});

/** The book's base and its overlay for staging. */
function kustomizations(): { base: string; staging: string } {
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write(
    "base/hue-learn.yaml",
    `apiVersion: v1
kind: Pod
metadata:
  name: hue-learner
  labels:
    tier: internal-service
spec:
  containers:
  - name: hue-learner
    image: g1g1/hue-learn:0.3
    resources:
      requests:
        cpu: 200m
        memory: 256Mi
    env:
    - name: DISCOVER_QUEUE
      value: dns
    - name: DISCOVER_STORE
      value: dns
`,
  );
  write(
    "base/kustomization.yaml",
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\ncommonLabels:\n  app: hue\nresources:\n- hue-learn.yaml\n",
  );
  write("overlays/staging/namespace.yaml", `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${stagingName}\n`);
  write(
    "overlays/staging/hue-learn-patch.yaml",
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: hue-learner\nspec:\n  containers:\n  - name: hue-learner\n    image: g1g1/hue-learn:0.4\n",
  );
  write(
    "overlays/staging/kustomization.yaml",
    `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ${stagingName}
commonLabels:
  environment: staging
bases:
- ../../base
patchesStrategicMerge:
- hue-learn-patch.yaml
resources:
- namespace.yaml
`,
  );
  return { base: join(folder, "base"), staging: join(folder, "overlays/staging") };
}

const stagingName = `staging-${process.pid}`;
const podYaml = (labels: string, namespace: string, version: string): string => `apiVersion: v1
kind: Pod
metadata:
  labels:
${labels}
  name: hue-learner
${namespace}spec:
  containers:
  - env:
    - name: DISCOVER_QUEUE
      value: dns
    - name: DISCOVER_STORE
      value: dns
    image: g1g1/hue-learn:${version}
    name: hue-learner
    resources:
      requests:
        cpu: 200m
        memory: 256Mi
`;

plain("AT-21 AT-22 kustomize builds base and overlay, and apply -k makes namespace and pod with the patched image", async () => {
  const { base, staging } = kustomizations();
  expect(await admin("kustomize", base)).toBe(podYaml("    app: hue\n    tier: internal-service", "", "0.3"));
  const namespaceYaml = `apiVersion: v1\nkind: Namespace\nmetadata:\n  labels:\n    environment: staging\n  name: ${stagingName}\n---\n`;
  const labels = "    app: hue\n    environment: staging\n    tier: internal-service";
  expect(await admin("kustomize", staging)).toBe(namespaceYaml + podYaml(labels, `  namespace: ${stagingName}\n`, "0.4"));
  try {
    expect(await admin("apply", "-k", staging)).toBe(`namespace/${stagingName} created\npod/hue-learner created\n`);
    await admin("wait", "-n", stagingName, "--for=condition=Ready", "pod/hue-learner", "--timeout=60s");
    expect(await admin("get", "po", "hue-learner", "-n", stagingName, "-o", "jsonpath={.spec.containers[0].image}")).toBe(
      "g1g1/hue-learn:0.4",
    );
    expect(await admin("apply", "-k", staging)).toBe(`namespace/${stagingName} unchanged\npod/hue-learner unchanged\n`);
  } finally {
    await admin("delete", "namespace", stagingName, "--wait=false", "--ignore-not-found");
  }
});

test("S4-1A a manifest with a misspelt field is refused with its name; without that check, what is missing is named", async ({
  kubectl,
}) => {
  const manifest = "apiVersion: v1\nkind: Pod\nmetadata:\nspec:\n  container:\n  - name: web\n    image: hue-platform/base\n";
  const strict = await kubectl.run(["create", "-f", "-"], manifest);
  expect(strict.code).toBe(1);
  expect(strict.stderr).toContain('strict decoding error: unknown field "spec.container"');
  const lax = await kubectl.run(["create", "--validate=false", "-f", "-"], manifest);
  expect(lax.code).toBe(1);
  expect(lax.stderr).toContain("name or generateName is required");
  const named = await kubectl.run(["create", "--validate=false", "-f", "-"], manifest.replace("metadata:\n", "metadata:\n  name: web\n"));
  expect(named.stderr).toContain('The Pod "web" is invalid: spec.containers: Required value');
});

test("S4-1H apply fetches its manifest from a URL", async ({ kubectl }) => {
  const server = createServer((_, reply) => reply.end("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: fetched\n")).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  const address = server.address();
  try {
    const url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/crds.yaml`;
    expect(await kubectl("apply", "-f", url)).toBe("configmap/fetched created\n");
  } finally {
    server.close();
  }
});

test("S4-1E a CustomResourceDefinition makes a new kind: listed by its names and columns, checked by its schema", async ({ kubectl }) => {
  const group = `${kubectl.namespace}.example.com`;
  const properties = {
    spec: {
      type: "object",
      required: ["nodes"],
      properties: { nodes: { type: "integer", minimum: 3 }, image: { type: "string", default: "cockroach:v21" } },
    },
    status: { type: "object", properties: { phase: { type: "string" } } },
  };
  const version = {
    name: "v1alpha1",
    served: true,
    storage: true,
    subresources: { status: {} },
    additionalPrinterColumns: [{ name: "Nodes", type: "integer", jsonPath: ".spec.nodes" }],
    schema: { openAPIV3Schema: { type: "object", properties } },
  };
  const names = { plural: "crdbclusters", singular: "crdbcluster", kind: "CrdbCluster", shortNames: ["crdb"], categories: ["all"] };
  const crd = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `crdbclusters.${group}` },
    spec: { group, scope: "Namespaced", names, versions: [version] },
  };
  try {
    await kubectl.apply(crd);
    await kubectl("wait", "--for=condition=Established", `crd/crdbclusters.${group}`, "--timeout=20s");
    const object = (nodes: number): object => ({
      apiVersion: `${group}/v1alpha1`,
      kind: "CrdbCluster",
      metadata: { name: "cockroachdb" },
      spec: { nodes },
    });
    await kubectl.until(["get", `crdb.${group}`], () => true, 20);
    expect((await kubectl.run(["apply", "-f", "-"], JSON.stringify(object(1)))).stderr).toContain(
      "spec.nodes: Invalid value: 1: spec.nodes in body should be greater than or equal to 3",
    );
    await kubectl.apply(object(3));
    expect(lines(await kubectl("get", `crdb.${group}`)).map((line) => line.split(/\s+/).slice(0, 2))).toEqual([
      ["NAME", "NODES"],
      ["cockroachdb", "3"],
    ]);
    expect(await kubectl("get", `crdb.${group}`, "cockroachdb", "-o", "jsonpath={.spec.image} {.metadata.generation}")).toBe(
      "cockroach:v21 1",
    );
    await kubectl(
      "patch",
      `crdb.${group}`,
      "cockroachdb",
      "--subresource=status",
      "--type=merge",
      "-p",
      '{"status":{"phase":"Running"},"spec":{"nodes":9}}',
    );
    expect(await kubectl("get", `crdb.${group}`, "cockroachdb", "-o", "jsonpath={.spec.nodes} {.status.phase}")).toBe("3 Running");
    expect(await kubectl("get", "all", "-o", "name")).toContain(`crdbcluster.${group}/cockroachdb`);
  } finally {
    await kubectl("delete", "crd", `crdbclusters.${group}`, "--ignore-not-found", "--timeout=30s");
  }
  expect((await kubectl.run(["get", `crdb.${group}`])).stderr).toContain("the server doesn't have a resource type");
});

test("AT-36 run, label, annotate, patch, replace, edit, scale, autoscale and set do what they say", async ({ kubectl }) => {
  expect(await kubectl("run", "web", "--image=hue-platform/base", "--labels=app=web", "--command", "--", "sh", "-c", forever)).toBe(
    "pod/web created\n",
  );
  await kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s");
  expect(await kubectl("label", "pod", "web", "tier=front")).toBe("pod/web labeled\n");
  expect((await kubectl.run(["label", "pod", "web", "tier=back"])).stderr).toContain(
    "already has a value (front), and --overwrite is false",
  );
  expect(await kubectl("annotate", "pod", "web", "hue.example/note=hello")).toBe("pod/web annotated\n");
  expect(
    await kubectl("get", "pods", "-l", "tier in (front),app!=learn", "-o", "jsonpath={.items[*].metadata.annotations.hue\\.example/note}"),
  ).toBe("hello");
  expect((await kubectl("get", "pods", "--show-labels", "--no-headers")).trim()).toMatch(/app=web,tier=front$/);
  expect(await kubectl("patch", "pod", "web", "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/tier"}]')).toBe(
    "pod/web patched\n",
  );
  await kubectl.create(shellDeployment("front", 1, forever));
  expect(await kubectl("patch", "deployment", "front", "--type=merge", "-p", '{"spec":{"minReadySeconds":1}}')).toBe(
    "deployment.apps/front patched\n",
  );
  expect(await kubectl("scale", "--replicas=2", "deployment", "front")).toBe("deployment.apps/front scaled\n");
  await kubectl("rollout", "status", "deployment/front", "--timeout=60s");
  const editing = kubectl.with({ KUBE_EDITOR: "sed -i s/replicas:.2/replicas:\\ 1/" });
  expect(await editing("edit", "deployment", "front")).toBe("deployment.apps/front edited\n");
  expect(await kubectl("get", "deployment", "front", "-o", "jsonpath={.spec.replicas}")).toBe("1");
  const whole = await kubectl("get", "deployment", "front", "-o", "json");
  expect((await kubectl.run(["replace", "-f", "-"], whole.replace('"minReadySeconds": 1', '"minReadySeconds": 2'))).stdout).toBe(
    "deployment.apps/front replaced\n",
  );
  expect((await kubectl.run(["replace", "-f", "-"], whole)).stderr).toContain(
    "the object has been modified; please apply your changes to the latest version and try again",
  );
  expect(await kubectl("autoscale", "deployment", "front", "--min=1", "--max=3", "--cpu=50%")).toBe(
    "horizontalpodautoscaler.autoscaling/front autoscaled\n",
  );
  expect(await kubectl("get", "hpa", "front", "--no-headers")).toMatch(/^front\s+Deployment\/front\s+cpu: .*\/50%\s+1\s+3\s/);
  expect(await kubectl("expose", "deployment", "front", "--port=80")).toBe("service/front exposed\n");
  expect(await kubectl("delete", "service,hpa", "front")).toMatch(/service "front" deleted.*\n.*"front" deleted/);
});

test("apply changes what changed, keeps what others set, and takes away what was taken out; diff shows it before", async ({ kubectl }) => {
  const map = (data: object): object => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data });
  expect(await kubectl.apply(map({ a: "1", b: "2" }))).toBe("configmap/settings created\n");
  await kubectl("patch", "configmap", "settings", "-p", '{"data":{"other":"kept"}}');
  const diff = await kubectl.run(["diff", "-f", "-"], JSON.stringify(map({ a: "3" })));
  expect(diff.code).toBe(1);
  expect(diff.stdout).toMatch(/^-\s+a: "1"$/m);
  expect(diff.stdout).toMatch(/^\+\s+a: "3"$/m);
  expect(await kubectl.apply(map({ a: "3" }))).toBe("configmap/settings configured\n");
  expect(JSON.parse(await kubectl("get", "configmap", "settings", "-o", "jsonpath={.data}"))).toEqual({ a: "3", other: "kept" });
  expect(await kubectl.apply(map({ a: "3" }))).toBe("configmap/settings unchanged\n");
  expect(await kubectl.apply(map({ a: "4" }), "--dry-run=server")).toBe("configmap/settings configured (server dry run)\n");
  expect(await kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.a}")).toBe("3");
});

test("describe of a pod shows its node, address, state, conditions and events", async ({ kubectl }) => {
  await kubectl.apply(shellPod("seen", forever));
  await kubectl("wait", "--for=condition=Ready", "pod/seen", "--timeout=60s");
  const described = await kubectl("describe", "pod", "seen");
  for (const part of [
    /^Node:\s+\S+\/\d+\.\d+\.\d+\.\d+$/m,
    /^Status:\s+Running$/m,
    /^\s+Container ID:\s+docker:\/\/[0-9a-f]{64}$/m,
    /^\s+State:\s+Running$/m,
    /^\s+Ready\s+True\s*$/m,
    /^QoS Class:\s+BestEffort$/m,
    /Scheduled\s.*default-scheduler\s+Successfully assigned/,
    /Pulled\s.*kubelet\s+.*already present on machine/,
    /Created\s.*kubelet\s/,
    /Started\s.*kubelet\s/,
  ])
    expect(described).toMatch(part);
});
