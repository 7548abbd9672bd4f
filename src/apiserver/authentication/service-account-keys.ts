import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** A key that service account tokens are signed or verified with. */
export interface TokenKey {
  key: KeyObject;
  /** As in the token's header: the digest of the public key. */
  id: string;
  algorithm: "RS256" | "ES256" | "ES384" | "ES512";
}

/** The keys of the cluster's service account tokens. */
export interface TokenKeys {
  signing: TokenKey;
  /** The signing key's public half first, then older ones. */
  verifying: readonly TokenKey[];
}

/** Reads the signing key and further public keys (of earlier signing keys), all in PEM. Throws when one is of no usable kind. */
export function readTokenKeys(privateKey: string, olderPublicKeys: readonly string[] = []): TokenKeys {
  const key = createPrivateKey(privateKey);
  const own = tokenKey(createPublicKey(key));
  return { signing: { ...own, key }, verifying: [own, ...olderPublicKeys.map((pem) => tokenKey(createPublicKey(pem)))] };
}

/** The public keys as a JSON Web Key Set, for those who verify tokens themselves: /openid/v1/jwks. */
export function jsonWebKeySet(keys: TokenKeys): { keys: object[] } {
  return {
    keys: keys.verifying.map(({ key, id, algorithm }) => ({ use: "sig", ...key.export({ format: "jwk" }), kid: id, alg: algorithm })),
  };
}

function tokenKey(key: KeyObject): TokenKey {
  const id = createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("base64url");
  const curve = key.asymmetricKeyDetails?.namedCurve ?? "";
  const curves: Record<string, TokenKey["algorithm"]> = { prime256v1: "ES256", secp384r1: "ES384", secp521r1: "ES512" };
  const algorithm = key.asymmetricKeyType === "rsa" ? "RS256" : curves[curve];
  if (!algorithm) throw new Error(`service account keys must be RSA or ECDSA, this one is ${key.asymmetricKeyType} ${curve}`);
  return { key, id, algorithm };
}
