import { now } from "../../api/meta/time.ts";
import { kubeletServerName } from "../../api/streaming/kubelet-paths.ts";
import type { SubjectAccessReview } from "../../api/types/authorization.v1.ts";
import type { CertificateSigningRequest } from "../../api/types/certificates.v1.ts";
import { CertificateSigningRequests, SubjectAccessReviews } from "../../api/types/resources.ts";
import type { Client } from "../../client/client.ts";
import { type ControllerFactory, watch } from "../../client/controller.ts";
import { parseRequest, type RequestFacts } from "../../pki/credentials.ts";
import { ignoreMissing } from "../ownership.ts";
import { csrIs, requestPEM, signers } from "./signers.ts";

const clientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
const servingSigner = "kubernetes.io/kubelet-serving";

/**
 * Whether a node may serve under all names that it asks for: the one name that is its kubelet's. Addresses are refused: the same authority
 * signs for API servers, and a node says itself which addresses it has.
 */
export function ownsNames({ commonName, dnsNames, ips }: RequestFacts): boolean {
  const own = kubeletServerName(commonName.slice("system:node:".length));
  return ips.length === 0 && dnsNames.every((name) => name === own);
}

async function mayCreate(client: Client, { spec }: CertificateSigningRequest, subresource: string): Promise<boolean> {
  const resourceAttributes = {
    group: "certificates.k8s.io",
    resource: "certificatesigningrequests",
    verb: "create",
    subresource,
    version: "*",
  };
  const review = await client.create<SubjectAccessReview>(SubjectAccessReviews, {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    metadata: {},
    spec: { user: spec.username, uid: spec.uid, groups: spec.groups, extra: spec.extra, resourceAttributes },
  });
  return review.status?.allowed === true;
}

/**
 * The sentence that goes with the approval of a request; undefined when somebody else has to decide. `mayCreate` says whether the requester may
 * create that subresource of requests: "nodeclient" or "selfnodeclient".
 */
export async function reasonToApprove(
  csr: CertificateSigningRequest,
  mayCreate: (subresource: string) => Promise<boolean>,
): Promise<string | undefined> {
  const { signerName, username } = csr.spec;
  const signer = signers[signerName];
  if (!signer || (signerName !== clientSigner && signerName !== servingSigner)) return undefined;
  const facts = await parseRequest(requestPEM(csr));
  if (signer.refuses(facts, csr) !== undefined) return undefined;
  const own = facts.commonName === username;
  if (signerName === servingSigner)
    return own && ownsNames(facts) ? "Auto approving kubelet serving certificate for the node's own name." : undefined;
  if (own && (await mayCreate("selfnodeclient"))) return "Auto approving self kubelet client certificate after SubjectAccessReview.";
  return (await mayCreate("nodeclient")) ? "Auto approving kubelet client certificate after SubjectAccessReview." : undefined;
}

/** Approves what kubelets ask for: their client certificates, first and renewed, and serving certificates for their own name. */
export const createCSRApproving: ControllerFactory = ({ client, caches, clock }) => {
  const requests = caches.of(CertificateSigningRequests);

  return {
    name: "certificatesigningrequest-approving",
    watches: [watch(requests, (csr) => [csr.metadata.name])],
    async reconcile(name) {
      const csr = requests.byKey(name);
      if (!csr || csr.status?.certificate || csrIs(csr, "Approved") || csrIs(csr, "Denied")) return;
      const message = await reasonToApprove(csr, (subresource) => mayCreate(client, csr, subresource));
      if (!message) return;
      const time = now(clock);
      const approved = {
        type: "Approved",
        status: "True",
        reason: "AutoApproved",
        message,
        lastUpdateTime: time,
        lastTransitionTime: time,
      };
      const conditions = [...(csr.status?.conditions ?? []), approved];
      await client
        .update(CertificateSigningRequests, { ...csr, status: { ...csr.status, conditions } }, { subresource: "approval" })
        .catch(ignoreMissing);
    },
  };
};
