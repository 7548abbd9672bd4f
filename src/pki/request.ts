import "reflect-metadata";
import { createPublicKey, type KeyObject } from "node:crypto";
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from "@peculiar/x509";

// Loading this library takes long: import this file only when a request has come (credentials.ts does).

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
