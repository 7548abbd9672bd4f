import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import {
  Namespaces,
  ValidatingAdmissionPolicies,
  ValidatingAdmissionPolicyBindings,
  ValidatingWebhookConfigurations,
} from "../../../../src/api/types/resources.ts";
import type { AuditEvent } from "../../../../src/apiserver/audit/event.ts";
import { auditedListener } from "../../../../src/apiserver/audit/listener.ts";
import { readPolicy } from "../../../../src/apiserver/audit/policy.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { type RunningServer, startServer } from "../running-server.ts";

const policy = readPolicy(`
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
  - {level: None, nonResourceURLs: ["/healthz*"]}
  - {level: Metadata, resources: [{resources: [secrets]}]}
  - {level: RequestResponse, resources: [{resources: [configmaps]}], omitStages: [RequestReceived]}
  - {level: Request, resources: [{resources: [pods]}]}
  - {level: Metadata}
`);

const events: AuditEvent[] = [];
let server: RunningServer;

beforeAll(async () => {
  const sink = { write: (event: AuditEvent) => void events.push(event), close: () => {} };
  server = await startServer({
    makeListener: (parts) =>
      auditedListener(
        { ...parts, other: (asked) => (asked.path.path === "/broken" ? fail() : parts.other(asked)) },
        { policy, sink, clock: systemClock },
      ),
  });
});
afterAll(() => server.stop());
beforeEach(() => void events.splice(0));

function fail(): never {
  throw new Error("something unexpected");
}

/** The events so far, once the last stage of a request has come. */
async function told(stage = "ResponseComplete"): Promise<AuditEvent[]> {
  await vi.waitFor(() => expect(events.map((event) => event.stage)).toContain(stage));
  return events;
}

const configMap = (name: string, data: object = { a: "1" }): object => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data });
const configMaps = "/api/v1/namespaces/default/configmaps";

test("at level RequestResponse both bodies are shown as they were, without managedFields", async () => {
  const sent = configMap("one");
  const { body, headers } = await server.request("POST", configMaps, sent, { "user-agent": "test/1" });
  const [event, ...others] = await told();
  expect(others).toEqual([]);
  const { managedFields: _, ...metadata } = body.metadata;
  expect(event).toMatchObject({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "RequestResponse",
    auditID: headers.get("audit-id"),
    stage: "ResponseComplete",
    requestURI: configMaps,
    verb: "create",
    user: { username: "admin", groups: ["system:masters", "system:authenticated"] },
    sourceIPs: ["127.0.0.1"],
    userAgent: "test/1",
    objectRef: { resource: "configmaps", namespace: "default", name: "one", apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 201 },
    requestObject: sent,
    annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "" },
  });
  expect(event?.responseObject).toEqual({ ...body, metadata });
  expect(event?.requestReceivedTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  expect(event?.impersonatedUser).toBeUndefined();
});

test("at level Metadata no body is shown, not of Secrets", async () => {
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { password: "hunter2" } };
  await server.request("POST", "/api/v1/namespaces/default/secrets", secret);
  const all = await told();
  expect(all.map(({ stage }) => stage)).toEqual(["RequestReceived", "ResponseComplete"]);
  expect(all[1]).toMatchObject({ level: "Metadata", objectRef: { name: "s" }, responseStatus: { code: 201 } });
  expect(JSON.stringify(all)).not.toMatch(/hunter2|aHVudGVyMg/);
  expect(all[0]?.stageTimestamp).toBe(all[0]?.requestReceivedTimestamp);
  expect(all[0]?.annotations).toBeUndefined();
});

test("a refusal shows its Status, and who was refused why", async () => {
  await server.request("GET", "/api/v1/namespaces/default/secrets/s", undefined, { authorization: "Bearer alice" });
  const message = 'secrets "s" is forbidden: User "alice" cannot get resource "secrets" in API group "" in the namespace "default"';
  expect((await told()).at(-1)).toMatchObject({
    user: { username: "alice" },
    objectRef: { resource: "secrets", name: "s" },
    responseStatus: { status: "Failure", reason: "Forbidden", code: 403, message },
    annotations: { "authorization.k8s.io/decision": "forbid" },
  });
});

test("who cannot be authenticated is told of once, with what was tried", async () => {
  await server.request("GET", "/api/v1/pods", undefined, { authorization: "Bearer wrong" });
  const [event, ...others] = await told("ResponseStarted");
  expect(event).toMatchObject({
    stage: "ResponseStarted",
    user: {},
    verb: "list",
    responseStatus: { code: 401, message: "Authentication failed, attempted: bearer" },
  });
  expect(others).toEqual([]);
});

test("a request in another's name shows both", async () => {
  const as = { "impersonate-user": "bob", "impersonate-group": "devs" };
  await server.request("GET", `${configMaps}/one`, undefined, as);
  expect((await told()).at(-1)).toMatchObject({
    user: { username: "admin" },
    impersonatedUser: { username: "bob", groups: ["devs", "system:authenticated"] },
    annotations: { "authorization.k8s.io/decision": "forbid" },
  });
});

test("patches are shown as they were sent, lists as they are answered, deletes with their options", async () => {
  await server.request("PATCH", `${configMaps}/one`, { data: { b: "2" } }, { "content-type": "application/merge-patch+json" });
  expect((await told())[0]).toMatchObject({
    verb: "patch",
    requestObject: { data: { b: "2" } },
    responseObject: { data: { a: "1", b: "2" } },
  });
  events.splice(0);
  await server.request("GET", configMaps);
  expect((await told())[0]).toMatchObject({
    verb: "list",
    responseObject: { kind: "ConfigMapList", items: [{ metadata: { name: "one" } }] },
  });
  expect(events[0]).not.toHaveProperty("responseObject.items[0].metadata.managedFields");
  events.splice(0);
  await server.request("DELETE", `${configMaps}/one`, { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0 });
  expect((await told())[0]).toMatchObject({
    verb: "delete",
    requestObject: { gracePeriodSeconds: 0 },
    responseStatus: { status: "Success", code: 200, details: { kind: "configmaps", name: "one" } },
  });
});

test("a Status is shown at every level", async () => {
  await server.request("DELETE", "/api/v1/namespaces/default/secrets/s");
  expect((await told()).at(-1)).toMatchObject({
    level: "Metadata",
    verb: "delete",
    responseStatus: { metadata: {}, status: "Success", code: 200, details: { kind: "secrets", name: "s" } },
  });
});

test("a watch is told of when it begins and when it ends", async () => {
  const request = httpsRequest(`${server.url}/api/v1/namespaces/default/secrets?watch=true`, {
    headers: { authorization: "Bearer admin" },
    rejectUnauthorized: false,
  }).end();
  await once(request, "response");
  await told("ResponseStarted");
  expect(events.map(({ stage }) => stage)).toEqual(["RequestReceived", "ResponseStarted"]);
  request.destroy();
  expect((await told()).map(({ verb, responseStatus }) => [verb, responseStatus?.code])).toEqual([
    ["watch", undefined],
    ["watch", 200],
    ["watch", 200],
  ]);
});

test("an upgrade is told of by the first line of its answer", async () => {
  const request = httpsRequest(`${server.url}/api/v1/namespaces/default/services/s/exec`, {
    headers: { authorization: "Bearer admin", connection: "Upgrade", upgrade: "websocket" },
    rejectUnauthorized: false,
  }).end();
  const [response] = await once(request, "response");
  response.resume();
  expect((await told()).map(({ stage, responseStatus }) => [stage, responseStatus?.code])).toEqual([
    ["RequestReceived", undefined],
    ["ResponseStarted", 400],
    ["ResponseComplete", 400],
  ]);
  expect(events.at(-1)?.responseStatus).toMatchObject({
    reason: "BadRequest",
    message: expect.stringContaining("upgrade request required"),
  });
});

test("what the policy does not want costs no event", async () => {
  await server.request("GET", "/healthz");
  await server.request("GET", "/version");
  expect((await told()).map(({ requestURI }) => requestURI)).toEqual(["/version", "/version"]);
  expect(events[0]?.objectRef).toBeUndefined();
});

test("what fails unexpectedly is a panic", async () => {
  await server.request("GET", "/broken");
  expect((await told("Panic")).at(-1)).toMatchObject({
    responseStatus: { code: 500, reason: "InternalError", message: "APIServer panic'd: something unexpected" },
  });
  expect(events.map(({ stage }) => stage)).toEqual(["RequestReceived", "Panic"]);
});

test("proxies' addresses come before the connection's", async () => {
  await server.request("GET", "/version", undefined, { "x-forwarded-for": "10.0.0.1, nonsense, 10.0.0.2", "x-real-ip": "10.0.0.3" });
  expect((await told())[0]?.sourceIPs).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3", "127.0.0.1"]);
});

test("admission adds what it has found", async () => {
  const labels = { "pod-security.kubernetes.io/audit": "restricted", "pod-security.kubernetes.io/enforce": "baseline" };
  await server.client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "secured", labels }, spec: {} });
  await server.client.create(ValidatingAdmissionPolicies, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: "names" },
    spec: {
      matchConstraints: { resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }] },
      validations: [{ expression: "false", message: "never" }],
      auditAnnotations: [{ key: "image", valueExpression: "string(object.spec.containers[0].image)" }],
    },
  });
  await server.client.create(ValidatingAdmissionPolicyBindings, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: "names" },
    spec: { policyName: "names", validationActions: ["Audit"] },
  });
  await server.client.create(ValidatingWebhookConfigurations, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: "absent" },
    webhooks: [
      {
        name: "absent.example.com",
        clientConfig: { url: "https://127.0.0.1:1/" },
        rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
        failurePolicy: "Ignore",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
      },
    ],
  });
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "busybox" }] } };
  await server.request("POST", "/api/v1/namespaces/secured/serviceaccounts", {
    ...{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } },
  });
  await told();
  events.splice(0);
  const { code } = await server.request("POST", "/api/v1/namespaces/secured/pods", pod);
  expect(code).toBe(201);
  const last = (await told()).at(-1);
  expect(last?.responseObject).toBeUndefined();
  expect(last?.requestObject).toMatchObject({ kind: "Pod", spec: { containers: [{ image: "busybox" }] } });
  expect(last?.annotations).toMatchObject({
    "pod-security.kubernetes.io/enforce-policy": "baseline:latest",
    "pod-security.kubernetes.io/audit-violations": expect.stringMatching(
      /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation/,
    ),
    "names/image": "busybox",
    "validation.policy.admission.k8s.io/validation_failure": expect.stringContaining('"message":"never"'),
    "failed-open.validating.webhook.admission.k8s.io/round_0_index_0": "absent.example.com",
  });
  events.splice(0);
  await server.request("GET", "/api/v1/namespaces/default/endpoints");
  expect((await told()).at(-1)?.annotations).toMatchObject({ "k8s.io/deprecated": "true" });
});
