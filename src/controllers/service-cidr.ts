import ipaddr from "ipaddr.js";
import { deepEqual } from "../api/meta/equality.ts";
import { setCondition } from "../api/meta/conditions.ts";
import { now } from "../api/meta/time.ts";
import type { Condition } from "../api/types/meta.v1.ts";
import type { IPAddress, ServiceCIDR } from "../api/types/networking.v1.ts";
import { IPAddresses, ServiceCIDRs } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { ignoreMissing } from "./ownership.ts";

const finalizer = "networking.k8s.io/service-cidr-finalizer";

/** Whether the address lies in the range. */
export function inCIDR(address: string, cidr: string): boolean {
  const parsed = ipaddr.parse(address);
  const [base, bits] = ipaddr.parseCIDR(cidr);
  return parsed.kind() === base.kind() && parsed.match(base, bits);
}

/** Whether an address in use belongs to this range and to no other one. */
function isNeeded(cidr: ServiceCIDR, others: readonly ServiceCIDR[], addresses: readonly IPAddress[]): boolean {
  const within = (range: ServiceCIDR, address: IPAddress): boolean =>
    (range.spec?.cidrs ?? []).some((c) => inCIDR(address.metadata.name, c));
  return addresses.some((address) => within(cidr, address) && !others.some((other) => within(other, address)));
}

/** Says that ranges of service addresses are ready, and keeps those that are deleted until no service needs them. */
export const createServiceCIDRController: ControllerFactory = ({ client, caches, clock }) => {
  const ranges = caches.of(ServiceCIDRs);
  const addresses = caches.of(IPAddresses);
  const deleting = (): string[] => ranges.list().flatMap((r) => (r.metadata.deletionTimestamp ? [r.metadata.name] : []));
  return {
    name: "service-cidr",
    watches: [watch(ranges, (range) => [range.metadata.name]), watch(addresses, deleting)],
    async reconcile(name) {
      const range = ranges.byKey(name);
      if (!range) return;
      const { deletionTimestamp, finalizers = [] } = range.metadata;
      const others = ranges.list().filter((r) => r !== range && !r.metadata.deletionTimestamp);
      const ready: Condition = deletionTimestamp
        ? {
            type: "Ready",
            status: "False",
            reason: "Terminating",
            message: "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
            lastTransitionTime: "",
          }
        : { type: "Ready", status: "True", reason: "", message: "Kubernetes Service CIDR is ready", lastTransitionTime: "" };
      if (deletionTimestamp && !isNeeded(range, others, addresses.list())) {
        const body = {
          metadata: { resourceVersion: range.metadata.resourceVersion, finalizers: finalizers.filter((f) => f !== finalizer) },
        };
        if (finalizers.includes(finalizer)) await client.patch(ServiceCIDRs, { name }, { type: "merge", body }).catch(ignoreMissing);
        return;
      }
      if (!deletionTimestamp && !finalizers.includes(finalizer))
        await client.patch(
          ServiceCIDRs,
          { name },
          {
            type: "merge",
            body: { metadata: { resourceVersion: range.metadata.resourceVersion, finalizers: [...finalizers, finalizer] } },
          },
        );
      const { lastTransitionTime: _unset, ...condition } = ready;
      const conditions = setCondition<Partial<Condition> & { type: string; status: string }>(
        range.status?.conditions,
        condition,
        now(clock),
      );
      if (!deepEqual(conditions, range.status?.conditions ?? []))
        await client
          .patch(ServiceCIDRs, { name }, { type: "merge", body: { status: { conditions } } }, { subresource: "status" })
          .catch(ignoreMissing);
    },
  };
};
