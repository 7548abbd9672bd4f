import type { IncomingHttpHeaders } from "node:http";
import { decodeJwt } from "jose";
import { StatusError, unauthorized } from "../../api/errors.ts";
import type { UserInfo } from "../../api/user.ts";
import type { Authenticator } from "./authenticator.ts";

/** Whom a token speaks for, and which of the audiences asked for it is meant for. */
export interface TokenResult {
  user: UserInfo;
  audiences: readonly string[];
}

/**
 * One kind of bearer token: static, bootstrap, service account. Undefined: not of this kind; throws unauthorized() when it is,
 * and is wrong. Used for requests (audiences: the API's own) and for TokenReviews.
 */
export interface TokenAuthenticator {
  name: string;
  authenticateToken(token: string, audiences: readonly string[]): Promise<TokenResult | undefined> | TokenResult | undefined;
}

/** What the WebSocket subprotocol that carries a token begins with. */
export const bearerProtocol = "base64url.bearer.authorization.k8s.io.";

/** The token in an Authorization header, or in the subprotocol that browsers send with a WebSocket. */
export function bearerTokenOf(headers: IncomingHttpHeaders): string | undefined {
  const authorization = headers.authorization;
  if (authorization && /^bearer /i.test(authorization)) return authorization.slice(7).trim() || undefined;
  for (const protocol of headers["sec-websocket-protocol"]?.split(",") ?? []) {
    const text = protocol.trim();
    if (text.startsWith(bearerProtocol)) return Buffer.from(text.slice(bearerProtocol.length), "base64url").toString() || undefined;
  }
  return undefined;
}

/** Who says that he has issued the token, when it has the form of a JWT; nothing of it has been verified. */
export function issuerOf(token: string): string | undefined {
  if (token.split(".").length !== 3) return undefined;
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

/** Asks each kind in turn; the first that vouches for the token decides. Throws unauthorized() when none does, with what the first said. */
export async function authenticateToken(
  kinds: readonly TokenAuthenticator[],
  token: string,
  audiences: readonly string[],
): Promise<TokenResult> {
  const result = await firstResult(kinds, token, audiences);
  if (!result) throw unauthorized("invalid bearer token");
  return result;
}

/** Kinds that may become others while the server runs, as one. */
export function changingTokens(kinds: () => readonly TokenAuthenticator[]): TokenAuthenticator {
  return { name: "changing", authenticateToken: (token, audiences) => firstResult(kinds(), token, audiences) };
}

async function firstResult(
  kinds: readonly TokenAuthenticator[],
  token: string,
  audiences: readonly string[],
): Promise<TokenResult | undefined> {
  let refusal: StatusError | undefined;
  for (const kind of kinds) {
    try {
      const result = await kind.authenticateToken(token, audiences);
      if (result) return result;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      refusal ??= error;
    }
  }
  if (refusal) throw refusal;
  return undefined;
}

/** Requests with a bearer token. A token that nobody vouches for is an error, never an anonymous request. */
export function bearerTokens(kinds: readonly TokenAuthenticator[], audiences: readonly string[]): Authenticator {
  return {
    name: "bearer-token",
    authenticate({ headers }) {
      const token = bearerTokenOf(headers);
      if (token === undefined) return undefined;
      return authenticateToken(kinds, token, audiences).then(
        (result) => result.user,
        (error: unknown) => {
          // The caller is not told what was wrong with the token.
          throw error instanceof StatusError ? unauthorized() : error;
        },
      );
    },
  };
}
