import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { createServer, get, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { json } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/api/meta/object.ts";
import { issueLeaf, newKey } from "../../../src/pki/issue.ts";
import { type Answer, type RunningServer, startServer } from "./running-server.ts";

interface Host extends KubeObject {
  hostPort?: string;
  host?: string;
  port?: string;
}

let running: RunningServer;
let webhook: Server;
/** How many objects each call brought. */
let calls: number[] = [];
/** What a test changes in the webhook's answer. */
let spoil: (object: Host) => void = () => {};
let failure: string | undefined;

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const base = "/apis/conv.example.com";

interface AdmissionReview {
  request: { uid: string; resource: object; requestResource: object; object: Host | null; oldObject: Host | null };
}

/** What admission webhooks were sent, and what they answer to it. */
let reviews: AdmissionReview["request"][] = [];
let patch: object[] | undefined;

function admitted({ request, ...review }: AdmissionReview): object {
  reviews.push(request);
  const patched = patch && { patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(patch)).toString("base64") };
  return { ...review, response: { uid: request.uid, allowed: true, ...patched } };
}

/** v1 has hostPort, v2 has host and port. */
function convert(object: Host, apiVersion: string): Host {
  const { hostPort, host, port, ...rest } = object;
  const [name = "", number = ""] = (hostPort ?? `${host}:${port}`).split(":");
  const converted = {
    ...rest,
    apiVersion,
    ...(apiVersion.endsWith("/v1") ? { hostPort: `${name}:${number}` } : { host: name, port: number }),
  };
  spoil(converted);
  return converted;
}

beforeAll(async () => {
  running = await startServer();
  const key = newKey();
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
  const cert = issueLeaf(
    running.authority,
    createPublicKey(key),
    { commonName: "hook", names: ["127.0.0.1"], usages: ["server auth"] },
    validity,
  );
  webhook = createServer({ key, cert }, async (request, response) => {
    if (request.url?.startsWith("/admit")) return response.end(JSON.stringify(admitted((await json(request)) as AdmissionReview)));
    const review = (await json(request)) as { request: { uid: string; desiredAPIVersion: string; objects: Host[] } };
    const { uid, desiredAPIVersion, objects } = review.request;
    calls.push(objects.length);
    const result = failure === undefined ? { status: "Success" } : { status: "Failure", message: failure };
    const convertedObjects = objects.map((object) => convert(object, desiredAPIVersion));
    return response.end(
      JSON.stringify({ apiVersion: "apiextensions.k8s.io/v1", kind: "ConversionReview", response: { uid, result, convertedObjects } }),
    );
  });
  await new Promise<void>((resolve) => webhook.listen(0, "127.0.0.1", resolve));
  const made = await running.request("POST", definitions, definition("v1"));
  expect(made.code).toBe(201);
});
afterAll(async () => {
  await running.stop();
  webhook.closeAllConnections();
  webhook.close();
});
beforeEach(() => {
  calls = [];
  spoil = () => {};
  failure = undefined;
});

function definition(stored: string): object {
  const version = (name: string, fields: string[]): object => ({
    name,
    served: true,
    storage: name === stored,
    schema: { openAPIV3Schema: { type: "object", properties: Object.fromEntries(fields.map((field) => [field, { type: "string" }])) } },
    selectableFields: fields.map((field) => ({ jsonPath: `.${field}` })),
  });
  const clientConfig = clientConfigOf("convert");
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "hosts.conv.example.com" },
    spec: {
      group: "conv.example.com",
      scope: "Cluster",
      names: { plural: "hosts", kind: "Host" },
      versions: [version("v1", ["hostPort"]), version("v2", ["host", "port"])],
      conversion: { strategy: "Webhook", webhook: { clientConfig, conversionReviewVersions: ["v1"] } },
    },
  };
}

const clientConfigOf = (path: string): object => ({
  url: `https://127.0.0.1:${(webhook.address() as AddressInfo).port}/${path}`,
  caBundle: Buffer.from(running.authority.certificate).toString("base64"),
});

const host = (name: string, more: object): object => ({ apiVersion: "conv.example.com/v1", kind: "Host", metadata: { name }, ...more });
const create = (name: string): Promise<Answer> => running.request("POST", `${base}/v1/hosts`, host(name, { hostPort: `${name}:80` }));

test("objects are served in each version, and converted once for all who read them", async () => {
  expect((await create("one")).body).toMatchObject({ hostPort: "one:80" });
  expect(calls).toEqual([]);
  for (let i = 0; i < 2; i++)
    expect((await running.request("GET", `${base}/v2/hosts/one`)).body).toMatchObject({
      apiVersion: "conv.example.com/v2",
      host: "one",
      port: "80",
    });
  expect(calls).toEqual([1]);
});

test("writes in the other version are stored in the stored one", async () => {
  const patched = await running.request(
    "PATCH",
    `${base}/v2/hosts/one`,
    { port: "81" },
    { "content-type": "application/merge-patch+json" },
  );
  expect(patched.body).toMatchObject({ host: "one", port: "81" });
  expect((await running.request("GET", `${base}/v1/hosts/one`)).body).toMatchObject({ hostPort: "one:81" });
  expect(running.store.list({ resource: "conv.example.com/hosts" }).objects[0]?.object.apiVersion).toBe("conv.example.com/v1");
});

test("lists of objects stored in several versions ask once for all that differ, also by field", async () => {
  expect((await running.request("PUT", `${definitions}/hosts.conv.example.com`, await changed("v2"))).code).toBe(200);
  const two = host("two", { apiVersion: "conv.example.com/v2", host: "two", port: "80" });
  expect((await running.request("POST", `${base}/v2/hosts`, two)).code).toBe(201);
  await create("three");
  calls = [];
  const { body } = await running.request("GET", `${base}/v2/hosts`);
  expect(body.items.map((item: Host) => `${item.host}:${item.port}`)).toEqual(["one:81", "three:80", "two:80"]);
  expect(calls).toEqual([1]);
  const byField = await running.request("GET", `${base}/v1/hosts?fieldSelector=hostPort=two:80`);
  expect(byField.body.items).toMatchObject([{ metadata: { name: "two" }, hostPort: "two:80" }]);
});

async function changed(stored: string): Promise<object> {
  const { metadata } = (await running.request("GET", `${definitions}/hosts.conv.example.com`)).body;
  return { ...definition(stored), metadata };
}

test("watches get events in their version and in order, also by field", async () => {
  const events: string[] = [];
  const url = `${running.url}${base}/v1/hosts?watch=1&resourceVersion=${running.store.revision}&fieldSelector=hostPort=w:1`;
  const watch = get(url, { headers: { authorization: "Bearer admin" }, rejectUnauthorized: false }, (response) => {
    response.on("error", () => {}); // The end that the test makes.
    const lines = createInterface(response).on("error", () => {});
    lines.on("line", (line) => {
      const { type, object } = JSON.parse(line);
      events.push(`${type} ${object.hostPort}`);
    });
  });
  await once(watch, "response");
  const at = `${base}/v2/hosts`;
  const merge = { "content-type": "application/merge-patch+json" };
  await running.request("POST", at, host("w", { apiVersion: "conv.example.com/v2", host: "w", port: "1" }));
  await running.request("PATCH", `${at}/w`, { metadata: { labels: { a: "b" } } }, merge);
  await running.request("PATCH", `${at}/w`, { port: "2" }, merge);
  await expect.poll(() => events).toEqual(["ADDED w:1", "MODIFIED w:1", "DELETED w:1"]);
  watch.destroy();
});

test.each<[string, () => void, string]>([
  ["says no", () => (failure = "cannot"), "conversion webhook for conv.example.com/v2, Kind=Host failed: cannot"],
  [
    "changes the name",
    () => (spoil = (object) => (object.metadata = { ...object.metadata, name: "other" })),
    "conversion webhook for conv.example.com/v2, Kind=Host returned invalid converted object at index 0: must have the same name: two != other",
  ],
])("a webhook that %s fails the request", async (_, prepare, message) => {
  await running.request(
    "PATCH",
    `${base}/v2/hosts/two`,
    { metadata: { labels: { at: message.slice(-3) } } },
    { "content-type": "application/merge-patch+json" },
  );
  prepare();
  const answer = await running.request("GET", `${base}/v1/hosts/two`);
  expect(answer).toMatchObject({ code: 500, body: { message } });
});

test("of the metadata only labels and annotations can be converted", async () => {
  spoil = (object) => (object.metadata = { ...object.metadata, labels: { by: "webhook" }, finalizers: ["no/way"] });
  await create("four");
  const { body } = await running.request("GET", `${base}/v1/hosts/four`);
  expect(body.metadata).toMatchObject({ labels: { by: "webhook" } });
  expect(body.metadata).not.toHaveProperty("finalizers");
});

describe("admission that names v1 of a resource", () => {
  const registration = "/apis/admissionregistration.k8s.io/v1";
  const rules = [{ operations: ["*"], apiGroups: ["conv.example.com"], apiVersions: ["v1"], resources: ["hosts"] }];
  const v2 = { apiVersion: "conv.example.com/v2", host: "five", port: "80" };
  const merge = { "content-type": "application/merge-patch+json" };

  async function register(plural: string, object: object): Promise<void> {
    expect(await running.request("POST", `${registration}/${plural}`, { metadata: { name: "v1" }, ...object })).toMatchObject({
      code: 201,
    });
  }
  async function registerWebhook(kind: "mutating" | "validating"): Promise<void> {
    const more = { rules, sideEffects: "None", admissionReviewVersions: ["v1"], clientConfig: clientConfigOf("admit") };
    await register(`${kind}webhookconfigurations`, { webhooks: [{ name: "a.example.com", ...more }] });
  }
  async function registerPolicy(kind: "mutating" | "validating", spec: object): Promise<void> {
    await register(`${kind}admissionpolicies`, { spec: { matchConstraints: { resourceRules: rules }, ...spec } });
    const actions = kind === "validating" ? { validationActions: ["Deny"] } : {};
    await register(`${kind}admissionpolicybindings`, { spec: { policyName: "v1", ...actions } });
  }
  afterEach(async () => {
    reviews = [];
    patch = undefined;
    for (const kind of ["mutating", "validating"])
      for (const plural of ["webhookconfigurations", "admissionpolicies", "admissionpolicybindings"])
        await running.request("DELETE", `${registration}/${kind}${plural}`);
    failure = undefined;
    await running.request("DELETE", `${base}/v2/hosts/five`);
  });

  test("a validating webhook is shown v1 of what is written as v2", async () => {
    await registerWebhook("validating");
    await running.request("POST", `${base}/v2/hosts`, host("five", v2));
    await running.request("PATCH", `${base}/v2/hosts/five`, { port: "81" }, merge);
    const resource = { resource: { version: "v1" }, requestResource: { version: "v2" } };
    expect(reviews).toMatchObject([
      { ...resource, object: { apiVersion: "conv.example.com/v1", hostPort: "five:80" }, oldObject: null },
      { ...resource, object: { hostPort: "five:81" }, oldObject: { hostPort: "five:80" } },
    ]);
  });

  test("a mutating webhook's change is converted back", async () => {
    await registerWebhook("mutating");
    patch = [{ op: "replace", path: "/hostPort", value: "elsewhere:90" }];
    const { code, body } = await running.request("POST", `${base}/v2/hosts`, host("five", v2));
    expect({ code, body }).toMatchObject({ code: 201, body: { apiVersion: "conv.example.com/v2", host: "elsewhere", port: "90" } });
    expect(body).not.toHaveProperty("hostPort");
  });

  test("a request fails whose object cannot be converted", async () => {
    await registerWebhook("validating");
    failure = "cannot";
    const message = "Internal error occurred: conversion webhook for conv.example.com/v2, Kind=Host failed: cannot";
    expect(await running.request("POST", `${base}/v2/hosts`, host("five", v2))).toMatchObject({ code: 500, body: { message } });
  });

  test("a validating policy sees v1", async () => {
    await registerPolicy("validating", { validations: [{ expression: "object.hostPort != 'five:80'", message: "no" }] });
    const { body } = await running.request("POST", `${base}/v2/hosts`, host("five", v2));
    expect(body.message).toMatch(/^hosts.* is forbidden: ValidatingAdmissionPolicy 'v1' with binding 'v1' denied request: no$/);
    expect((await running.request("POST", `${base}/v2/hosts`, host("five", { ...v2, port: "81" }))).code).toBe(201);
  });

  test.each([
    ["Fail", 422],
    ["Ignore", 201],
  ])("an object that cannot be converted is a policy's failure: %s", async (failurePolicy, code) => {
    await registerPolicy("validating", { failurePolicy, validations: [{ expression: "true" }] });
    failure = "cannot";
    const answer = await running.request("POST", `${base}/v2/hosts`, host("five", v2));
    expect(answer.code).toBe(code);
    if (code === 422)
      expect(answer.body.message).toMatch(/denied request: failed to convert object version: conversion webhook .* cannot$/);
  });

  test("a mutating policy's change is converted back", async () => {
    const expression = "Object{hostPort: object.hostPort + '0'}";
    await registerPolicy("mutating", {
      reinvocationPolicy: "Never",
      mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression } }],
    });
    const { body } = await running.request("POST", `${base}/v2/hosts`, host("five", v2));
    expect(body).toMatchObject({ apiVersion: "conv.example.com/v2", host: "five", port: "800" });
  });
});

test("a definition goes with its objects, though nobody converts them any more", async () => {
  failure = "gone";
  await running.request("PUT", `${definitions}/hosts.conv.example.com`, await changed("v2"));
  failure = undefined;
  await running.request("DELETE", `${definitions}/hosts.conv.example.com`);
  await expect.poll(async () => (await running.request("GET", `${definitions}/hosts.conv.example.com`)).code).toBe(404);
});
