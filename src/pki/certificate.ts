import { hash, X509Certificate } from "node:crypto";
import ipaddr from "ipaddr.js";
import { BoundedMap } from "../lib/bounded-map.ts";

/** What a certificate says. */
export interface CertificateFacts {
  commonName: string;
  organizations: string[];
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  dnsNames: string[];
  /** In their shortest form: "127.0.0.1", "::1". */
  ips: string[];
  /** SHA-256 of the DER form, hex. */
  fingerprint: string;
}

const parsed = new BoundedMap<string, CertificateFacts>(4096);

/** What the certificate in DER form says; fast for one seen before: authentication asks for each request. Throws when it is none. */
export function parseCertificate(der: Buffer): CertificateFacts {
  const fingerprint = hash("sha256", der, "hex");
  let facts = parsed.get(fingerprint);
  if (!facts) parsed.set(fingerprint, (facts = factsOf(new X509Certificate(der), fingerprint)));
  return facts;
}

/** What the (first) certificate in PEM form says. Throws when it is none. */
export function parseCertificatePem(pem: string): CertificateFacts {
  return parseCertificate(new X509Certificate(pem).raw);
}

function factsOf(certificate: X509Certificate, fingerprint: string): CertificateFacts {
  // The text form of a subject escapes its values; only the object form gives them as they are.
  const subject = (certificate.toLegacyObject().subject ?? {}) as { CN?: string | string[]; O?: string | string[] };
  const names = subjectAlternativeNames(certificate.subjectAltName ?? "");
  return {
    commonName: [subject.CN ?? ""].flat().at(-1) ?? "",
    organizations: [subject.O ?? []].flat(),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    dnsNames: names.flatMap(([kind, value]) => (kind === "DNS" ? [value] : [])),
    ips: names.flatMap(([kind, value]) => (kind === "IP Address" ? [normalizeIp(value)] : [])),
    fingerprint,
  };
}

/** Splits `DNS:a, IP Address:::1, DNS:"odd, quoted"` as Node prints it. */
function subjectAlternativeNames(text: string): [kind: string, value: string][] {
  return [...text.matchAll(/([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)].map(([, kind = "", value = ""]) => {
    return [kind, value.startsWith('"') ? String(JSON.parse(value)) : value];
  });
}

/** The address in its shortest form, so that equal ones are equal texts. Throws when it is none. */
export function normalizeIp(address: string): string {
  return ipaddr.parse(address).toString();
}
