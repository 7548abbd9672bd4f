import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, createCluster } from "../../src/index.ts";
import { type Kubectl, kubectlFor } from "../support/kubectl.ts";

const folder = mkdtempSync(join(tmpdir(), "hue-rows-"));
let cluster: Cluster;
let kubectl: Kubectl;
beforeAll(async () => {
  cluster = await createCluster();
  writeFileSync(join(folder, "kubeconfig"), cluster.kubeconfig, { mode: 0o600 });
  kubectl = kubectlFor(join(folder, "kubeconfig"));
  await kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=20s");
});
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true });
});

/** What kubectl says when the manifest is refused. */
async function refusal(manifest: object, ...args: string[]): Promise<string> {
  const { code, stderr } = await kubectl.run(["create", "-f", "-", ...args], JSON.stringify(manifest));
  expect(code).toBe(1);
  return stderr;
}

const labels = { app: "kubia" };
const template = { metadata: { labels }, spec: { containers: [{ name: "kubia", image: "luksa/kubia" }] } };
const controller = (name: string, spec: object): object => ({ apiVersion: "v1", kind: "ReplicationController", metadata: { name }, spec });

describe("ReplicationControllers and other controllers", () => {
  test("a selector left out is that of the template; one that the template does not fit is refused", async () => {
    await kubectl.create(controller("kubia", { replicas: 0, template }));
    expect(await kubectl("get", "rc", "kubia", "-o", "jsonpath={.spec.selector}")).toBe('{"app":"kubia"}');
    expect(await refusal(controller("other", { selector: { app: "other" }, template }))).toContain(
      'spec.template.metadata.labels: Invalid value: {"app":"kubia"}: `selector` does not match template `labels`',
    );
  });

  test("the selector of a ReplicationController may change, that of a ReplicaSet may not", async () => {
    await kubectl.create(controller("changing", { replicas: 0, template }));
    const both = { spec: { selector: { app: "new" }, template: { metadata: { labels: { app: "new" } } } } };
    expect(await kubectl("patch", "rc", "changing", "-p", JSON.stringify(both))).toContain("patched");
    const set = {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: { name: "kubia" },
      spec: { replicas: 0, selector: { matchLabels: labels }, template },
    };
    await kubectl.create(set);
    const change = {
      spec: { selector: { matchLabels: { app: "kubia", rel: "beta" } }, template: { metadata: { labels: { rel: "beta" } } } },
    };
    const { stderr } = await kubectl.run(["patch", "rs", "kubia", "-p", JSON.stringify(change)]);
    expect(stderr).toContain("spec.selector: Invalid value");
    expect(stderr).toContain("field is immutable");
  });

  test.each([
    ["Exists", ["x"], "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"],
    ["DoesNotExist", ["x"], "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"],
    ["In", [], "must be specified when `operator` is 'In' or 'NotIn'"],
    ["Near", ["x"], "not a valid selector operator"],
  ])("a selector with %s %j is refused", async (operator, values, message) => {
    const selector = { matchExpressions: [{ key: "app", operator, values }] };
    const set = { apiVersion: "apps/v1", kind: "ReplicaSet", metadata: { name: "bad" }, spec: { selector, template } };
    expect(await refusal(set)).toContain(message);
  });

  test("a Job ends: restartPolicy Always is refused, the selector is made, backoffLimit is 6", async () => {
    const job = (restartPolicy?: string): object => ({
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "batch-job" },
      spec: { template: { metadata: { labels }, spec: { ...template.spec, ...(restartPolicy ? { restartPolicy } : {}) } } },
    });
    expect(await refusal(job())).toContain('spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"');
    expect(await refusal(job("Always"))).toContain('spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"');
    await kubectl.create(job("OnFailure"));
    expect(await kubectl("get", "job", "batch-job", "-o", "jsonpath={.spec.backoffLimit} {.spec.completions} {.spec.parallelism}")).toBe(
      "6 1 1",
    );
    expect(await kubectl("get", "job", "batch-job", "-o", "jsonpath={.spec.selector.matchLabels}")).toContain(
      "batch.kubernetes.io/controller-uid",
    );
  });

  test("an autoscaler does not scale to nothing", async () => {
    const scaleTargetRef = { apiVersion: "v1", kind: "ReplicationController", name: "kubia" };
    const autoscaler = {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "h" },
      spec: { scaleTargetRef, minReplicas: 0, maxReplicas: 5 },
    };
    expect(await refusal(autoscaler)).toContain("spec.minReplicas: Invalid value: 0: must be greater than or equal to 1");
  });
});

test("annotations hold 256 KiB and no more", async () => {
  const map = (size: number): object => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "notes", annotations: { note: "x".repeat(size) } },
  });
  expect(await refusal(map(256 * 1024 + 1))).toContain("metadata.annotations: Too long: may not be more than 262144 bytes");
  expect(await kubectl.create(map(256 * 1024 - 4))).toContain("created");
});

test("kubectl get svc shows each type of Service as users know it", async () => {
  const ports = [{ port: 80, targetPort: 8080 }];
  const service = (name: string, spec: object): object => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, labels: { row: "yes" } },
    spec,
  });
  await kubectl.create([
    service("external", { type: "ExternalName", externalName: "api.somecompany.com", ports }),
    service("headless", { clusterIP: "None", selector: labels, ports }),
    service("inner", { selector: labels, ports }),
    service("nodeport", { type: "NodePort", selector: labels, ports: [{ port: 80, targetPort: 8080, nodePort: 30123 }] }),
  ]);
  const rows = (await kubectl("get", "svc", "-l", "row=yes", "--no-headers")).replace(/10\.\d+\.\d+\.\d+/g, "IP").replace(/ +/g, " ");
  expect(rows.replace(/ \d+s$/gm, "")).toBe(
    "external ExternalName <none> api.somecompany.com 80/TCP\nheadless ClusterIP None <none> 80/TCP\n" +
      "inner ClusterIP IP <none> 80/TCP\nnodeport NodePort IP <none> 80:30123/TCP\n",
  );
});

test("the API as a program sees it: paths, groups, a trailing slash, and a watch as lines of JSON", async () => {
  const proxy = kubectl.start("proxy", "--port=0");
  try {
    const [said] = await new Promise<Buffer[]>((done) => proxy.stdout.once("data", (...data: Buffer[]) => done(data)));
    const url = `http://${/127\.0\.0\.1:\d+/.exec(String(said))?.[0]}`;
    const get = async (path: string): Promise<unknown> => (await fetch(url + path)).json();
    expect(await get("/")).toMatchObject({ paths: expect.arrayContaining(["/api", "/api/v1", "/apis/batch"]) });
    expect(await get("/apis/batch")).toMatchObject({ kind: "APIGroup", preferredVersion: { groupVersion: "batch/v1", version: "v1" } });
    const body = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "posted" } });
    const collection = `${url}/api/v1/namespaces/default/configmaps`;
    const made = await fetch(`${collection}/`, { method: "POST", body, headers: { "content-type": "application/json" } });
    expect(made.status).toBe(201);
    const { metadata } = (await made.json()) as { metadata: { resourceVersion: string } };
    await fetch(`${collection}/posted`, { method: "DELETE" });
    const watch = await fetch(
      `${collection}?watch=true&resourceVersion=${Number(metadata.resourceVersion) - 1}&timeoutSeconds=1&fieldSelector=metadata.name=posted`,
    );
    const events = (await watch.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; object: { kind: string } });
    expect(events.map(({ type, object }) => `${type} ${object.kind}`)).toEqual(["ADDED ConfigMap", "DELETED ConfigMap"]);
  } finally {
    proxy.kill();
  }
});

describe("resources", () => {
  const pod = (name: string, ...resources: object[]): object => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: { containers: resources.map((one, i) => ({ name: `c${i}`, image: "busybox", resources: one })) },
  });
  const cpu = { cpu: "100m" };
  const all = { cpu: "100m", memory: "10Mi" };
  const more = { cpu: "200m", memory: "20Mi" };
  const guaranteed = { requests: all, limits: all };
  const burstable = { requests: all, limits: more };

  // The book's two tables: of one container, and of two.
  test.each<[string, string, object[]]>([
    ["nothing", "BestEffort", [{}]],
    ["requests of one", "Burstable", [{ requests: cpu }]],
    ["requests of both", "Burstable", [{ requests: all }]],
    ["limits of one", "Burstable", [{ limits: cpu }]],
    ["limits alone", "Guaranteed", [{ limits: all }]],
    ["limits above requests", "Burstable", [burstable]],
    ["limits as requests", "Guaranteed", [guaranteed]],
    ["two with nothing", "BestEffort", [{}, {}]],
    ["nothing and burstable", "Burstable", [{}, burstable]],
    ["nothing and guaranteed", "Burstable", [{}, guaranteed]],
    ["two burstable", "Burstable", [burstable, burstable]],
    ["burstable and guaranteed", "Burstable", [burstable, guaranteed]],
    ["two guaranteed", "Guaranteed", [guaranteed, guaranteed]],
  ])("a pod with %s is %s", async (_title, quality, resources) => {
    const { stdout } = await kubectl.run(
      ["create", "--dry-run=server", "-o", "jsonpath={.status.qosClass}", "-f", "-"],
      JSON.stringify(pod("q", ...resources)),
    );
    expect(stdout).toBe(quality);
  });

  test("requests are as limits where they are left out, and a request above its limit is refused", async () => {
    const { stdout } = await kubectl.run(
      ["create", "--dry-run=server", "-o", "jsonpath={.spec.containers[0].resources.requests}", "-f", "-"],
      JSON.stringify(pod("limited", { limits: { cpu: 1, memory: "20Mi" } })),
    );
    expect(JSON.parse(stdout)).toEqual({ cpu: "1", memory: "20Mi" });
    expect(await refusal(pod("over", { requests: more, limits: all }))).toContain(
      'spec.containers[0].resources.requests: Invalid value: "200m": must be less than or equal to cpu limit of 100m',
    );
  });

  test("a LimitRange fills in and refuses; a quota counts a number as well as a text", async () => {
    await kubectl("create", "namespace", "limited");
    const limited = kubectl.in("limited");
    await limited("wait", "--for=create", "serviceaccount/default", "--timeout=20s");
    const container = {
      type: "Container",
      defaultRequest: all,
      default: more,
      min: { cpu: "50m" },
      max: { cpu: "1" },
      maxLimitRequestRatio: { cpu: "4" },
    };
    await limited.create({ apiVersion: "v1", kind: "LimitRange", metadata: { name: "example" }, spec: { limits: [container] } });
    await limited.create({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "few" },
      spec: { scopes: ["NotTerminating"], hard: { pods: 1 } },
    });
    const waits = ["get", "quota", "few", "-o", "jsonpath={.status.hard.pods} {.status.used.pods}"];
    await limited.until(waits, (out) => out === "1 0");
    const refused = async (manifest: object): Promise<string> =>
      (await limited.run(["create", "-f", "-"], JSON.stringify(manifest))).stderr;
    expect(await refused(pod("small", { requests: { cpu: "10m" } }))).toContain(
      "minimum cpu usage per Container is 50m, but request is 10m",
    );
    expect(await refused(pod("steep", { requests: { cpu: "100m" }, limits: { cpu: "900m" } }))).toContain(
      "cpu max limit to request ratio per Container is 4, but provided ratio is 9.0",
    );
    await limited.create(pod("one", {}));
    expect(await limited("get", "pod", "one", "-o", "jsonpath={.spec.containers[0].resources.limits.cpu}")).toBe("200m");
    expect(await refused(pod("two", {}))).toContain("exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1");
  });

  test("a volume of the downward API names the container whose resources it tells", async () => {
    const items = [{ path: "cpu", resourceFieldRef: { resource: "requests.cpu", divisor: "1m" } }];
    const spec = { containers: [{ name: "main", image: "busybox" }], volumes: [{ name: "downward", downwardAPI: { items } }] };
    expect(await refusal({ apiVersion: "v1", kind: "Pod", metadata: { name: "downward" }, spec })).toContain(
      "resourceFieldRef.containerName: Required value",
    );
  });
});

test("delete all --all takes pods, controllers and Services, and leaves Secrets and ConfigMaps", async () => {
  await kubectl("create", "namespace", "cleared");
  const cleared = kubectl.in("cleared");
  await cleared("wait", "--for=create", "serviceaccount/default", "--timeout=20s");
  await cleared.create([
    controller("kubia", { replicas: 2, template }),
    { apiVersion: "v1", kind: "Service", metadata: { name: "kubia" }, spec: { selector: labels, ports: [{ port: 80 }] } },
    { apiVersion: "v1", kind: "Secret", metadata: { name: "kept" } },
  ]);
  await cleared.until(["get", "pods", "--no-headers"], (out) => /^(kubia-[bcdfghjklmnpqrstvwxz2456789]{5} .*\n){2}$/.test(out));
  // With their controller there, deleted pods are replaced.
  const names = async (): Promise<string[]> => (await cleared("get", "pods", "-o", "name")).trim().split("\n");
  const before = await names();
  await cleared("delete", "pods", "--all", "--wait=false");
  await expect.poll(async () => (await names()).filter((name) => name && !before.includes(name)).length).toBe(2);
  await cleared("delete", "all", "--all", "--timeout=30s");
  await cleared.until(["get", "all", "-o", "name"], (out) => out === "");
  expect(await cleared("get", "secrets,configmaps", "-o", "name")).toBe("secret/kept\nconfigmap/kube-root-ca.crt\n");
});

test("Secrets and ConfigMaps from the command line", async () => {
  writeFileSync(join(folder, "foo.json"), '{"a":1}');
  await kubectl(
    "create",
    "configmap",
    "sources",
    "--from-literal=k=v",
    `--from-file=${folder}/foo.json`,
    `--from-file=bar=${folder}/foo.json`,
  );
  expect(Object.keys((await kubectl.json<{ data: object }>("get", "configmap", "sources")).data)).toEqual(["bar", "foo.json", "k"]);
  await kubectl("create", "secret", "docker-registry", "hub", "--docker-username=u", "--docker-password=p", "--docker-email=a@b.c");
  expect(await kubectl("get", "secret", "hub", "-o", "jsonpath={.type}")).toBe("kubernetes.io/dockerconfigjson");
  expect(await kubectl("get", "secret", "hub", "--no-headers")).toMatch(/^hub +kubernetes.io\/dockerconfigjson +1 /);
});

test("component statuses, discovery's role, and a NetworkPolicy for all pods", async () => {
  const statuses = await kubectl.run(["get", "componentstatuses", "--no-headers"]);
  expect(statuses.stderr).toContain("v1 ComponentStatus is deprecated in v1.19+");
  expect(statuses.stdout).toMatch(/^scheduler +Healthy +ok/m);
  const rules = await kubectl.json<{ rules: object[] }>("get", "clusterrole", "system:discovery");
  expect(rules.rules).toEqual([
    { nonResourceURLs: expect.arrayContaining(["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/version"]), verbs: ["get"] },
  ]);
  await kubectl.create("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: default-deny}\nspec:\n  podSelector:\n");
  expect(await kubectl("get", "networkpolicy", "default-deny", "-o", "jsonpath={.spec}")).toBe(
    '{"podSelector":{},"policyTypes":["Ingress"]}',
  );
});
