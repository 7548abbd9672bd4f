import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A key with its certificate, both in PEM, and the certificate in DER. */
export interface TestCertificate {
  key: string;
  certificate: string;
  der: Buffer;
}

/** An authority for tests, and what it signs. */
export interface TestAuthority extends TestCertificate {
  issue(subject: string, options?: { notAfter?: Date; addresses?: string[] }): Promise<TestCertificate>;
}

/** Makes an authority of that name. */
export async function testAuthority(name: string): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys: keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.UTC(2020, 0)),
    notAfter: new Date(Date.UTC(2050, 0)),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    ...(await exported(keys, certificate)),
    async issue(subject, { notAfter = new Date(Date.UTC(2049, 0)), addresses = [] } = {}) {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const issued = await x509.X509CertificateGenerator.create({
        subject,
        issuer: certificate.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        notBefore: new Date(Date.UTC(2020, 0)),
        notAfter,
        extensions: [new x509.SubjectAlternativeNameExtension(addresses.map((value) => ({ type: "ip", value })))],
      });
      return exported(own, issued);
    },
  };
}

async function exported(keys: webcrypto.CryptoKeyPair, certificate: x509.X509Certificate): Promise<TestCertificate> {
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const lines = pkcs8.toString("base64").replace(/(.{64})/g, "$1\n");
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
    certificate: certificate.toString("pem"),
    der: Buffer.from(certificate.rawData),
  };
}
