import { generateKeyPairSync } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { createLocalJWKSet, decodeJwt, jwtVerify, SignJWT } from "jose";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { unauthorized } from "../../../../src/api/errors.ts";
import type { TokenRequestSpec } from "../../../../src/api/types/authentication.v1.ts";
import { Nodes, Pods, Secrets, ServiceAccounts } from "../../../../src/api/types/resources.ts";
import { type Authentication, createAuthentication, defaultIssuer } from "../../../../src/apiserver/authentication/index.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";
import { type TestAuthority, testAuthority } from "../certificates.ts";
import { MemoryObjects } from "../memory-objects.ts";

const signing = generateKeyPairSync("rsa", { modulusLength: 2048 });
const signingKey = signing.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
let clientAuthority: TestAuthority;
let proxyAuthority: TestAuthority;
let objects: MemoryObjects;
let clock: FakeClock;
let authentication: Authentication;
/** What was to be labelled. */
let labelled: unknown[];

beforeAll(async () => {
  clientAuthority = await testAuthority("client");
  proxyAuthority = await testAuthority("front-proxy");
});

beforeEach(() => {
  objects = new MemoryObjects();
  clock = new FakeClock();
  labelled = [];
  objects.put(ServiceAccounts, { metadata: { namespace: "ns", name: "bot" } });
  authentication = createAuthentication({
    objects,
    clock,
    clientAuthorities: clientAuthority.certificate,
    requestHeader: { authorities: proxyAuthority.certificate, allowedNames: ["front-proxy-client"] },
    serviceAccounts: { signingKey, labelSecret: (...what) => labelled.push(what) },
    tokenFile: 'admin,root,7,"system:masters, ops"\nplain,joe,\n',
  });
});

const ask = async (headers: IncomingHttpHeaders, clientCertificate?: Buffer) => authentication.authenticate({ headers, clientCertificate });
const bearer = (token: string) => ask({ authorization: `Bearer ${token}` });
const request = (spec: TokenRequestSpec, name = "bot") =>
  authentication.issueToken({ namespace: "ns", name }, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: {},
    spec,
  } as unknown as Parameters<Authentication["issueToken"]>[1]);
const tokenOf = async (spec: TokenRequestSpec) => (await request(spec)).status.token ?? "";

describe("certificates", () => {
  test("name the user and the groups", async () => {
    const { der } = await clientAuthority.issue("CN=jane, O=dev, O=ops");
    const user = await ask({}, der);
    expect(user).toMatchObject({ name: "jane", groups: ["dev", "ops", "system:authenticated"] });
    expect(user.extra?.["authentication.kubernetes.io/credential-id"]?.[0]).toMatch(/^X509SHA256=[0-9a-f]{64}$/);
  });

  test("count only while they are valid, also when known from before", async () => {
    const { der } = await clientAuthority.issue("CN=jane", { notAfter: new Date(clock.now() + 60_000) });
    expect((await ask({}, der)).name).toBe("jane");
    clock.advance(61_000);
    await expect(ask({}, der)).rejects.toMatchObject({ code: 401 });
  });

  test("of the front proxy's authority speak for others by headers, and for nobody themselves", async () => {
    const proxy = await proxyAuthority.issue("CN=front-proxy-client");
    const headers = { "x-remote-user": "jane", "x-remote-group": "a, b", "x-remote-extra-scopes%2fx": "s" };
    expect(await ask(headers, proxy.der)).toEqual({
      name: "jane",
      groups: ["a", "b", "system:authenticated"],
      extra: { "scopes/x": ["s"] },
    });
    const other = await proxyAuthority.issue("CN=somebody, O=system:masters");
    expect((await ask(headers, other.der)).name).toBe("system:anonymous");
    const client = await clientAuthority.issue("CN=front-proxy-client");
    expect((await ask(headers, client.der)).name).toBe("front-proxy-client");
  });
});

test("a request without credentials is anonymous; one with a wrong token is refused", async () => {
  expect(await ask({})).toEqual({ name: "system:anonymous", groups: ["system:unauthenticated"] });
  await expect(bearer("nonsense")).rejects.toMatchObject({ code: 401, message: "Unauthorized" });
});

test("a token that one kind refuses and another vouches for is good", async () => {
  const { authenticateToken } = await import("../../../../src/apiserver/authentication/bearer-token.ts");
  const refusing = {
    name: "a",
    authenticateToken() {
      throw unauthorized("expired");
    },
  };
  const knowing = { name: "b", authenticateToken: () => ({ user: { name: "jane", groups: [] }, audiences: ["x"] }) };
  expect((await authenticateToken([refusing, knowing], "t", ["x"])).user.name).toBe("jane");
  await expect(authenticateToken([refusing], "t", ["x"])).rejects.toThrow("expired");
});

test("the token file's users", async () => {
  expect(await bearer("admin")).toEqual({ name: "root", uid: "7", groups: ["system:masters", "ops", "system:authenticated"] });
  expect(await bearer("plain")).toEqual({ name: "joe", groups: ["system:authenticated"] });
  const protocols = `v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.${Buffer.from("plain").toString("base64url")}`;
  expect((await ask({ "sec-websocket-protocol": protocols })).name).toBe("joe");
});

describe("bootstrap tokens", () => {
  const put = (more: Record<string, string> = {}) => {
    const values = { "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true", ...more };
    const data = Object.fromEntries(Object.entries(values).map(([k, v]) => [k, Buffer.from(v).toString("base64")]));
    objects.put(Secrets, {
      type: "bootstrap.kubernetes.io/token",
      metadata: { namespace: "kube-system", name: "bootstrap-token-abcdef" },
      data,
    });
  };

  test("make a user of the bootstrap groups", async () => {
    put({ "auth-extra-groups": "system:bootstrappers:hue:default-node-token" });
    expect(await bearer("abcdef.0123456789abcdef")).toEqual({
      name: "system:bootstrap:abcdef",
      groups: ["system:bootstrappers", "system:bootstrappers:hue:default-node-token", "system:authenticated"],
    });
    await expect(bearer("abcdef.0123456789abcdee")).rejects.toMatchObject({ code: 401 });
  });

  test.each<{ why: string; more: Record<string, string> }>([
    { why: "expired", more: { expiration: "2025-12-31T00:00:00Z" } },
    { why: "not for authentication", more: { "usage-bootstrap-authentication": "false" } },
    { why: "with groups that nobody may hand out", more: { "auth-extra-groups": "system:masters" } },
  ])("are refused when $why", async ({ more }) => {
    put(more);
    await expect(bearer("abcdef.0123456789abcdef")).rejects.toMatchObject({ code: 401 });
  });
});

describe("service account tokens", () => {
  const account = "system:serviceaccount:ns:bot";
  const groups = ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"];

  test("say who the account is, until they end", async () => {
    const token = await tokenOf({});
    expect(await bearer(token)).toMatchObject({ name: account, uid: "uid-bot", groups });
    clock.advance(3600_000);
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
  });

  test("end with the account, even when seen before", async () => {
    const token = await tokenOf({});
    await bearer(token);
    objects.put(ServiceAccounts, { metadata: { namespace: "ns", name: "bot", uid: "another" } });
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
  });

  test("bound to a pod carry pod and node, and end with the pod", async () => {
    objects.put(Nodes, { metadata: { name: "n1" } });
    objects.put(Pods, { metadata: { namespace: "ns", name: "p" }, spec: { serviceAccountName: "bot", nodeName: "n1" } });
    const token = await tokenOf({ boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "p", uid: "uid-p" } });
    const prefix = "authentication.kubernetes.io/";
    expect((await bearer(token)).extra).toEqual({
      [`${prefix}credential-id`]: [`JTI=${decodeJwt(token).jti}`],
      [`${prefix}pod-name`]: ["p"],
      [`${prefix}pod-uid`]: ["uid-p"],
      [`${prefix}node-name`]: ["n1"],
      [`${prefix}node-uid`]: ["uid-n1"],
    });
    objects.remove(Pods, "ns", "p");
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
  });

  test("for pods' projected volumes outlive their hour, so that old clients do not break", async () => {
    objects.put(Pods, { metadata: { namespace: "ns", name: "p" }, spec: { serviceAccountName: "bot" } });
    const { status } = await request({ expirationSeconds: 3607, boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "p" } });
    expect(status.expirationTimestamp).toBe("2026-01-01T01:00:07Z");
    const claims = decodeJwt(status.token ?? "");
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(365 * 24 * 3600);
    expect(claims["kubernetes.io"]).toMatchObject({ warnafter: (claims.iat ?? 0) + 3607 });
  });

  test.each<{ spec: TokenRequestSpec; name?: string; message: string }>([
    { spec: { expirationSeconds: 599 }, message: "may not specify a duration less than 10 minutes" },
    { spec: {}, name: "nobody", message: 'serviceaccounts "nobody" not found' },
    { spec: { boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "gone" } }, message: 'pods "gone" not found' },
    {
      spec: { boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "other" } },
      message: 'cannot bind token for serviceaccount "bot" to pod running with different serviceaccount name.',
    },
    {
      spec: { boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "p", uid: "old" } },
      message: "the UID in the bound object reference (old) does not match the UID in record.",
    },
  ])("are not issued: $message", async ({ spec, name, message }) => {
    objects.put(Pods, { metadata: { namespace: "ns", name: "p" }, spec: { serviceAccountName: "bot" } });
    objects.put(Pods, { metadata: { namespace: "ns", name: "other" }, spec: { serviceAccountName: "default" } });
    await expect(request(spec, name)).rejects.toThrow(message);
  });

  test("of another key are refused", async () => {
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const token = await new SignJWT(decodeJwt(await tokenOf({}))).setProtectedHeader({ alg: "RS256" }).sign(other);
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
  });

  test("can be verified by anybody from the discovery documents", async () => {
    const token = await tokenOf({ audiences: ["vault"] });
    const jwks = authentication.jsonWebKeySet() as Parameters<typeof createLocalJWKSet>[0];
    await jwtVerify(token, createLocalJWKSet(jwks), { issuer: defaultIssuer, audience: "vault", currentDate: new Date(clock.now()) });
    expect(authentication.openidConfiguration()).toMatchObject({ issuer: defaultIssuer, jwks_uri: `${defaultIssuer}/openid/v1/jwks` });
  });

  test("kept in Secrets hold as long as the Secret does", async () => {
    const token = await new SignJWT({
      iss: "kubernetes/serviceaccount",
      sub: account,
      "kubernetes.io/serviceaccount/namespace": "ns",
      "kubernetes.io/serviceaccount/secret.name": "bot-token",
      "kubernetes.io/serviceaccount/service-account.name": "bot",
      "kubernetes.io/serviceaccount/service-account.uid": "uid-bot",
    })
      .setProtectedHeader({ alg: "RS256" })
      .sign(signing.privateKey);
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
    objects.put(Secrets, { metadata: { namespace: "ns", name: "bot-token" }, data: { token: Buffer.from(token).toString("base64") } });
    expect(await bearer(token)).toMatchObject({ name: account, groups });
    expect(labelled).toEqual([["ns", "bot-token", { "kubernetes.io/legacy-token-last-used": "2026-01-01" }]]);
    const invalid = { "kubernetes.io/legacy-token-invalid-since": "2025-12-01", "kubernetes.io/legacy-token-last-used": "2026-01-01" };
    const data = { token: Buffer.from(token).toString("base64") };
    objects.put(Secrets, { metadata: { namespace: "ns", name: "bot-token", labels: invalid }, data });
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
    expect((await authentication.reviewToken(token)).error).toContain("has been marked invalid");
    expect(labelled).toHaveLength(1);
    objects.put(Secrets, { metadata: { namespace: "ns", name: "bot-token" }, data });
    expect(await bearer(token)).toMatchObject({ name: account });
    objects.remove(Secrets, "ns", "bot-token");
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
  });
});

describe("TokenReview", () => {
  test("names the user and the audience that fits", async () => {
    const token = await tokenOf({ audiences: ["vault", "other"] });
    const status = await authentication.reviewToken(token, ["vault"]);
    expect(status).toMatchObject({ authenticated: true, audiences: ["vault"], user: { username: "system:serviceaccount:ns:bot" } });
    expect(status.user?.groups).toContain("system:authenticated");
    expect(await authentication.reviewToken(token)).toMatchObject({ authenticated: false });
    // Not for the API: a request with it fails too.
    await expect(bearer(token)).rejects.toMatchObject({ code: 401 });
  });

  test("says that a token is wrong instead of failing", async () => {
    expect(await authentication.reviewToken("nonsense")).toEqual({ authenticated: false, error: "invalid bearer token", user: {} });
  });
});
