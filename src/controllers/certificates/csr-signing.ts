import { now } from "../../api/meta/time.ts";
import type { CertificateSigningRequest } from "../../api/types/certificates.v1.ts";
import { CertificateSigningRequests } from "../../api/types/resources.ts";
import { type ControllerFactory, watch } from "../../client/controller.ts";
import { parseRequest } from "../../pki/credentials.ts";
import { ignoreMissing } from "../ownership.ts";
import type { ClusterSettings } from "../settings.ts";
import { csrIs, requestPEM, signers } from "./signers.ts";

/** Signs approved requests of the built-in signers, or says why it does not. */
export function csrSigning({ signCertificate }: Pick<ClusterSettings, "signCertificate">): ControllerFactory {
  return ({ client, caches, clock }) => {
    const requests = caches.of(CertificateSigningRequests);

    async function statusOf(csr: CertificateSigningRequest): Promise<CertificateSigningRequest["status"] | undefined> {
      const signer = signers[csr.spec.signerName];
      if (!signer) return undefined;
      const pem = requestPEM(csr);
      const refused = signer.refuses(await parseRequest(pem), csr);
      if (refused !== undefined) {
        const time = now(clock);
        const failed = {
          type: "Failed",
          status: "True",
          reason: "SignerValidationFailure",
          message: refused,
          lastUpdateTime: time,
          lastTransitionTime: time,
        };
        return { ...csr.status, conditions: [...(csr.status?.conditions ?? []), failed] };
      }
      const usages = (["client auth", "server auth"] as const).filter((usage) => csr.spec.usages?.includes(usage));
      const certificate = await signCertificate(signer.authority, pem, { usages, expirationSeconds: csr.spec.expirationSeconds });
      return { ...csr.status, certificate: Buffer.from(certificate).toString("base64") };
    }

    return {
      name: "certificatesigningrequest-signing",
      watches: [watch(requests, (csr) => [csr.metadata.name])],
      async reconcile(name) {
        const csr = requests.byKey(name);
        if (!csr || csr.status?.certificate || !csrIs(csr, "Approved") || csrIs(csr, "Denied") || csrIs(csr, "Failed")) return;
        const status = await statusOf(csr);
        if (status) await client.updateStatus(CertificateSigningRequests, { ...csr, status }).catch(ignoreMissing);
      },
    };
  };
}
