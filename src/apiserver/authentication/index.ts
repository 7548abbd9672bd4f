import type { TokenRequest, TokenReviewStatus } from "../../api/types/authentication.v1.ts";
import type { UserInfo } from "../../api/user.ts";
import { unauthorized } from "../../api/errors.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import { anonymous } from "./anonymous.ts";
import type { Authenticator, Credentials } from "./authenticator.ts";
import { bearerTokens, type TokenAuthenticator } from "./bearer-token.ts";
import { bootstrapTokens } from "./bootstrap-tokens.ts";
import { clientCertificates } from "./client-certificate.ts";
import { requestHeaders } from "./request-header.ts";
import { jsonWebKeySet, readTokenKeys } from "./service-account-keys.ts";
import { type ServiceAccountTokenOptions, serviceAccountTokens } from "./service-account-tokens.ts";
import { staticTokens } from "./static-tokens.ts";
import { issueToken, type TokenSubject } from "./token-request.ts";
import { reviewToken, withAuthenticated } from "./token-review.ts";

export type { Credentials } from "./authenticator.ts";
export { Impersonation, impersonates } from "./impersonation.ts";
export { serviceAccountUser } from "./service-account-claims.ts";
export { reviewUser } from "./token-review.ts";

/** The issuer of a cluster's own tokens: resolves inside the cluster, so that pods can fetch the discovery document there. */
export const defaultIssuer = "https://kubernetes.default.svc.cluster.local";

/** What authentication needs to know. All keys and certificates in PEM. */
export interface AuthenticationOptions {
  objects: Objects;
  clock: Clock;
  /** The authorities of client certificates. */
  clientAuthorities: string;
  /** The authorities of front proxies' certificates, and the common names believed (empty: all). */
  requestHeader?: { authorities: string; allowedNames: readonly string[] };
  serviceAccounts: {
    signingKey: string;
    olderPublicKeys?: readonly string[];
    /** The first issues, all are accepted. Default: defaultIssuer. */
    issuers?: readonly string[];
    /** Default: the issuers. */
    audiences?: readonly string[];
    labelSecret?: ServiceAccountTokenOptions["labelSecret"];
  };
  /** The text of a --token-auth-file. */
  tokenFile?: string;
  /** Further kinds of tokens, which are asked last. */
  tokens?: readonly TokenAuthenticator[];
  /** Whether requests without credentials are let through as system:anonymous, or for which paths only. Default true. */
  anonymous?: boolean | readonly string[];
}

/** The API server's authentication: who sends a request, and the tokens of service accounts. */
export interface Authentication {
  /** The sender. Throws unauthorized(). Without waiting wherever possible. */
  authenticate(credentials: Credentials): Promise<UserInfo> | UserInfo;
  /** serviceaccounts/token: returns the request with its status. */
  issueToken(subject: TokenSubject, request: TokenRequest): Promise<TokenRequest>;
  /** The status of a TokenReview; no audiences: the API's own. */
  reviewToken(token: string, audiences?: readonly string[]): Promise<TokenReviewStatus>;
  /** /.well-known/openid-configuration */
  openidConfiguration(): object;
  /** /openid/v1/jwks */
  jsonWebKeySet(): { keys: object[] };
}

/** Builds authentication: certificates first, then front proxies, tokens, and the anonymous user. */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { objects, clock, serviceAccounts } = options;
  const keys = readTokenKeys(serviceAccounts.signingKey, serviceAccounts.olderPublicKeys);
  const issuers = serviceAccounts.issuers ?? [defaultIssuer];
  const audiences = serviceAccounts.audiences ?? issuers;
  const tokenOptions = { keys, issuers, audiences, objects, clock, labelSecret: serviceAccounts.labelSecret };
  const tokens = [
    ...(options.tokenFile === undefined ? [] : [staticTokens(options.tokenFile, audiences)]),
    serviceAccountTokens(tokenOptions),
    bootstrapTokens(objects, clock, audiences),
    ...(options.tokens ?? []),
  ];
  const chain: Authenticator[] = [
    ...(options.requestHeader ? [requestHeaders({ ...options.requestHeader, clock })] : []),
    clientCertificates({ authorities: options.clientAuthorities, clock }),
    bearerTokens(tokens, audiences),
    ...(options.anonymous === false ? [] : [anonymous(options.anonymous === true ? [] : options.anonymous)]),
  ];
  const jwks = jsonWebKeySet(keys);
  return {
    authenticate: (credentials) => authenticate(chain, credentials),
    issueToken: (subject, request) => issueToken(tokenOptions, subject, request),
    reviewToken: (token, asked = []) => reviewToken(tokens, token, asked, audiences),
    openidConfiguration: () => ({
      issuer: issuers[0],
      jwks_uri: `${issuers[0]}/openid/v1/jwks`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: [...new Set(keys.verifying.map((key) => key.algorithm))],
    }),
    jsonWebKeySet: () => jwks,
  };
}

/** The first answer counts. Leaves the synchronous path only for an authenticator that has to wait. */
function authenticate(chain: readonly Authenticator[], credentials: Credentials, from = 0): Promise<UserInfo> | UserInfo {
  for (let index = from; index < chain.length; index++) {
    const answer = chain[index]?.authenticate(credentials);
    if (answer instanceof Promise)
      return answer.then((user) => (user ? withAuthenticated(user) : authenticate(chain, credentials, index + 1)));
    if (answer) return withAuthenticated(answer);
  }
  throw unauthorized();
}
