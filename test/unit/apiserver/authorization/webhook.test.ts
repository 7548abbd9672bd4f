import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RequestAttributes, UserInfo } from "../../../../src/api/user.ts";
import { authorizationConfiguration } from "../../../../src/apiserver/authorization/configuration.ts";
import type { Authorizer, Decision } from "../../../../src/apiserver/authorization/index.ts";
import { webhookAuthorizer, type WebhookAuthorizerOptions } from "../../../../src/apiserver/authorization/webhook.ts";
import { type RemoteService, remoteService } from "../../../../src/apiserver/backends/remote-service.ts";
import { tokenWebhook } from "../../../../src/apiserver/authentication/token-webhook.ts";
import { type Clock, FakeClock, systemClock } from "../../../../src/lib/clock.ts";
import { silentLogger } from "../../../../src/lib/log.ts";
import { type SecureServer, startSecureServer } from "../../../support/secure-server.ts";

const folder = mkdtempSync(join(tmpdir(), "hue-test-"));
let server: SecureServer;
let service: RemoteService;
const clock = new FakeClock();

beforeAll(async () => {
  server = await startSecureServer(() => ({}));
  // What the webhook says, and how long it is kept, goes by the test's clock; the pauses between tries by the machine's.
  service = await remoteService(server.writeKubeconfig(join(folder, "kubeconfig"), "secret"), {
    clock: systemClock,
    pause: 5,
    timeout: 5000,
  });
});
afterAll(async () => {
  service.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  server.asked.length = 0;
  server.answer = () => ({ body: { status: { allowed: true, reason: "yes" } } });
  clock.advance(3_600_000);
});

const joe: UserInfo = { name: "joe", uid: "7", groups: ["dev"], extra: { "x.org/a": ["b"] } };
const attributes = (more: Partial<RequestAttributes> = {}): RequestAttributes => ({
  ...{ user: joe, verb: "get", isResource: true, path: "", group: "", version: "v1" },
  ...{ resource: "pods", subresource: "", namespace: "ns", name: "p", ...more },
});
const webhook = (more: Partial<WebhookAuthorizerOptions> = {}): Authorizer =>
  webhookAuthorizer({
    ...{ name: "w", service, clock, log: silentLogger, version: "v1", authorizedTTL: 300_000, unauthorizedTTL: 30_000 },
    ...{ onError: "no-opinion", matchConditions: [], ...more },
  });

describe("an authorization webhook", () => {
  test("is asked with the request as a SubjectAccessReview", async () => {
    expect(await webhook().authorize(attributes())).toEqual({ verdict: "allow", reason: "yes" });
    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]?.headers.authorization).toBe("Bearer secret");
    expect(server.asked[0]).toMatchObject({
      path: "/review",
      body: {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: {
          ...{ user: "joe", uid: "7", groups: ["dev"], extra: { "x.org/a": ["b"] } },
          resourceAttributes: { namespace: "ns", verb: "get", version: "v1", resource: "pods", name: "p" },
        },
      },
    });
  });

  test("sees paths, selectors, and groups as group in v1beta1", async () => {
    await webhook().authorize(attributes({ isResource: false, path: "/metrics" }));
    const list = attributes({
      verb: "list",
      name: "",
      fieldSelector: "spec.nodeName=n,status.phase!=Failed",
      labelSelector: "a in (b,c),!d",
    });
    await webhook({ version: "v1beta1" }).authorize(list);
    expect(server.asked.map(({ body }) => body.spec.nonResourceAttributes ?? body.spec.resourceAttributes)).toMatchObject([
      { path: "/metrics", verb: "get" },
      {
        fieldSelector: {
          requirements: [
            { key: "spec.nodeName", operator: "In", values: ["n"] },
            { key: "status.phase", operator: "NotIn", values: ["Failed"] },
          ],
        },
        labelSelector: {
          requirements: [
            { key: "a", operator: "In", values: ["b", "c"] },
            { key: "d", operator: "DoesNotExist" },
          ],
        },
      },
    ]);
    expect(server.asked[1]?.body.spec).toMatchObject({ group: ["dev"] });
  });

  test.each<[object, Decision["verdict"]]>([
    [{ allowed: true }, "allow"],
    [{ allowed: false }, "no-opinion"],
    [{ allowed: false, denied: true }, "deny"],
    [{ allowed: true, denied: true }, "deny"],
    [{ allowed: "true" }, "no-opinion"],
  ])("that says %j means %s", async (status, verdict) => {
    server.answer = () => ({ body: { status } });
    expect(await webhook().authorize(attributes())).toMatchObject({ verdict });
  });

  test("is asked again only when its answer is old: then nothing waits", async () => {
    const authorizer = webhook();
    await Promise.all([authorizer.authorize(attributes()), authorizer.authorize(attributes())]);
    clock.advance(299_000);
    expect(authorizer.authorize(attributes())).toEqual({ verdict: "allow", reason: "yes" });
    expect(server.asked).toHaveLength(1);
    clock.advance(2_000);
    await authorizer.authorize(attributes());
    expect(server.asked).toHaveLength(2);
    server.answer = () => ({ body: { status: { allowed: false } } });
    await authorizer.authorize(attributes({ name: "q" }));
    clock.advance(31_000);
    await authorizer.authorize(attributes({ name: "q" }));
    expect(server.asked).toHaveLength(4);
  });

  test("is asked only where its conditions hold", async () => {
    const authorizer = webhook({
      matchConditions: ["has(request.resourceAttributes)", "request.resourceAttributes.namespace == 'ns'", "!('ops' in request.groups)"],
    });
    expect(authorizer.authorize(attributes({ namespace: "other" }))).toEqual({ verdict: "no-opinion", reason: "" });
    expect(authorizer.authorize(attributes({ isResource: false, path: "/x" }))).toMatchObject({ verdict: "no-opinion" });
    expect(server.asked).toHaveLength(0);
    expect(await authorizer.authorize(attributes())).toMatchObject({ verdict: "allow" });
    expect(() => webhook({ matchConditions: ["request.nothing == 1"] })).toThrow("undefined field 'nothing'");
  });

  test("that fails is tried five times, then the failure policy counts", async () => {
    server.answer = () => ({ code: 503 });
    expect(await webhook().authorize(attributes())).toMatchObject({ verdict: "no-opinion" });
    expect(server.asked).toHaveLength(5);
    server.answer = () => ({ code: 400 });
    expect(await webhook({ onError: "deny" }).authorize(attributes())).toMatchObject({ verdict: "deny" });
    expect(server.asked).toHaveLength(6);
  });
});

describe("a token webhook", () => {
  const tokens = (own: Clock = clock) =>
    tokenWebhook({ service, version: "v1", cacheTTL: 120_000, audiences: ["api"], clock: own, log: silentLogger });
  const user = { username: "jane", uid: "1", groups: ["dev"], extra: { "x.org/a": ["b"] } };

  test("names the user; its answer is kept for a while, also that it does not know the token", async () => {
    const kind = tokens();
    server.answer = ({ body }) => ({
      body: { status: body.spec.token === "good" ? { authenticated: true, user } : { authenticated: false } },
    });
    const known = { user: { name: "jane", uid: "1", groups: ["dev"], extra: { "x.org/a": ["b"] } }, audiences: ["api"] };
    expect(await kind.authenticateToken("good", ["api"])).toEqual(known);
    expect(await kind.authenticateToken("good", ["api"])).toEqual(known);
    expect(await kind.authenticateToken("bad", ["api"])).toBeUndefined();
    expect(await kind.authenticateToken("bad", ["api"])).toBeUndefined();
    expect(server.asked.map(({ body }) => body.spec)).toEqual([
      { token: "good", audiences: ["api"] },
      { token: "bad", audiences: ["api"] },
    ]);
    clock.advance(121_000);
    await kind.authenticateToken("good", ["api"]);
    expect(server.asked).toHaveLength(3);
  });

  test("vouches only for the audiences that it names", async () => {
    server.answer = () => ({ body: { status: { authenticated: true, user, audiences: ["other"] } } });
    expect(await tokens().authenticateToken("t", ["api"])).toBeUndefined();
    expect(await tokens().authenticateToken("t", ["api", "other"])).toMatchObject({ audiences: ["other"] });
  });

  test("that cannot be asked lets nobody in", async () => {
    server.answer = () => ({ code: 500 });
    await expect(tokens().authenticateToken("t", ["api"])).rejects.toMatchObject({ code: 401 });
    server.answer = () => ({ body: { status: { error: "expired" } } });
    await expect(tokens().authenticateToken("u", ["api"])).rejects.toThrow("expired");
  });
});

describe("an AuthorizationConfiguration", () => {
  const settings = {
    ...{ timeout: "3s", subjectAccessReviewVersion: "v1", matchConditionSubjectAccessReviewVersion: "v1", failurePolicy: "Deny" },
    connectionInfo: { type: "KubeConfigFile", kubeConfigFile: "/k" },
    matchConditions: [{ expression: "true" }],
  };
  const read = (...authorizers: object[]) =>
    authorizationConfiguration(
      JSON.stringify({ apiVersion: "apiserver.config.k8s.io/v1", kind: "AuthorizationConfiguration", authorizers }),
    );

  test("is a chain, with what is left out filled in", () => {
    expect(
      read({ type: "Webhook", name: "first", webhook: settings }, { type: "Node", name: "node" }, { type: "RBAC", name: "rbac" }),
    ).toEqual([
      {
        type: "Webhook",
        webhook: {
          ...{ name: "first", kubeconfig: "/k", timeout: 3000, version: "v1", matchConditions: ["true"] },
          ...{ authorizedTTL: 300_000, unauthorizedTTL: 30_000, onError: "deny" },
        },
      },
      { type: "Node" },
      { type: "RBAC" },
    ]);
    const [uncached] = read({ type: "Webhook", name: "w", webhook: { ...settings, cacheAuthorizedRequests: false } });
    expect(uncached?.webhook?.authorizedTTL).toBe(0);
  });

  test.each([
    [[], "at least one authorization mode must be defined"],
    [[{ type: "Nobody", name: "a" }], 'authorizers[0].type: Unsupported value: "Nobody"'],
    [
      [
        { type: "RBAC", name: "a" },
        { type: "RBAC", name: "b" },
      ],
      'authorizers[1].type: Duplicate value: "RBAC"',
    ],
    [
      [
        { type: "RBAC", name: "a" },
        { type: "Node", name: "a" },
      ],
      'authorizers[1].name: Duplicate value: "a"',
    ],
    [[{ type: "Webhook", name: "a" }], "authorizers[0].webhook: required when type=Webhook"],
    [[{ type: "RBAC", name: "a", webhook: settings }], "authorizers[0].webhook: may only be specified when type=Webhook"],
    [[{ type: "Webhook", name: "a", webhook: { ...settings, timeout: "31s" } }], "webhook.timeout: must be > 0s and <= 30s"],
    [[{ type: "Webhook", name: "a", webhook: { ...settings, failurePolicy: "" } }], "webhook.failurePolicy: Required value"],
    [[{ type: "Webhook", name: "a", webhook: { ...settings, extra: 1 } }], 'unknown field "authorizers[0].webhook.extra"'],
  ])("is refused: %j", (authorizers, why) => {
    expect(() => read(...authorizers)).toThrow(why);
  });
});

describe("a kubeconfig of a webhook", () => {
  test("is refused with the reason when it makes no sense", async () => {
    await expect(remoteService(join(folder, "none"), { clock })).rejects.toThrow("ENOENT");
    const path = server.writeKubeconfig(join(folder, "other"));
    const { writeFileSync, readFileSync } = await import("node:fs");
    writeFileSync(path, readFileSync(path, "utf8").replace("https://", "http://"));
    await expect(remoteService(path, { clock })).rejects.toThrow(/must be asked over https/);
  });
});
