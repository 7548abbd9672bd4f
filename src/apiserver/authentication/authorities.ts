import { hash, X509Certificate } from "node:crypto";

/** The certificates in a PEM text, one or more. Throws when there is none or one cannot be read. */
export function parseAuthorities(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (!blocks) throw new Error("no certificate in the authorities' PEM text");
  return blocks.map((block) => new X509Certificate(block));
}

/** Whether one of the authorities signed the certificate. The TLS layer has checked the chain; this tells whose it is. */
export function isSignedBy(certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  return authorities.some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
}

/** The common name and organisations of a certificate's subject. */
export function subjectOf(certificate: X509Certificate): { commonName: string; organizations: string[] } {
  // Node's types know single values only; a name that is there twice comes as an array.
  const subject = certificate.toLegacyObject().subject as unknown as Record<string, string | string[] | undefined>;
  const values = (name: string): string[] => [subject[name] ?? []].flat();
  return { commonName: values("CN").at(-1) ?? "", organizations: values("O") };
}

const fingerprints = new WeakMap<Buffer, string>();

/** SHA-256 of a certificate in DER, in hexadecimal. Made once for a connection, which shows the same buffer with every request. */
export function fingerprintOf(der: Buffer): string {
  let fingerprint = fingerprints.get(der);
  if (!fingerprint) fingerprints.set(der, (fingerprint = hash("sha256", der, "hex")));
  return fingerprint;
}
