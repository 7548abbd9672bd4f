import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { type JWTPayload, SignJWT } from "jose";
import { type SecureServer, startSecureServer } from "./secure-server.ts";

/** An OpenID Connect issuer on loopback TLS: its discovery document, its keys, and the tokens that it signs. */
export interface JwtIssuer extends SecureServer {
  /** A token for audience "hue" that lives five minutes, with these claims beside; what is undefined is left out. */
  token(claims?: JWTPayload, signedBy?: SigningKey): Promise<string>;
  /** Takes a new key in the place of the old one. */
  rotate(): void;
}

/** A key and the name by which tokens refer to it. */
export interface SigningKey {
  key: KeyObject;
  id: string;
}

let made = 0;

/** Makes a key that no issuer shows. */
export function newSigningKey(): SigningKey & { jwk: object } {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const id = `key-${++made}`;
  return { key: privateKey, id, jwk: { ...publicKey.export({ format: "jwk" }), kid: id, use: "sig", alg: "RS256" } };
}

/** Starts one. `now` in milliseconds, for tokens' times. */
export async function startJwtIssuer(now: () => number = Date.now): Promise<JwtIssuer> {
  let current = newSigningKey();
  const server = await startSecureServer(({ path }) => {
    if (path === "/.well-known/openid-configuration") return { body: { issuer: server.url, jwks_uri: `${server.url}/keys` } };
    if (path === "/keys") return { body: { keys: [current.jwk] } };
    return { code: 404 };
  });
  return Object.assign(server, {
    token(claims: JWTPayload = {}, { key, id }: SigningKey = current) {
      const seconds = Math.floor(now() / 1000);
      const all = { iss: server.url, aud: "hue", sub: "jane", iat: seconds, exp: seconds + 300, ...claims };
      const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
      return new SignJWT(given).setProtectedHeader({ alg: "RS256", kid: id }).sign(key);
    },
    rotate() {
      current = newSigningKey();
    },
  });
}
