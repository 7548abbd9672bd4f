import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRequest } from "../../../src/pki/credentials.ts";
import { makeDefaultAccount, type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
  await makeDefaultAccount(running);
});
afterAll(() => running.stop());

const pods = "/api/v1/namespaces/default/pods";
const budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const merge = { "content-type": "application/merge-patch+json" };
const request: RunningServer["request"] = (...args) => running.request(...args);

async function runningPod(name: string, labels: object = {}, ready = "True"): Promise<void> {
  const spec = { nodeName: "n1", containers: [{ name: "c", image: "i" }] };
  await request("POST", pods, { metadata: { name, labels }, spec });
  const status = { phase: "Running", conditions: [{ type: "Ready", status: ready }] };
  await request("PATCH", `${pods}/${name}/status`, { status }, merge);
}

describe("binding", () => {
  const target = { apiVersion: "v1", kind: "Node", name: "n1" };

  test("gives a pod its node, once", async () => {
    await request("POST", pods, { metadata: { name: "bind" }, spec: { containers: [{ name: "c", image: "i" }] } });
    const bound = await request("POST", `${pods}/bind/binding`, { metadata: { name: "bind", annotations: { a: "b" } }, target });
    expect(bound.body).toMatchObject({ kind: "Status", status: "Success" });
    const { body } = await request("GET", `${pods}/bind`);
    expect(body.spec.nodeName).toBe("n1");
    expect(body.metadata.annotations).toEqual({ a: "b" });
    expect(body.status.conditions).toMatchObject([{ type: "PodScheduled", status: "True" }]);
    const again = await request("POST", `${pods}/bind/binding`, { metadata: { name: "bind" }, target: { ...target, name: "n2" } });
    expect(again.body).toMatchObject({
      code: 409,
      message: 'Operation cannot be fulfilled on pods/binding "bind": pod bind is already assigned to node "n1"',
    });
  });

  test("works by the bindings resource too", async () => {
    await request("POST", pods, { metadata: { name: "old" }, spec: { containers: [{ name: "c", image: "i" }] } });
    expect((await request("POST", "/api/v1/namespaces/default/bindings", { metadata: { name: "old" }, target })).code).toBe(201);
    expect((await request("GET", `${pods}/old`)).body.spec.nodeName).toBe("n1");
  });

  test("brings the node's zone to the pod, with the labels that the Binding carries", async () => {
    const labels = { "topology.kubernetes.io/zone": "z", "kubernetes.io/os": "linux" };
    await request("POST", "/api/v1/nodes", { metadata: { name: "zoned", labels } });
    for (const [name, path] of [
      ["zone", `${pods}/zone/binding`],
      ["zone-old", "/api/v1/namespaces/default/bindings"],
    ] as const) {
      await request("POST", pods, { metadata: { name, labels: { app: "a" } }, spec: { containers: [{ name: "c", image: "i" }] } });
      await request("POST", path, { metadata: { name, labels: { b: "c" } }, target: { ...target, name: "zoned" } });
      const { body } = await request("GET", `${pods}/${name}`);
      expect(body.metadata.labels).toEqual({ app: "a", b: "c", "topology.kubernetes.io/zone": "z" });
    }
  });
});

describe("eviction", () => {
  const evict = (name: string, path = ""): ReturnType<RunningServer["request"]> =>
    request("POST", `${pods}/${name}/eviction${path}`, { apiVersion: "policy/v1", kind: "Eviction", metadata: { name } });
  const status = (name: string, disruptionsAllowed: number): ReturnType<RunningServer["request"]> =>
    request(
      "PATCH",
      `${budgets}/${name}/status`,
      { status: { observedGeneration: 1, disruptionsAllowed, currentHealthy: 2, desiredHealthy: 2, expectedPods: 2 } },
      merge,
    );

  test("deletes gracefully where no budget speaks, and says why on the pod", async () => {
    await runningPod("free");
    expect((await evict("free")).body).toMatchObject({ kind: "Status", status: "Success" });
    const { body } = await request("GET", `${pods}/free`);
    expect(body.metadata.deletionTimestamp).toBeTruthy();
    expect(body.status.conditions).toContainEqual(expect.objectContaining({ type: "DisruptionTarget", reason: "EvictionByEvictionAPI" }));
  });

  test("waits for the budget, and takes from it", async () => {
    await request("POST", budgets, { metadata: { name: "b" }, spec: { minAvailable: 2, selector: { matchLabels: { app: "b" } } } });
    await runningPod("b1", { app: "b" });
    await runningPod("b2", { app: "b" });
    const early = await evict("b1");
    expect(early.body).toMatchObject({
      code: 429,
      reason: "TooManyRequests",
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
    });
    expect(early.body.details.causes).toEqual([
      { reason: "DisruptionBudget", message: "The disruption budget b is still being processed by the server." },
    ]);
    await status("b", 0);
    expect((await evict("b1")).body.details.causes).toEqual([
      { reason: "DisruptionBudget", message: "The disruption budget b needs 2 healthy pods and has 2 currently" },
    ]);
    await status("b", 1);
    expect((await evict("b1", "?dryRun=All")).code).toBe(201);
    expect((await request("GET", `${pods}/b1`)).body.metadata).not.toHaveProperty("deletionTimestamp");
    expect((await evict("b1")).code).toBe(201);
    const { body } = await request("GET", `${budgets}/b`);
    expect(body.status.disruptionsAllowed).toBe(0);
    expect(Object.keys(body.status.disruptedPods)).toEqual(["b1"]);
    expect((await evict("b2")).code).toBe(429);
  });

  test("a pod that is missing is not found", async () => {
    expect((await evict("none")).body.message).toBe('pods "none" not found');
  });
});

test("a pod's status does not move its spec, and keeps its labels' changes", async () => {
  await runningPod("status", { app: "s" });
  const { body } = await request("GET", `${pods}/status`);
  const sent = {
    ...body,
    metadata: { ...body.metadata, labels: { app: "t" } },
    spec: { ...body.spec, nodeName: "n9" },
    status: { ...body.status, phase: "Failed" },
  };
  const answer = await request("PUT", `${pods}/status/status`, sent);
  expect(answer.body.message).toBeUndefined();
  expect(answer.body).toMatchObject({
    metadata: { labels: { app: "t" } },
    spec: { nodeName: "n1" },
    status: { phase: "Failed" },
  });
});

test("ephemeral containers are added and never taken away", async () => {
  await runningPod("debug");
  const added = [{ name: "dbg", image: "busybox", targetContainerName: "c" }];
  const path = `${pods}/debug/ephemeralcontainers`;
  const strategic = { "content-type": "application/strategic-merge-patch+json" };
  const first = await request("PATCH", path, { spec: { ephemeralContainers: added } }, strategic);
  expect(first.body.spec.ephemeralContainers).toMatchObject([{ name: "dbg" }]);
  const gone = await request("PUT", path, { ...first.body, spec: { ...first.body.spec, ephemeralContainers: [] } });
  expect(gone.code).toBe(422);
  expect(gone.body.message).toContain('existing ephemeral containers "dbg" may not be removed');
});

test("resize changes resources, and not the quality of service", async () => {
  await request("POST", "/api/v1/nodes", { metadata: { name: "n1" } });
  await runningPod("resize");
  const path = `${pods}/resize/resize`;
  const { body } = await request("GET", path);
  body.spec.containers[0].resources = { requests: { cpu: "1" } };
  const qos = await request("PUT", path, body);
  expect(qos.code).toBe(422);
  expect(qos.body.message).toContain("Pod QOS Class may not change as a result of resizing");
  body.spec.containers[0].resources = { requests: { "ephemeral-storage": "1Gi" } };
  expect((await request("PUT", path, body)).body.message).toContain("spec: Forbidden: only cpu and memory resources are mutable");
});

test("resize reaches init containers and what is asked for as a whole, and takes nothing away", async () => {
  const sized = (cpu: string) => ({ requests: { cpu, memory: "1Mi" } });
  const spec = {
    resources: sized("1"),
    initContainers: [{ name: "i", image: "i", resources: sized("100m") }],
    containers: [{ name: "c", image: "i", resources: sized("100m") }],
  };
  await request("POST", pods, { metadata: { name: "whole" }, spec });
  const resize = async (change: (spec: typeof body.spec) => void) => {
    const changed = structuredClone(body);
    change(changed.spec);
    return request("PUT", `${pods}/whole/resize`, changed);
  };
  const { body } = await request("GET", `${pods}/whole/resize`);
  const grown = await resize((spec) => {
    spec.resources.requests.cpu = "2";
    spec.initContainers[0].resources.requests.cpu = "200m";
    spec.serviceAccountName = "ignored";
  });
  expect(grown.code).toBe(200);
  expect(grown.body.spec).toMatchObject({
    resources: sized("2"),
    initContainers: [{ resources: sized("200m") }],
    serviceAccountName: "default",
  });
  delete body.metadata.resourceVersion;
  const wrong: [(spec: typeof body.spec) => void, string][] = [
    [(spec) => delete spec.resources, "spec.resources: Forbidden: pod-level resources cannot be removed"],
    [(spec) => delete spec.resources.requests.cpu, "spec.resources.requests: Forbidden: pod-level resource requests cannot be removed"],
    [(spec) => (spec.resources.requests["hugepages-2Mi"] = "2Mi"), "only cpu and memory resources are mutable at pod-level"],
    [
      (spec) => delete spec.initContainers[0].resources.requests.cpu,
      "spec.initContainers[0].resources.requests: Forbidden: resource requests",
    ],
    [
      (spec) => (spec.initContainers[0].resources.requests["ephemeral-storage"] = "1"),
      "resources for init or sidecar containers are mutable",
    ],
    [
      (spec) => spec.containers.push({ ...spec.containers[0], name: "d" }),
      "spec.containers: Forbidden: containers may not be added or removed",
    ],
    [
      (spec) => (spec.initContainers[0].name = "j"),
      "spec.initContainers[0].name: Forbidden: initContainers may not be renamed or reordered on",
    ],
  ];
  for (const [change, message] of wrong) expect((await resize(change)).body.message).toContain(message);
});

describe("scale", () => {
  const deployments = "/apis/apps/v1/namespaces/default/deployments";
  test("is shown and changed", async () => {
    const template = { metadata: { labels: { app: "s", tier: "x" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    await request("POST", deployments, {
      metadata: { name: "s" },
      spec: { replicas: 2, selector: { matchLabels: { tier: "x", app: "s" } }, template },
    });
    const { body } = await request("GET", `${deployments}/s/scale`);
    expect(body).toMatchObject({
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      spec: { replicas: 2 },
      status: { replicas: 0, selector: "app=s,tier=x" },
    });
    expect((await request("PUT", `${deployments}/s/scale`, { ...body, spec: { replicas: 5 } })).body.spec.replicas).toBe(5);
    expect((await request("PUT", `${deployments}/s/scale`, { ...body, spec: { replicas: 6 } })).code).toBe(409);
    const negative = await request("PATCH", `${deployments}/s/scale`, { spec: { replicas: -1 } }, merge);
    expect(negative.body.message).toContain("spec.replicas: Invalid value: -1: must be greater than or equal to 0");
    expect((await request("GET", `${deployments}/s`)).body.spec.replicas).toBe(5);
  });

  test("a DaemonSet has none", async () => {
    expect((await request("PATCH", "/apis/apps/v1/namespaces/default/daemonsets/d/scale", {}, merge)).body).toMatchObject({
      code: 404,
      message: "the server could not find the requested resource",
    });
  });
});

test("service accounts get tokens that are believed", async () => {
  const path = "/api/v1/namespaces/default/serviceaccounts/default/token";
  const { code, body } = await request("POST", path, { spec: { expirationSeconds: 3600 } });
  expect(code).toBe(201);
  const review = await request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", { spec: { token: body.status.token } });
  expect(review.body.status).toMatchObject({ authenticated: true, user: { username: "system:serviceaccount:default:default" } });
  const me = await request(
    "POST",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    {},
    { authorization: `Bearer ${body.status.token}` },
  );
  expect(me.body.status?.userInfo?.username ?? me.body.message).toContain("system:serviceaccount:default:default");
});

test("access reviews say what is allowed", async () => {
  const attributes = { verb: "list", resource: "pods", namespace: "default" };
  const own = await request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", { spec: { resourceAttributes: attributes } });
  expect(own.body.status.allowed).toBe(true);
  const other = await request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
    spec: { user: "alice", resourceAttributes: attributes },
  });
  expect(other.body.status).toMatchObject({ allowed: false });
  const rules = await request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", { spec: { namespace: "default" } });
  expect(rules.body.status.incomplete).toBe(false);
  const table = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
  const refused = await request(
    "POST",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    { spec: { resourceAttributes: attributes } },
    table,
  );
  expect(refused.code).toBe(406);
});

test("approval decides about a certificate request, and its status about the rest", async () => {
  const requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  const pem = Buffer.from(createRequest({ commonName: "x", organizations: [], names: [] }).request).toString("base64");
  const spec = { request: pem, signerName: "example.com/signer", usages: ["digital signature"] };
  expect((await request("POST", requests, { metadata: { name: "c" }, spec })).code).toBe(201);
  const approved = { type: "Approved", status: "True", reason: "Test" };
  const more = { metadata: { annotations: { by: "me" } }, status: { conditions: [approved], certificate: "" } };
  const status = await request("PATCH", `${requests}/c/status`, more, merge);
  expect(status.body.metadata.annotations).toEqual({ by: "me" });
  expect(status.body.status).not.toHaveProperty("conditions");
  const approval = await request("PATCH", `${requests}/c/approval`, { ...more, metadata: { annotations: { and: "you" } } }, merge);
  expect(approval.body).toMatchObject({ metadata: { annotations: { by: "me", and: "you" } }, status: { conditions: [approved] } });
});
