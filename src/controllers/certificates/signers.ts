import type { CertificateSigningRequest } from "../../api/types/certificates.v1.ts";
import type { RequestFacts } from "../../pki/credentials.ts";

/** Which authority signs for a signer name, and what it demands of a request. */
export interface Signer {
  authority: "client" | "server";
  /** What is wrong with the request; undefined when it may be signed. */
  refuses(facts: RequestFacts, csr: CertificateSigningRequest): string | undefined;
}

const nodePrefix = "system:node:";

function usagesRefused(csr: CertificateSigningRequest, needed: string, allowed: readonly string[]): string | undefined {
  const usages = csr.spec.usages ?? [];
  if (!usages.includes(needed)) return `usages must contain ${needed}`;
  const odd = usages.find((usage) => usage !== needed && !allowed.includes(usage));
  return odd === undefined ? undefined : `usage ${odd} is not allowed`;
}

function nodeSubjectRefused(facts: RequestFacts): string | undefined {
  if (facts.organizations.length !== 1 || facts.organizations[0] !== "system:nodes") return "subject organization is not system:nodes";
  return facts.commonName.startsWith(nodePrefix) ? undefined : "subject common name does not begin with system:node:";
}

const keyUsages = ["key encipherment", "digital signature"];

/** The built-in signers by name. See "Certificates and Certificate Signing Requests". */
export const signers: Readonly<Record<string, Signer>> = {
  "kubernetes.io/kube-apiserver-client": {
    authority: "client",
    refuses: (_facts, csr) => usagesRefused(csr, "client auth", keyUsages),
  },
  "kubernetes.io/kube-apiserver-client-kubelet": {
    authority: "client",
    refuses(facts, csr) {
      if (facts.dnsNames.length + facts.ips.length + facts.emails.length + facts.uris.length > 0)
        return "subject alternative names are not allowed";
      return nodeSubjectRefused(facts) ?? usagesRefused(csr, "client auth", keyUsages);
    },
  },
  "kubernetes.io/kubelet-serving": {
    authority: "server",
    refuses(facts, csr) {
      if (facts.dnsNames.length + facts.ips.length === 0) return "at least one DNS or IP subjectAltName is required";
      if (facts.emails.length > 0) return "email subjectAltNames are not allowed";
      if (facts.uris.length > 0) return "URI subjectAltNames are not allowed";
      return nodeSubjectRefused(facts) ?? usagesRefused(csr, "server auth", keyUsages);
    },
  },
};

/** The request inside a CertificateSigningRequest, as PEM. */
export function requestPEM(csr: CertificateSigningRequest): string {
  return Buffer.from(csr.spec.request, "base64").toString();
}

/** Whether the request has that condition. */
export function csrIs(csr: CertificateSigningRequest, type: "Approved" | "Denied" | "Failed"): boolean {
  return csr.status?.conditions?.some((c) => c.type === type && c.status !== "False") ?? false;
}
