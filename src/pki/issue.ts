import "reflect-metadata";
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject, type webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

// Loading the library takes longer than everything else here. Only credentials.ts imports this file, when something is to be issued.

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

/** A new ECDSA P-256 private key, PEM (PKCS #8). */
export function newKey(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** A certificate for the authority with that key: a new one, or one more for an authority that goes on. */
export async function issueAuthority(commonName: string, key: string, validity: Validity): Promise<string> {
  const name = nameOf({ commonName });
  const publicKey = spkiOf(createPublicKey(key));
  const certificate = await X509CertificateGenerator.create({
    ...frame(validity),
    subject: name,
    issuer: name,
    publicKey,
    ...(await signer(key)),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment | KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return pem(certificate);
}

/** A certificate for that public key, signed by the authority; it never outlives the authority. */
export async function issueLeaf(authority: Credentials, publicKey: KeyObject, spec: LeafSpec, validity: Validity): Promise<string> {
  const issuer = new X509Certificate(authority.certificate);
  const names = alternativeNames(spec.names ?? []);
  const usages = spec.usages.map((usage) => (usage === "client auth" ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth));
  const encipher = publicKey.asymmetricKeyType === "rsa" ? KeyUsageFlags.keyEncipherment : 0;
  const certificate = await X509CertificateGenerator.create({
    ...frame({ notBefore: validity.notBefore, notAfter: Math.min(validity.notAfter, issuer.notAfter.getTime()) }),
    subject: nameOf(spec),
    issuer: issuer.subjectName,
    publicKey: spkiOf(publicKey),
    ...(await signer(authority.key)),
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | encipher, true),
      new ExtendedKeyUsageExtension(usages),
      new BasicConstraintsExtension(false, undefined, true),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return pem(certificate);
}

/** A request for a certificate, signed with the key, PEM. */
export async function makeRequest(key: string, spec: Omit<LeafSpec, "usages">): Promise<string> {
  const names = alternativeNames(spec.names ?? []);
  const publicKey = await createPublicKey(key).toCryptoKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]);
  const { signingKey, signingAlgorithm } = await signer(key);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: nameOf(spec),
    keys: { publicKey, privateKey: signingKey },
    signingAlgorithm,
    extensions: names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : [],
  });
  return `${request.toString("pem")}\n`;
}

/** What a request asks for. */
export interface RequestFacts {
  commonName: string;
  organizations: string[];
  dnsNames: string[];
  ips: string[];
  emails: string[];
  uris: string[];
  publicKey: KeyObject;
}

/** What the request (PEM or DER) asks for, once its signature is verified. Rejects when it is no request or not signed by its own key. */
export async function readRequest(request: string | Buffer): Promise<RequestFacts> {
  const csr = new Pkcs10CertificateRequest(request);
  if (!(await csr.verify())) throw new Error("the signature of the certificate request is not of its own key");
  const names = csr.extensions.flatMap((extension) => (extension instanceof SubjectAlternativeNameExtension ? extension.names.items : []));
  const of = (type: string): string[] => names.filter((name) => name.type === type).map((name) => name.value);
  return {
    commonName: csr.subjectName.getField("CN").at(-1) ?? "",
    organizations: csr.subjectName.getField("O"),
    dnsNames: of("dns"),
    ips: of("ip"),
    emails: of("email"),
    uris: of("url"),
    publicKey: createPublicKey({ key: Buffer.from(csr.publicKey.rawData), format: "der", type: "spki" }),
  };
}

function frame({ notBefore, notAfter }: Validity): { serialNumber: string; notBefore: Date; notAfter: Date } {
  // Positive and not zero: the first bit off, the second on.
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return { serialNumber: serial.toString("hex"), notBefore: new Date(notBefore), notAfter: new Date(notAfter) };
}

/** How to sign with that private key, whatever kind an operator has put in place. */
async function signer(key: string): Promise<{ signingKey: webcrypto.CryptoKey; signingAlgorithm: { name: string; hash: string } }> {
  const keyObject = createPrivateKey(key);
  if (keyObject.asymmetricKeyType === "rsa") {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    return { signingKey: await keyObject.toCryptoKey(algorithm, false, ["sign"]), signingAlgorithm: algorithm };
  }
  const namedCurve = keyObject.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "P-384" : "P-256";
  const signingKey = await keyObject.toCryptoKey({ name: "ECDSA", namedCurve }, false, ["sign"]);
  return { signingKey, signingAlgorithm: { name: "ECDSA", hash: "SHA-256" } };
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

/** Values as UTF8String objects: taken as they are, without the escapes of the library's text form. */
function nameOf({ commonName, organizations = [] }: { commonName: string; organizations?: readonly string[] }): JsonName {
  const parts = [...organizations.map((o) => ({ O: [{ utf8String: o }] })), { CN: [{ utf8String: commonName }] }];
  // The library takes values as objects too (its JsonNameParams), which its generators' types do not say.
  return parts as unknown as JsonName;
}

function alternativeNames(names: readonly string[]): JsonGeneralNames {
  return names.map((value) => ({ type: isIP(value) ? "ip" : "dns", value }));
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}
