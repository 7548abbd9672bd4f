import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { bits, element, elementsOf, integer, namedBits, nothing, octets, oid, sequence, set, tagged, time, utf8, yes } from "./der.ts";

// Certificates are encoded here and not by a library: a first start then takes milliseconds for all of them, where loading
// one takes tenths of a second. What others send is read by libraries (request.ts, node:crypto).

/** A certificate and its private key, PEM both. */
export interface Credentials {
  certificate: string;
  key: string;
}

/** What a certificate may be used for. */
export type Usage = "client auth" | "server auth";

/** What a certificate is to say. */
export interface LeafSpec {
  commonName: string;
  organizations?: readonly string[];
  /** DNS names and addresses. */
  names?: readonly string[];
  usages: readonly Usage[];
}

/** From when to when, milliseconds since 1970. */
export interface Validity {
  notBefore: number;
  notAfter: number;
}

const usageOids: Record<Usage, string> = { "server auth": "1.3.6.1.5.5.7.3.1", "client auth": "1.3.6.1.5.5.7.3.2" };
const digitalSignature = 0;
const keyEncipherment = 2;
const keyCertSign = 5;

/** A new ECDSA P-256 private key, PEM. In the form of SEC 1, whose first line says what it is: some clients take all others for RSA keys. */
export function newKey(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "sec1", format: "pem" }).toString();
}

/** A certificate for the authority with that key: a new one, or one more for an authority that goes on. */
export function issueAuthority(commonName: string, key: string, validity: Validity): string {
  const name = nameOf({ commonName });
  const spki = spkiOf(createPublicKey(key));
  return issue(key, name, name, spki, validity, [
    extension("2.5.29.15", namedBits(digitalSignature, keyEncipherment, keyCertSign), true),
    extension("2.5.29.19", sequence(yes), true),
    extension("2.5.29.14", octets(keyIdentifier(spki))),
  ]);
}

/** A certificate for that public key, signed by the authority; it never outlives the authority. */
export function issueLeaf(authority: Credentials, publicKey: KeyObject, spec: LeafSpec, { notBefore, notAfter }: Validity): string {
  const issuer = new X509Certificate(authority.certificate);
  const { subject, identifier } = identityOf(issuer);
  const validity = { notBefore, notAfter: Math.min(notAfter, Date.parse(issuer.validTo)) };
  const keyUsages = publicKey.asymmetricKeyType === "rsa" ? [digitalSignature, keyEncipherment] : [digitalSignature];
  return issue(authority.key, subject, nameOf(spec), spkiOf(publicKey), validity, [
    extension("2.5.29.15", namedBits(...keyUsages), true),
    extension("2.5.29.37", sequence(...spec.usages.map((usage) => oid(usageOids[usage])))),
    extension("2.5.29.19", sequence(), true),
    ...(identifier ? [extension("2.5.29.35", sequence(element(0x80, identifier)))] : []),
    ...alternativeNames(spec.names),
  ]);
}

/** A request for a certificate (PKCS #10), signed with the key, PEM. */
export function makeRequest(key: string, spec: Omit<LeafSpec, "usages">): string {
  const names = alternativeNames(spec.names);
  const attributes = names.length > 0 ? [sequence(oid("1.2.840.113549.1.9.14"), set(sequence(...names)))] : [];
  const body = sequence(integer(0), nameOf(spec), spkiOf(createPublicKey(key)), tagged(0, ...attributes));
  return pem("CERTIFICATE REQUEST", signed(body, createPrivateKey(key)));
}

function issue(signingKey: string, issuer: Buffer, subject: Buffer, spki: Buffer, validity: Validity, extensions: Buffer[]): string {
  const key = createPrivateKey(signingKey);
  const period = sequence(time(validity.notBefore), time(validity.notAfter));
  const version = tagged(0, integer(2));
  const body = sequence(version, serialNumber(), algorithmOf(key), issuer, period, subject, spki, tagged(3, sequence(...extensions)));
  return pem("CERTIFICATE", signed(body, key));
}

function signed(body: Buffer, key: KeyObject): Buffer {
  return sequence(body, algorithmOf(key), bits(sign("sha256", body, key)));
}

/** SHA-256 with ECDSA, or with RSA where an operator has put such a key in place. */
function algorithmOf(key: KeyObject): Buffer {
  return key.asymmetricKeyType === "rsa" ? sequence(oid("1.2.840.113549.1.1.11"), nothing) : sequence(oid("1.2.840.10045.4.3.2"));
}

/** Positive, and of 16 bytes also as DER: the first bit off, the second on. */
function serialNumber(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return integer(serial);
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

/** RFC 5280, 4.2.1.2: SHA-1 of the key's bits. It only helps to find the issuer; nothing is trusted because of it. */
function keyIdentifier(spki: Buffer): Buffer {
  const [, key] = elementsOf(elementsOf(spki)[0]?.content ?? Buffer.of());
  return createHash("sha1")
    .update(key?.content.subarray(1) ?? spki)
    .digest();
}

/** The authority's subject exactly as it stands in its certificate, and its key identifier: what it signs must repeat both. */
function identityOf(certificate: X509Certificate): { subject: Buffer; identifier: Buffer | undefined } {
  const body = elementsOf(elementsOf(elementsOf(certificate.raw)[0]?.content ?? Buffer.of())[0]?.content ?? Buffer.of());
  const fields = body[0]?.tag === 0xa0 ? body.slice(1) : body;
  const extensions = elementsOf(elementsOf(body.find(({ tag }) => tag === 0xa3)?.content ?? Buffer.of())[0]?.content ?? Buffer.of());
  const identifier = extensions.map(({ content }) => elementsOf(content)).find(([id]) => id?.whole.equals(oid("2.5.29.14")));
  // serialNumber, signature, issuer, validity, subject
  return {
    subject: fields[4]?.whole ?? sequence(),
    identifier: identifier && elementsOf(identifier.at(-1)?.content ?? Buffer.of())[0]?.content,
  };
}

function nameOf({ commonName, organizations = [] }: { commonName: string; organizations?: readonly string[] }): Buffer {
  const part = (id: string, value: string): Buffer => set(sequence(oid(id), utf8(value)));
  return sequence(...organizations.map((organization) => part("2.5.4.10", organization)), part("2.5.4.3", commonName));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return critical ? sequence(oid(id), yes, octets(value)) : sequence(oid(id), octets(value));
}

/** The extension with these DNS names and addresses; none for none. */
function alternativeNames(names: readonly string[] = []): Buffer[] {
  if (names.length === 0) return [];
  const entries = names.map((name) =>
    isIP(name) ? element(0x87, Buffer.from(ipaddr.parse(name).toByteArray())) : element(0x82, Buffer.from(name)),
  );
  return [extension("2.5.29.17", sequence(...entries))];
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
