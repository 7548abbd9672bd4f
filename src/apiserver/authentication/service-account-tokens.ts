import { decodeProtectedHeader, type JWTPayload, jwtVerify } from "jose";
import { unauthorized } from "../../api/errors.ts";
import { Nodes, Pods, Secrets, ServiceAccounts } from "../../api/types/resources.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Resource } from "../../api/resource.ts";
import type { UserInfo } from "../../api/user.ts";
import { BoundedMap } from "../../lib/bounded-map.ts";
import type { Clock } from "../../lib/clock.ts";
import { currentAudit } from "../audit/current.ts";
import type { Objects } from "../objects.ts";
import { issuerOf, type TokenAuthenticator, type TokenResult } from "./bearer-token.ts";
import {
  type ClaimedObject,
  type PrivateClaims,
  serviceAccountGroups,
  serviceAccountUser,
  type TokenClaims,
} from "./service-account-claims.ts";
import type { TokenKeys } from "./service-account-keys.ts";

const legacyIssuer = "kubernetes/serviceaccount";
/** How long a token outlives the deletion of what it is bound to, so that a pod can finish its shutdown. */
const deletionLeeway = 60_000;

/** What the verification of service account tokens needs. */
export interface ServiceAccountTokenOptions {
  keys: TokenKeys;
  /** The first one issues tokens, all are accepted. */
  issuers: readonly string[];
  /** The audiences of the API itself: what tokens without any are for. */
  audiences: readonly string[];
  objects: Objects;
  clock: Clock;
  /** Adds labels to a Secret, some time soon. */
  labelSecret?: ((namespace: string, name: string, labels: Record<string, string>) => void) | undefined;
}

/**
 * Tokens of service accounts, bound and legacy. A signature is checked once and remembered until the token ends; that the account
 * and what the token is bound to still exist is checked at each use.
 */
export function serviceAccountTokens(options: ServiceAccountTokenOptions): TokenAuthenticator {
  const verified = new BoundedMap<string, TokenClaims | LegacyClaims>(20_000);
  return {
    name: "service-account",
    authenticateToken(token, asked) {
      const known = verified.get(token);
      if (known) return resultOf(known, token, asked, options);
      const issuer = issuerOf(token);
      if (issuer === undefined || (issuer !== legacyIssuer && !options.issuers.includes(issuer))) return undefined;
      return verify(token, options).then((claims) => {
        verified.set(token, claims);
        return resultOf(claims, token, asked, options);
      });
    },
  };
}

/** Claims of tokens in Secrets of type kubernetes.io/service-account-token: they never end. */
interface LegacyClaims {
  legacy: true;
  namespace: string;
  secret: string;
  serviceAccount: ClaimedObject;
}

async function verify(token: string, { keys, clock }: ServiceAccountTokenOptions): Promise<TokenClaims | LegacyClaims> {
  const { kid } = decodeProtectedHeader(token);
  const candidates = keys.verifying.filter((key) => kid === undefined || key.id === kid);
  for (const { key, algorithm } of candidates.length > 0 ? candidates : keys.verifying) {
    try {
      const { payload } = await jwtVerify(token, key, { algorithms: [algorithm], currentDate: new Date(clock.now()), clockTolerance: 5 });
      return claimsOf(payload);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") continue;
      throw unauthorized(error instanceof Error ? error.message : "invalid bearer token");
    }
  }
  throw unauthorized("invalid bearer token");
}

function claimsOf(payload: JWTPayload): TokenClaims | LegacyClaims {
  if (payload.iss === legacyIssuer) {
    const claim = (name: string): string => String(payload[`kubernetes.io/serviceaccount/${name}`] ?? "");
    const serviceAccount = { name: claim("service-account.name"), uid: claim("service-account.uid") };
    return { legacy: true, namespace: claim("namespace"), secret: claim("secret.name"), serviceAccount };
  }
  // Signed by the cluster's own key: the claims are as issueToken wrote them.
  const own = payload["kubernetes.io"] as PrivateClaims | undefined;
  if (!own?.serviceaccount || payload.exp === undefined) throw unauthorized("service account token lacks its claims");
  return { ...payload, aud: [payload.aud ?? []].flat(), "kubernetes.io": own } as TokenClaims;
}

function resultOf(
  claims: TokenClaims | LegacyClaims,
  token: string,
  asked: readonly string[],
  options: ServiceAccountTokenOptions,
): TokenResult {
  if ("legacy" in claims) return legacyResult(claims, token, asked, options);
  const now = options.clock.now();
  if (now >= claims.exp * 1000) throw unauthorized("service account token has expired");
  const audiences = asked.filter((audience) => claims.aud.includes(audience));
  if (audiences.length === 0) throw unauthorized(`token audiences ${list(claims.aud)} is invalid for the target audiences ${list(asked)}`);
  const own = claims["kubernetes.io"];
  const { namespace } = own;
  alive(options, ServiceAccounts, namespace, own.serviceaccount);
  if (own.pod) alive(options, Pods, namespace, own.pod);
  else if (own.node) alive(options, Nodes, undefined, own.node);
  if (own.secret) alive(options, Secrets, namespace, own.secret);
  const late = own.warnafter === undefined ? -1 : Math.floor(now / 1000) - own.warnafter;
  if (late > 0)
    currentAudit()?.annotate("authentication.k8s.io/stale-token", `subject: ${claims.sub}, seconds after warning threshold: ${late}`);
  return { user: userOf(own, claims.jti), audiences };
}

const invalidSince = "kubernetes.io/legacy-token-invalid-since";
const lastUsed = "kubernetes.io/legacy-token-last-used";

function legacyResult(claims: LegacyClaims, token: string, asked: readonly string[], options: ServiceAccountTokenOptions): TokenResult {
  const { namespace, serviceAccount } = claims;
  alive(options, ServiceAccounts, namespace, serviceAccount);
  const secret = options.objects.get(Secrets, namespace, claims.secret);
  const stored = Buffer.from(secret?.data?.["token"] ?? "", "base64").toString();
  if (!secret || secret.metadata.deletionTimestamp || stored !== token) throw unauthorized("service account token has been invalidated");
  // When a token was last used tells who cleans up what nobody needs any more (KEP-2799).
  const today = new Date(options.clock.now()).toISOString().slice(0, 10);
  if (secret.metadata.labels?.[lastUsed] !== today) options.labelSecret?.(namespace, claims.secret, { [lastUsed]: today });
  if (secret.metadata.labels?.[invalidSince]) {
    const names = `secret ${namespace}/${claims.secret} for service account ${namespace}/${serviceAccount.name}`;
    const instead = "Use tokens from the TokenRequest API or manually created secret-based tokens";
    const why = `the token in ${names} has been marked invalid. ${instead}, or remove the '${invalidSince}' label from the secret to temporarily allow use of this token`;
    throw unauthorized(why);
  }
  const audiences = asked.filter((audience) => options.audiences.includes(audience));
  if (audiences.length === 0) throw unauthorized("service account token is not for these audiences");
  const audit = currentAudit();
  audit?.annotate("authentication.k8s.io/legacy-token", serviceAccountUser(namespace, serviceAccount.name));
  audit?.annotate("authentication.k8s.io/legacy-token-manual-secret", claims.secret);
  const user = {
    name: serviceAccountUser(namespace, serviceAccount.name),
    uid: serviceAccount.uid,
    groups: serviceAccountGroups(namespace),
  };
  return { user, audiences };
}

function alive<T extends KubeObject>(
  { objects, clock }: ServiceAccountTokenOptions,
  resource: Resource<T>,
  namespace: string | undefined,
  claimed: ClaimedObject,
): void {
  const meta = objects.get(resource, namespace, claimed.name)?.metadata;
  const deleted = meta?.deletionTimestamp ? Date.parse(meta.deletionTimestamp) : undefined;
  const ended = deleted !== undefined && clock.now() > deleted + deletionLeeway;
  if (!meta || meta.uid !== claimed.uid || ended) throw unauthorized("service account token has been invalidated");
}

function userOf({ namespace, serviceaccount, pod, node }: PrivateClaims, id: string): UserInfo {
  const prefix = "authentication.kubernetes.io/";
  const extra: Record<string, string[]> = { [`${prefix}credential-id`]: [`JTI=${id}`] };
  for (const [kind, claimed] of Object.entries({ pod, node })) {
    if (!claimed) continue;
    extra[`${prefix}${kind}-name`] = [claimed.name];
    if (claimed.uid) extra[`${prefix}${kind}-uid`] = [claimed.uid];
  }
  const name = serviceAccountUser(namespace, serviceaccount.name);
  return { name, uid: serviceaccount.uid, groups: serviceAccountGroups(namespace), extra };
}

function list(names: readonly string[]): string {
  return `[${names.map((name) => JSON.stringify(name)).join(" ")}]`;
}
