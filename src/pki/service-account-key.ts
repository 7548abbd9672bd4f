import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { PkiFailed, readIfThere, writeAtomically } from "./files.ts";

/** The key that signs service account tokens. */
export interface ServiceAccountKey {
  privateKey: KeyObject;
  publicKey: KeyObject;
  /** The JWT algorithm. */
  algorithm: "ES256" | "RS256";
  /** Names the key in tokens and in the JWKS: the same as long as the key is. */
  kid: string;
}

/** The key in the folder's service-account.key, made when there is none. Rejects with PkiFailed when it is there but no usable key. */
export async function ensureServiceAccountKey(folder: string): Promise<ServiceAccountKey> {
  const path = join(folder, "service-account.key");
  let pem = await readIfThere(path);
  if (pem === undefined) {
    pem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await writeAtomically(path, pem, 0o600);
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    throw new PkiFailed(`${path} is not a private key; restore it, or remove it: all service account tokens must then be issued anew`);
  }
  const publicKey = createPublicKey(privateKey);
  const algorithm = algorithmOf(privateKey);
  if (!algorithm) throw new PkiFailed(`${path} must be an RSA key or an ECDSA key on the curve P-256`);
  const spki = publicKey.export({ type: "spki", format: "der" });
  return { privateKey, publicKey, algorithm, kid: createHash("sha256").update(spki).digest("base64url") };
}

function algorithmOf(key: KeyObject): "ES256" | "RS256" | undefined {
  if (key.asymmetricKeyType === "rsa") return "RS256";
  return key.asymmetricKeyDetails?.namedCurve === "prime256v1" ? "ES256" : undefined;
}
