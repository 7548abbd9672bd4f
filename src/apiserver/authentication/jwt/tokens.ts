import type { JWTPayload } from "jose";
import { unauthorized } from "../../../api/errors.ts";
import type { Clock } from "../../../lib/clock.ts";
import { issuerOf, type TokenAuthenticator } from "../bearer-token.ts";
import type { JwtSettings } from "../configuration.ts";
import { keptTokens } from "../kept-tokens.ts";
import { userOfClaims } from "./claims.ts";
import { Issuer, type IssuerOptions } from "./issuer.ts";

/** What the tokens of an issuer are checked with. */
export interface JwtOptions {
  settings: JwtSettings;
  /** Names the settings in errors: "jwt[0]", "" for flags. */
  at: string;
  algorithms: readonly string[];
  /** The API's own audiences: what such a token is for, once it is one. */
  audiences: readonly string[];
  clock: Clock;
}

/** So long a token that was good is not checked again, in milliseconds. */
const keptFor = 10_000;

/** Tokens of an OpenID Connect issuer (--oidc-issuer-url, --authentication-config). Throws when an expression cannot be compiled. */
export function jwtTokens({ settings, at, algorithms, audiences, clock }: JwtOptions): {
  kind: TokenAuthenticator;
  close(): Promise<void>;
} {
  const { url = "", discoveryURL, certificateAuthority, audiences: wanted = [] } = settings.issuer ?? {};
  const common = { audiences: wanted, algorithms, clock, authorities: certificateAuthority };
  const issuer = new Issuer({ ...common, url, ...(discoveryURL ? { discoveryURL } : {}) });
  const others = new Map<string, Issuer>();
  const userOf = userOfClaims(settings, at);
  const groupsClaim = settings.claimMappings?.groups?.claim;
  const kind: TokenAuthenticator = {
    name: "jwt",
    async authenticateToken(token, asked) {
      if (issuerOf(token) !== url) return undefined;
      try {
        let claims = await issuer.verify(token).catch((error: unknown) => {
          throw new Error(`verify token: ${error instanceof Error ? error.message : error}`);
        });
        if (groupsClaim) claims = await withDistributed(claims, groupsClaim, issuer, (from) => otherIssuer(others, from, common));
        return { user: userOf(claims), audiences: asked.filter((audience) => audiences.includes(audience)) };
      } catch (error) {
        throw unauthorized(`oidc: ${error instanceof Error ? error.message : error}`);
      }
    },
  };
  return {
    kind: keptTokens(kind, clock, { success: keptFor, failure: 0 }),
    async close() {
      for (const one of [issuer, ...others.values()]) await one.close();
    },
  };
}

function otherIssuer(known: Map<string, Issuer>, url: string, options: Omit<IssuerOptions, "url">): Issuer {
  const issuer = known.get(url) ?? new Issuer({ ...options, url });
  known.set(url, issuer);
  return issuer;
}

/** The claims with one that is kept elsewhere, if so the token says (OpenID Connect Core, 5.6.2). */
async function withDistributed(
  claims: JWTPayload,
  claim: string,
  issuer: Issuer,
  issuerNamed: (url: string) => Issuer,
): Promise<JWTPayload> {
  const names = Object(claims["_claim_names"]) as Record<string, unknown>; // Whatever it is, it has fields or none; so below.
  const source = names[claim];
  if (claim in claims || typeof source !== "string") return claims;
  const sources = Object(claims["_claim_sources"]) as Record<string, unknown>;
  const { endpoint, access_token: token } = Object(sources[source]) as Record<string, unknown>;
  if (typeof endpoint !== "string") return claims;
  const answer = await issuer.text(endpoint, typeof token === "string" ? { authorization: `Bearer ${token}` } : {});
  const from = issuerOf(answer.trim());
  if (!from) throw new Error(`could not expand distributed claims: ${endpoint} did not answer with a JWT`);
  const more = await issuerNamed(from).verify(answer.trim());
  if (!(claim in more)) throw new Error(`jwt returned by distributed claim endpoint ${endpoint} did not contain claim: ${claim}`);
  return { ...claims, [claim]: more[claim] };
}
