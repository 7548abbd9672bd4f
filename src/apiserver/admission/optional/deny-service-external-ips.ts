import type { Service } from "../../../api/types/core.v1.ts";
import type { AdmissionPlugin } from "../admission.ts";
import { isFor, refuse } from "../request.ts";

/** Services take no external addresses beyond those that they have, by which one could draw others' traffic to oneself (CVE-2020-8554). */
export const denyServiceExternalIPs: AdmissionPlugin = {
  name: "DenyServiceExternalIPs",
  resources: ["services"],
  validate(request) {
    if (!isFor(request, "services") || !request.object || (request.operation !== "CREATE" && request.operation !== "UPDATE")) return;
    const addressesOf = (object: unknown): readonly string[] => (object as Service | undefined)?.spec?.externalIPs ?? []; // The resource says so.
    const before = addressesOf(request.old);
    if (!addressesOf(request.object).every((address) => before.includes(address)))
      throw refuse(request, "Use of external IPs is denied by admission control");
  },
};
