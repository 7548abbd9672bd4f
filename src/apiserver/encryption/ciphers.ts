import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import type { NamedKey, ProviderConfiguration } from "./configuration.ts";
import type { Provider } from "./provider.ts";

/** Encrypts bytes with one key. Authentic or not: the place is bound to them. */
interface Cipher {
  encrypt(plain: Buffer, place: string): Buffer;
  decrypt(sealed: Buffer, place: string): Buffer;
}

const tagLength = 16;
const nonceLength = 12;

/** AES-GCM with a random nonce of 12 bytes; the place is its additional authenticated data. */
export function aesGcm(secret: Buffer): Cipher {
  const algorithm = `aes-${secret.length * 8}-gcm` as "aes-256-gcm"; // Their types are the same.
  return {
    encrypt(plain, place) {
      const nonce = randomBytes(nonceLength);
      const cipher = createCipheriv(algorithm, secret, nonce).setAAD(Buffer.from(place));
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    decrypt(sealed, place) {
      const end = sealed.length - tagLength;
      if (end < nonceLength) throw new Error("the stored data was shorter than the required size");
      const decipher = createDecipheriv(algorithm, secret, sealed.subarray(0, nonceLength), { authTagLength: tagLength });
      decipher.setAAD(Buffer.from(place)).setAuthTag(sealed.subarray(end));
      return Buffer.concat([decipher.update(sealed.subarray(nonceLength, end)), decipher.final()]);
    },
  };
}

const infoLength = 32;

/**
 * AES-GCM with a key of its own for each value, which HKDF-Expand makes of the seed and 32 random bytes: a seed may be used for ever
 * (KEP-3299, KDF based nonce extension).
 */
export function aesGcmOfSeed(seed: Buffer): Cipher {
  const keyOf = (info: Buffer): Buffer => createHmac("sha256", seed).update(info).update("\x01").digest();
  return {
    encrypt(plain, place) {
      const info = randomBytes(infoLength);
      return Buffer.concat([info, aesGcm(keyOf(info)).encrypt(plain, place)]);
    },
    decrypt: (sealed, place) => aesGcm(keyOf(sealed.subarray(0, infoLength))).decrypt(sealed.subarray(infoLength), place),
  };
}

const blockLength = 16;

function aesCbc(secret: Buffer): Cipher {
  const algorithm = `aes-${secret.length * 8}-cbc`;
  return placed({
    encrypt(plain) {
      const iv = randomBytes(blockLength);
      const cipher = createCipheriv(algorithm, secret, iv);
      return Buffer.concat([iv, cipher.update(plain), cipher.final()]);
    },
    decrypt(sealed) {
      const decipher = createDecipheriv(algorithm, secret, sealed.subarray(0, blockLength));
      return Buffer.concat([decipher.update(sealed.subarray(blockLength)), decipher.final()]);
    },
  });
}

const longNonceLength = 24;

/** NaCl's secretbox: XSalsa20 and Poly1305, which Node's own crypto does not have. Loaded when somebody uses it. */
async function secretbox(secret: Buffer): Promise<Cipher> {
  const { xsalsa20poly1305 } = await import("@noble/ciphers/salsa.js");
  return placed({
    encrypt(plain) {
      const nonce = randomBytes(longNonceLength);
      return Buffer.concat([nonce, xsalsa20poly1305(secret, nonce).encrypt(plain)]);
    },
    decrypt: (sealed) =>
      Buffer.from(xsalsa20poly1305(secret, sealed.subarray(0, longNonceLength)).decrypt(sealed.subarray(longNonceLength))),
  });
}

/** Binds the place to what a cipher without additional data encrypts: it goes before the text. */
function placed(cipher: Cipher): Cipher {
  const head = (place: string): Buffer => Buffer.from(`${place}\n`);
  return {
    encrypt: (plain, place) => cipher.encrypt(Buffer.concat([head(place), plain]), place),
    decrypt(sealed, place) {
      const opened = cipher.decrypt(sealed, place);
      const expected = head(place);
      if (!opened.subarray(0, expected.length).equals(expected)) throw new Error("it was written for another object, or with another key");
      return opened.subarray(expected.length);
    },
  };
}

/** The providers of aescbc, aesgcm and secretbox: one for each key. */
export function keyProviders({ type, keys }: Extract<ProviderConfiguration, { keys: unknown }>): Promise<Provider[]> {
  return Promise.all(
    keys.map(async (key) => {
      const cipher = type === "aescbc" ? aesCbc(key.secret) : type === "aesgcm" ? aesGcm(key.secret) : await secretbox(key.secret);
      return keyProvider(`k8s:enc:${type}:v1:${key.name}:`, key, cipher);
    }),
  );
}

function keyProvider(prefix: string, { secret }: NamedKey, cipher: Cipher): Provider {
  const writer = `${prefix}${createHash("sha256").update(secret).digest("base64")}`;
  return {
    prefix,
    writer,
    seal: (text, place) => cipher.encrypt(Buffer.from(text), place).toString("base64"),
    open: (sealed, place) => ({ text: cipher.decrypt(Buffer.from(sealed, "base64"), place).toString(), writer }),
    reads: (other) => other === writer,
  };
}
