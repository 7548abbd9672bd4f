import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MutatingWebhook, ValidatingWebhook } from "../../../../../src/api/types/admissionregistration.v1.ts";
import { MutatingWebhookConfigurations, ValidatingWebhookConfigurations } from "../../../../../src/api/types/resources.ts";
import { makeDefaultAccount, type RunningServer, startServer } from "../../running-server.ts";
import { startWebhookServer, type WebhookServer } from "./webhook-server.ts";

let api: RunningServer;
let hook: WebhookServer;

beforeAll(async () => {
  [api, hook] = await Promise.all([startServer(), startWebhookServer()]);
  await hook.publish(api.client);
});

afterAll(async () => {
  await api.stop();
  await hook.stop();
});

beforeEach(() => {
  hook.reviews = [];
  hook.answer = () => ({ allowed: true });
});

afterEach(async () => {
  await api.client.deleteCollection(ValidatingWebhookConfigurations, {});
  await api.client.deleteCollection(MutatingWebhookConfigurations, {});
  await api.request("DELETE", `${maps}`);
});

const maps = "/api/v1/namespaces/default/configmaps";
const rule = { operations: ["*"], apiGroups: [""], apiVersions: ["v1"], resources: ["configmaps"] };
const config = (name: string, data: Record<string, string> = {}, metadata: object = {}) => ({ metadata: { name, ...metadata }, data });

function webhook(more: Partial<MutatingWebhook> = {}): MutatingWebhook & ValidatingWebhook {
  return {
    name: "check.example.com",
    clientConfig: { service: { name: "hook", namespace: "default", path: "/check" }, caBundle: hook.caBundle },
    rules: [rule],
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
    ...more,
  };
}

const validating = (...webhooks: ValidatingWebhook[]) =>
  api.client.create(ValidatingWebhookConfigurations, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: "validating" },
    webhooks,
  });

const mutating = (...webhooks: MutatingWebhook[]) =>
  api.client.create(MutatingWebhookConfigurations, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name: "mutating" },
    webhooks,
  });

describe("validating webhooks", () => {
  test("are asked through their Service about each operation", async () => {
    await validating(webhook());
    await api.request("POST", maps, config("a", { x: "1" }));
    await api.request("PATCH", `${maps}/a`, { data: { x: "2" } }, { "content-type": "application/merge-patch+json" });
    await api.request("DELETE", `${maps}/a`);
    expect(hook.reviews.map(({ request }) => request.operation)).toEqual(["CREATE", "UPDATE", "DELETE"]);
    const [create, update, remove] = hook.reviews.map(({ request }) => request);
    expect(hook.reviews[0]?.path).toBe("/check?timeout=10s");
    expect(create).toMatchObject({
      kind: { group: "", version: "v1", kind: "ConfigMap" },
      resource: { group: "", version: "v1", resource: "configmaps" },
      name: "a",
      namespace: "default",
      userInfo: { username: "admin" },
      object: { kind: "ConfigMap", data: { x: "1" } },
      oldObject: null,
      dryRun: false,
      options: { kind: "CreateOptions" },
    });
    expect(update).toMatchObject({ object: { data: { x: "2" } }, oldObject: { data: { x: "1" } } });
    expect(remove).toMatchObject({ object: null, oldObject: { data: { x: "2" } } });
  });

  test("keep their connection", async () => {
    await validating(webhook());
    await api.request("POST", maps, config("a"));
    const before = hook.connections();
    for (const name of ["b", "c", "d"]) await api.request("POST", maps, config(name));
    expect(hook.connections()).toBe(before);
  });

  test.each([
    [{ message: "no such data" }, 400, 'admission webhook "check.example.com" denied the request: no such data'],
    [{ reason: "Forbidden", code: 403 }, 403, 'admission webhook "check.example.com" denied the request: Forbidden'],
    [undefined, 400, 'admission webhook "check.example.com" denied the request without explanation'],
  ])("refuse with the status %j", async (status, code, message) => {
    await validating(webhook());
    hook.answer = () => ({ allowed: false, ...(status ? { status } : {}) });
    expect(await api.request("POST", maps, config("a"))).toMatchObject({ code, body: { kind: "Status", status: "Failure", message } });
  });

  test("can warn", async () => {
    await validating(webhook());
    hook.answer = () => ({ allowed: true, warnings: ["mind the gap"] });
    expect((await api.request("POST", maps, config("a"))).headers.get("warning")).toBe('299 - "mind the gap"');
  });

  test("refuse each object of a collection that is deleted", async () => {
    await api.request("POST", maps, config("a", {}, { labels: { set: "x" } }));
    await validating(webhook());
    hook.answer = () => ({ allowed: false });
    expect(await api.request("DELETE", `${maps}?labelSelector=set=x`)).toMatchObject({ code: 400 });
    await api.client.deleteCollection(ValidatingWebhookConfigurations, {});
    expect(await api.request("GET", `${maps}/a`)).toMatchObject({ code: 200 });
  });

  test("do not see webhook configurations", async () => {
    await validating(webhook({ rules: [{ operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*/*"] }] }));
    hook.answer = () => ({ allowed: false });
    expect(await api.request("POST", maps, config("a"))).toMatchObject({ code: 400 });
    const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/validating";
    expect(await api.request("DELETE", path)).toMatchObject({ code: 200 });
  });
});

describe("which requests a webhook sees", () => {
  const seen = async (spec: Partial<ValidatingWebhook>, metadata: object = {}) => {
    await validating(webhook(spec));
    const { code } = await api.request("POST", maps, config("a", {}, metadata));
    return code === 201 && hook.reviews.length > 0;
  };
  const labels = { app: "web" };

  test.each<[string, Partial<ValidatingWebhook>, object, boolean]>([
    ["another operation", { rules: [{ ...rule, operations: ["DELETE"] }] }, {}, false],
    ["another resource", { rules: [{ ...rule, resources: ["secrets", "configmaps/status"] }] }, {}, false],
    ["all resources", { rules: [{ ...rule, resources: ["*"] }] }, {}, true],
    ["cluster scope", { rules: [{ ...rule, resources: ["*"], scope: "Cluster" }] }, {}, false],
    ["an object selector that fits", { objectSelector: { matchLabels: labels } }, { labels }, true],
    ["an object selector that does not", { objectSelector: { matchLabels: labels } }, {}, false],
    ["a namespace selector that fits", { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "default" } } }, {}, true],
    ["a namespace selector that does not", { namespaceSelector: { matchLabels: { team: "x" } } }, {}, false],
    ["a condition that holds", { matchConditions: [{ name: "n", expression: "object.metadata.name == 'a'" }] }, {}, true],
    ["a condition that does not", { matchConditions: [{ name: "n", expression: "request.operation != 'CREATE'" }] }, {}, false],
    [
      "a condition on the user's rights",
      {
        matchConditions: [
          { name: "n", expression: "authorizer.group('').resource('pods').namespace('default').check('create').allowed()" },
        ],
      },
      {},
      true,
    ],
    [
      "a false condition beside a broken one",
      {
        matchConditions: [
          { name: "b", expression: "object.nope == true" },
          { name: "n", expression: "false" },
        ],
      },
      {},
      false,
    ],
  ])("%s", async (_, spec, metadata, expected) => {
    expect(await seen(spec, metadata)).toBe(expected);
  });

  test("a condition that cannot be evaluated refuses, or is passed by where failures are ignored", async () => {
    const matchConditions = [{ name: "broken", expression: "object.spec.nope == 1" }];
    await validating(webhook({ matchConditions }));
    const refused = await api.request("POST", maps, config("a"));
    expect(refused).toMatchObject({
      code: 403,
      body: { message: expect.stringContaining("expression 'object.spec.nope == 1' resulted in error: no such key: spec") },
    });
    await api.client.deleteCollection(ValidatingWebhookConfigurations, {});
    await validating(webhook({ matchConditions, failurePolicy: "Ignore" }));
    expect(await api.request("POST", maps, config("a"))).toMatchObject({ code: 201 });
    expect(hook.reviews).toEqual([]);
  });

  test("conditions that do not compile are refused with the configuration", async () => {
    const matchConditions = [{ name: "bad", expression: "... [] bad expression" }];
    await expect(validating(webhook({ matchConditions }))).rejects.toThrow(
      /webhooks\[0\].matchConditions\[0\].expression: Invalid value: .*: compilation failed: ERROR: <input>:1:1: Syntax error/,
    );
    const unknown = [{ name: "bad", expression: "foo == 1" }];
    await expect(validating(webhook({ matchConditions: unknown }))).rejects.toThrow("compilation failed");
  });

  test("a rule for another version of the resource shows that version, unless only exact matches count", async () => {
    const rules = [{ operations: ["CREATE"], apiGroups: ["autoscaling"], apiVersions: ["v1"], resources: ["horizontalpodautoscalers"] }];
    const path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    const metric = { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } };
    const spec = { scaleTargetRef: { kind: "Deployment", name: "d", apiVersion: "apps/v1" }, maxReplicas: 3, metrics: [metric] };
    await mutating(webhook({ rules }));
    hook.answer = () => ({ allowed: true, patch: [{ op: "replace", path: "/spec/targetCPUUtilizationPercentage", value: 70 }] });
    const made = await api.request("POST", path, { metadata: { name: "a" }, spec });
    expect(hook.reviews[0]?.request).toMatchObject({
      kind: { group: "autoscaling", version: "v1" },
      requestKind: { version: "v2" },
      object: { apiVersion: "autoscaling/v1", spec: { targetCPUUtilizationPercentage: 50 } },
    });
    expect(made.body).toMatchObject({
      apiVersion: "autoscaling/v2",
      spec: { metrics: [{ resource: { target: { averageUtilization: 70 } } }] },
    });
    await api.client.deleteCollection(MutatingWebhookConfigurations, {});
    await mutating(webhook({ rules, matchPolicy: "Exact" }));
    expect(
      (await api.request("POST", path, { metadata: { name: "b" }, spec })).body.spec.metrics[0].resource.target.averageUtilization,
    ).toBe(50);
  });
});

describe("a webhook that cannot be called", () => {
  test.each<[string, Partial<ValidatingWebhook>, RegExp]>([
    [
      "no Service",
      { clientConfig: { service: { name: "none", namespace: "default", path: "/p" } } },
      /^Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: Post "https:\/\/none\.default\.svc:443\/p\?timeout=10s": service "none" not found$/,
    ],
    [
      "another port",
      { clientConfig: { service: { name: "hook", namespace: "default", port: 8443 } } },
      /no service port 8443 found for service "hook"/,
    ],
    ["nobody listens", { clientConfig: { url: "https://127.0.0.1:1/" } }, /dial tcp 127.0.0.1:1: connect: connection refused/],
    [
      "an authority that nobody trusts",
      { clientConfig: { service: { name: "hook", namespace: "default" } } },
      /tls: failed to verify certificate: x509: certificate signed by unknown authority/,
    ],
  ])("refuses: %s", async (_, spec, message) => {
    await validating(webhook(spec));
    const answer = await api.request("POST", maps, config("a"));
    expect(answer).toMatchObject({ code: 500, body: { reason: "InternalError", message: expect.stringMatching(message) } });
  });

  test("refuses after its timeout", async () => {
    await validating(webhook({ timeoutSeconds: 1 }));
    hook.answer = () => ({ allowed: true, delay: 3000 });
    expect((await api.request("POST", maps, config("a"))).body.message).toBe(
      'Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: ' +
        'Post "https://hook.default.svc:443/check?timeout=1s": context deadline exceeded',
    );
  });

  test("lets requests pass where failures are ignored", async () => {
    await validating(webhook({ clientConfig: { url: "https://127.0.0.1:1/" }, failurePolicy: "Ignore" }));
    expect(await api.request("POST", maps, config("a"))).toMatchObject({ code: 201 });
  });
});

describe("mutating webhooks", () => {
  test("change the object, one after the other, before it is defaulted and validated", async () => {
    await mutating(webhook({ name: "one.example.com" }), webhook({ name: "two.example.com" }));
    hook.answer = ({ request }) => ({
      allowed: true,
      patch: [{ op: "add", path: `/data/${"one" in request.object.data ? "two" : "one"}`, value: "yes" }],
    });
    const made = await api.request("POST", maps, config("a", { x: "1" }));
    expect(made.body.data).toEqual({ x: "1", one: "yes", two: "yes" });
    expect(hook.reviews).toHaveLength(2);
  });

  test("add containers that get defaults", async () => {
    await mutating(webhook({ rules: [{ ...rule, resources: ["pods"] }] }));
    hook.answer = () => ({
      allowed: true,
      patch: [{ op: "add", path: "/spec/initContainers", value: [{ name: "init", image: "i", odd: 1 }] }],
    });
    const spec = { containers: [{ name: "a", image: "b" }] };
    await makeDefaultAccount(api);
    const pod = await api.request("POST", "/api/v1/namespaces/default/pods", { metadata: { name: "p" }, spec });
    expect(pod).toMatchObject({ code: 201, body: { spec: { initContainers: [{ name: "init", terminationMessagePolicy: "File" }] } } });
    expect(pod.body.spec.initContainers[0]).not.toHaveProperty("odd");
  });

  test("cannot make what is invalid", async () => {
    await mutating(webhook());
    hook.answer = () => ({ allowed: true, patch: [{ op: "add", path: "/data", value: { "not a key!": "x" } }] });
    expect(await api.request("POST", maps, config("a"))).toMatchObject({ code: 422 });
  });

  test("with a patch that does not fit are an internal error", async () => {
    await mutating(webhook());
    hook.answer = () => ({ allowed: true, patch: [{ op: "remove", path: "/nope/nope" }] });
    expect(await api.request("POST", maps, config("a"))).toMatchObject({ code: 500, body: { reason: "InternalError" } });
  });

  test("are called again after others changed the object, when they want to be", async () => {
    await mutating(webhook({ name: "first.example.com", reinvocationPolicy: "IfNeeded" }), webhook({ name: "second.example.com" }));
    let calls = 0;
    hook.answer = () => (++calls === 2 ? { allowed: true, patch: [{ op: "add", path: "/data/second", value: "yes" }] } : { allowed: true });
    await api.request("POST", maps, config("a", { x: "1" }));
    expect(hook.reviews).toHaveLength(3);
    expect(hook.reviews[2]?.request.object.data).toEqual({ x: "1", second: "yes" });
  });

  test("are told of dry runs", async () => {
    await mutating(webhook());
    await api.request("POST", `${maps}?dryRun=All`, config("a"));
    expect(hook.reviews[0]?.request.dryRun).toBe(true);
  });
});
