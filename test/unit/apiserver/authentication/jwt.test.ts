import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TokenAuthenticator } from "../../../../src/apiserver/authentication/bearer-token.ts";
import { authenticationConfiguration, type JwtSettings } from "../../../../src/apiserver/authentication/configuration.ts";
import { jwtTokens } from "../../../../src/apiserver/authentication/jwt/tokens.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";
import { type JwtIssuer, newSigningKey, startJwtIssuer } from "../../../support/jwt-issuer.ts";

const clock = new FakeClock(Date.now());
let issuer: JwtIssuer;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  issuer = await startJwtIssuer(() => clock.now());
});
afterAll(async () => {
  for (const close of closing) await close();
  await issuer.stop();
});
beforeEach(() => {
  issuer.asked.length = 0;
});

const bySubject = { username: { claim: "sub", prefix: "" } };

function tokens(more: Partial<JwtSettings> = {}, algorithms = ["RS256"]): TokenAuthenticator {
  const settings: JwtSettings = {
    claimMappings: bySubject,
    ...more,
    issuer: { url: issuer.url, certificateAuthority: issuer.authority, audiences: ["hue"], ...more.issuer },
  };
  const made = jwtTokens({ settings, at: "jwt[0]", algorithms, audiences: ["api"], clock });
  closing.push(made.close);
  return made.kind;
}

const userOf = async (kind: TokenAuthenticator, claims: Parameters<JwtIssuer["token"]>[0] = {}) =>
  (await kind.authenticateToken(await issuer.token(claims), ["api"]))?.user;

describe("a token of the issuer", () => {
  test("names its user; keys are fetched once", async () => {
    const kind = tokens();
    expect(await userOf(kind)).toEqual({ name: "jane", groups: [] });
    expect(await userOf(kind, { sub: "joe" })).toEqual({ name: "joe", groups: [] });
    expect(issuer.asked.map(({ path }) => path)).toEqual(["/.well-known/openid-configuration", "/keys"]);
  });

  test.each([
    ["is for another audience", { aud: "other" }],
    ["has ended", { exp: Math.floor(clock.now() / 1000) - 1 }],
    ["never ends", { exp: undefined }],
    ["has not begun", { nbf: Math.floor(clock.now() / 1000) + 400 }],
    ["names nobody", { sub: undefined }],
  ])("is refused when it %s", async (_why, claims) => {
    await expect(userOf(tokens(), claims)).rejects.toMatchObject({ code: 401, message: expect.stringContaining("oidc: ") });
  });

  test("is refused when another signed it, or with an algorithm that is not allowed", async () => {
    const forged = await issuer.token({}, newSigningKey());
    await expect(tokens().authenticateToken(forged, ["api"])).rejects.toMatchObject({ code: 401 });
    const [, payload] = forged.split(".");
    const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`;
    await expect(tokens().authenticateToken(unsigned, ["api"])).rejects.toMatchObject({ code: 401 });
    await expect(userOf(tokens({}, ["ES256"]))).rejects.toMatchObject({ code: 401 });
  });

  test("of another issuer is left to others", async () => {
    expect(await userOf(tokens(), { iss: "https://elsewhere.example" })).toBeUndefined();
    expect(await tokens().authenticateToken("abcdef.0123456789abcdef", ["api"])).toBeUndefined();
    expect(issuer.asked).toEqual([]);
  });

  test("is refused while the issuer's discovery document is another's", async () => {
    const kind = tokens({
      issuer: {
        url: `${issuer.url}/x`,
        certificateAuthority: issuer.authority,
        audiences: ["hue"],
        discoveryURL: `${issuer.url}/.well-known/openid-configuration`,
      },
    });
    await expect(userOf(kind, { iss: `${issuer.url}/x` })).rejects.toThrow("issuer did not match the issuer returned by provider");
    await expect(userOf(kind, { iss: `${issuer.url}/x`, sub: "b" })).rejects.toThrow("not initialized");
  });

  test("is refused by who does not trust the issuer's authority", async () => {
    const kind = tokens({ issuer: { url: issuer.url, audiences: ["hue"], certificateAuthority: undefined as never } });
    await expect(userOf(kind)).rejects.toThrow("certificate signed by unknown authority");
  });

  test("with a key that the issuer has just made is accepted", async () => {
    const kind = tokens();
    await userOf(kind);
    issuer.rotate();
    // The key set asks again ten seconds after it last did.
    await expect
      .poll(() => userOf(kind, { sub: "after" }).catch(() => undefined), { timeout: 15_000, interval: 500 })
      .toMatchObject({ name: "after" });
  });
});

describe("claims", () => {
  test("become user, groups, uid and extra", async () => {
    const kind = tokens({
      claimMappings: {
        username: { claim: "email", prefix: "oidc:" },
        groups: { claim: "roles", prefix: "oidc:" },
        uid: { claim: "sub" },
        extra: [{ key: "example.com/tenant", valueExpression: "claims.tenant" }],
      },
    });
    expect(await userOf(kind, { email: "j@x.org", email_verified: true, roles: ["dev", "ops"], tenant: "t1", jti: "5" })).toEqual({
      name: "oidc:j@x.org",
      uid: "jane",
      groups: ["oidc:dev", "oidc:ops"],
      extra: { "example.com/tenant": ["t1"], "authentication.kubernetes.io/credential-id": ["JTI=5"] },
    });
    expect(await userOf(kind, { email: "j@x.org", roles: "dev", tenant: [] })).toMatchObject({ groups: ["oidc:dev"] });
    await expect(userOf(kind, { email: "j@x.org", email_verified: false })).rejects.toThrow("oidc: email not verified");
  });

  test("can be put together by expressions", async () => {
    const kind = tokens({
      claimMappings: {
        username: { expression: '"x:" + claims.sub + (claims.?admin.orValue(false) ? ":admin" : "")' },
        groups: { expression: 'claims.roles.split(",")' },
        uid: { expression: "claims.id.number" },
      },
    });
    expect(await userOf(kind, { roles: "a,b", admin: true, id: { number: "7" } })).toEqual({
      name: "x:jane:admin",
      uid: "7",
      groups: ["a", "b"],
    });
    await expect(userOf(kind, { roles: "a", id: { number: 7 } })).rejects.toThrow("uid claim expression must return a string");
  });

  test("must be as the rules want them", async () => {
    const kind = tokens({
      claimValidationRules: [
        { claim: "tenant", requiredValue: "t1" },
        { expression: "claims.exp - claims.iat <= 600", message: "lives too long" },
      ],
      userValidationRules: [{ expression: "!user.username.startsWith('system:')", message: "reserved name" }],
    });
    const exp = Math.floor(clock.now() / 1000) + 1000;
    expect(await userOf(kind, { tenant: "t1" })).toMatchObject({ name: "jane" });
    await expect(userOf(kind, {})).rejects.toThrow("required claim tenant not present in ID token");
    await expect(userOf(kind, { tenant: "t2" })).rejects.toThrow("Got = t2, want = t1");
    await expect(userOf(kind, { tenant: "t1", exp })).rejects.toThrow("lives too long");
    await expect(userOf(kind, { tenant: "t1", sub: "system:admin" })).rejects.toThrow("reserved name");
  });

  test("may be kept elsewhere", async () => {
    const other = await startJwtIssuer(() => clock.now());
    closing.push(() => other.stop());
    const kind = tokens({
      claimMappings: { ...bySubject, groups: { claim: "groups", prefix: "" } },
      issuer: { url: issuer.url, audiences: ["hue"], certificateAuthority: issuer.authority + other.authority },
    });
    const groups = await other.token({ groups: ["far"] });
    const answer = issuer.answer;
    issuer.answer = (asked) => (asked.path === "/groups" && asked.headers.authorization === "Bearer t" ? { body: groups } : answer(asked));
    const claims = { _claim_names: { groups: "s" }, _claim_sources: { s: { endpoint: `${issuer.url}/groups`, access_token: "t" } } };
    expect(await userOf(kind, claims)).toEqual({ name: "jane", groups: ["far"] });
    issuer.answer = answer;
  });
});

describe("an AuthenticationConfiguration", () => {
  const read = (jwt: unknown, more = "") =>
    authenticationConfiguration(
      `{"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration","jwt":${JSON.stringify(jwt)}${more}}`,
      ["https://own"],
    );
  const good = { issuer: { url: "https://x.org", audiences: ["a"] }, claimMappings: bySubject };

  test("is read as it is, anonymous paths too", () => {
    expect(read([good], ',"anonymous":{"enabled":true,"conditions":[{"path":"/livez"}]}')).toEqual({
      jwt: [good],
      anonymous: { enabled: true, paths: ["/livez"] },
    });
  });

  test.each([
    [[{ ...good, nonsense: 1 }], 'unknown field "jwt[0].nonsense"'],
    [[{ ...good, issuer: { ...good.issuer, url: "http://x.org" } }], 'jwt[0].issuer.url: "http://x.org": URL scheme must be https'],
    [[{ ...good, issuer: { ...good.issuer, url: "https://own" } }], "URL must not overlap with disallowed issuers: [https://own]"],
    [[{ ...good, issuer: { url: "https://x.org" } }], "jwt[0].issuer.audiences: Required value"],
    [[{ ...good, issuer: { url: "https://x.org", audiences: ["a", "b"] } }], "jwt[0].issuer.audienceMatchPolicy: Required value"],
    [[good, good], 'jwt[1].issuer.url: Duplicate value: "https://x.org"'],
    [[{ ...good, claimMappings: {} }], "jwt[0].claimMappings.username: Required value: claim or expression is required"],
    [[{ ...good, claimMappings: { username: { claim: "sub" } } }], "jwt[0].claimMappings.username.prefix: Required value"],
    [[{ ...good, claimMappings: { username: { expression: "claims.email" } } }], "claims.email_verified must be used"],
    [
      [{ ...good, claimMappings: { ...bySubject, extra: [{ key: "kubernetes.io/x", valueExpression: "'a'" }] } }],
      "are reserved for Kubernetes use",
    ],
    [
      [{ ...good, claimValidationRules: [{ claim: "a", expression: "true" }] }],
      "jwt[0].claimValidationRules[0]: claim and expression can't both be set",
    ],
  ])("is refused: %j", (jwt, why) => {
    expect(() => read(jwt)).toThrow(why);
  });

  test("an expression that is no CEL is named", () => {
    expect(() => tokens({ claimMappings: { username: { expression: "claims." } } })).toThrow(
      /^jwt\[0\]\.claimMappings\.username\.expression: compilation failed/,
    );
    expect(() => tokens({ claimValidationRules: [{ expression: "'a'" }] })).toThrow(
      /^jwt\[0\]\.claimValidationRules\[0\]\.expression: must evaluate to bool/,
    );
  });
});
