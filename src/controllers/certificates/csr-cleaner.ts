import { parseTime } from "../../api/meta/time.ts";
import type { CertificateSigningRequest } from "../../api/types/certificates.v1.ts";
import { CertificateSigningRequests } from "../../api/types/resources.ts";
import { type ControllerFactory, watch } from "../../client/controller.ts";
import { ignoreMissing } from "../ownership.ts";
import { csrIs } from "./signers.ts";

const hour = 3_600_000;

/** When the request is of no use any more, milliseconds since 1970: an hour after the decision, a day after it was made. */
export function uselessAt(csr: CertificateSigningRequest): number {
  const created = parseTime(csr.metadata.creationTimestamp) ?? 0;
  const decided = (csr.status?.conditions ?? []).map((c) => parseTime(c.lastUpdateTime) ?? created);
  const done = csrIs(csr, "Denied") || csrIs(csr, "Failed") || csr.status?.certificate !== undefined;
  return done ? Math.max(created, ...decided) + hour : created + 24 * hour;
}

/** Removes old certificate signing requests. */
export const createCSRCleaner: ControllerFactory = ({ client, caches, clock }) => {
  const requests = caches.of(CertificateSigningRequests);
  return {
    name: "certificatesigningrequest-cleaner",
    watches: [watch(requests, (csr) => [csr.metadata.name])],
    async reconcile(name) {
      const csr = requests.byKey(name);
      if (!csr) return;
      const left = uselessAt(csr) - clock.now();
      if (left > 0) return left;
      await client.delete(CertificateSigningRequests, { name }, { preconditions: { uid: csr.metadata.uid } }).catch(ignoreMissing);
    },
  };
};
