import {
  addUsage,
  type CountedResource,
  exceedingUsage,
  missingResources,
  quotaCovers,
  quotaUsage,
  type Usage,
} from "../../api/core/quota-usage.ts";
import { type KubeObject, key } from "../../api/meta/object.ts";
import { addQuantities, canonicalQuantity, compareQuantities, formatQuantity, zeroQuantity } from "../../api/meta/quantity.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import type { Pod, ResourceQuota } from "../../api/types/core.v1.ts";
import { ResourceQuotas } from "../../api/types/resources.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { refuse } from "./request.ts";

/** What a write that is not committed yet will use. */
interface Reservation {
  object: KubeObject;
  usage: Usage;
}

/**
 * Refuses what would go beyond a ResourceQuota of the namespace. Counts what is there now, not what the quota's status says, and what
 * other writes on their way have reserved: two requests at once cannot both take the last place.
 */
export function resourceQuota({ objects, clock }: { objects: Objects; clock: Clock }): AdmissionPlugin {
  const reservations = new Reservations(objects);
  return {
    name: "ResourceQuota",
    validate(request) {
      const { operation, resource, namespace, object } = request;
      if ((operation !== "CREATE" && operation !== "UPDATE") || !object || !namespace) return;
      if (request.subresource !== "" && !(resource.plural === "pods" && request.subresource === "resize")) return;
      const quotas = objects.list(ResourceQuotas, namespace).filter((quota) => quotaCovers(quota, resource, object));
      if (quotas.length === 0) return;
      const now = clock.now();
      const cost = quotaUsage(resource, object, now);
      const more = request.old ? exceedingUsage(cost, quotaUsage(resource, request.old, now)) : cost;
      for (const quota of quotas) {
        requireAmounts(request, quota, object);
        const wanted = limitedBy(quota, more);
        if (Object.keys(wanted).length === 0) continue;
        const used = limitedBy(quota, addUsage(liveUsage(objects, quota, resource, now), reservations.of(quota, resource)));
        refuseExcess(request, quota, wanted, used);
      }
      request.onFailure(reservations.add(resource, object, more));
    },
  };
}

/** Writes on their way to the store. One ends when it fails, or when its object's change is seen. */
class Reservations {
  private readonly objects: Objects;
  private readonly byResource = new Map<string, Map<string, Reservation>>();

  constructor(objects: Objects) {
    this.objects = objects;
  }

  /** Returns how to give the reservation back. */
  add(resource: ResourceInfo, object: KubeObject, usage: Usage): () => void {
    const pending = this.pendingOf(resource);
    const id = key(object.metadata.namespace, object.metadata.name ?? "");
    const reservation = { object, usage };
    pending.set(id, reservation);
    return () => {
      if (pending.get(id) === reservation) pending.delete(id);
    };
  }

  of(quota: ResourceQuota, resource: ResourceInfo): Usage {
    let usage: Usage = {};
    for (const { object, usage: own } of this.pendingOf(resource).values())
      if (object.metadata.namespace === quota.metadata.namespace && quotaCovers(quota, resource, object)) usage = addUsage(usage, own);
    return usage;
  }

  private pendingOf(resource: ResourceInfo): Map<string, Reservation> {
    const id = `${resource.group}/${resource.plural}`;
    let pending = this.byResource.get(id);
    if (!pending) {
      const created = new Map<string, Reservation>();
      this.byResource.set(id, (pending = created));
      this.objects.onChange(resource, (object, old) => {
        const { namespace, name } = (object ?? old)?.metadata ?? {};
        created.delete(key(namespace, name ?? ""));
      });
    }
    return pending;
  }
}

/** Costs of objects as they are; they never change, and most are asked for again and again. */
const known = new WeakMap<KubeObject, Usage>();

function liveUsage(objects: Objects, quota: ResourceQuota, resource: ResourceInfo, now: number): Usage {
  const total: Record<string, { nano: bigint; format: Usage[string]["format"] }> = {};
  for (const object of objects.list(resource, quota.metadata.namespace)) {
    if (!quotaCovers(quota, resource, object)) continue;
    for (const [name, amount] of Object.entries(usageOf(resource, object, now)))
      total[name] = addQuantities(total[name] ?? zeroQuantity, amount);
  }
  return total;
}

function usageOf(resource: CountedResource, object: KubeObject, now: number): Usage {
  // What is being deleted stops to count at some time.
  if (object.metadata.deletionTimestamp) return quotaUsage(resource, object, now);
  let usage = known.get(object);
  if (!usage) known.set(object, (usage = quotaUsage(resource, object, now)));
  return usage;
}

function requireAmounts(request: AdmissionRequest, { metadata, spec }: ResourceQuota, object: KubeObject): void {
  if (request.resource.plural !== "pods" || request.resource.group !== "") return;
  const missing = missingResources(object as Pod, Object.keys(spec?.hard ?? {})); // The resource says which kind it is.
  if (missing) throw refuse(request, `failed quota: ${metadata.name}: must specify ${missing}`);
}

function limitedBy({ spec }: ResourceQuota, usage: Usage): Usage {
  return Object.fromEntries(Object.entries(usage).filter(([name]) => spec?.hard?.[name] !== undefined));
}

function refuseExcess(request: AdmissionRequest, { metadata, spec }: ResourceQuota, wanted: Usage, used: Usage): void {
  const exceeded = Object.keys(wanted)
    .sort()
    .filter((name) => {
      const total = addQuantities(used[name] ?? zeroQuantity, wanted[name] ?? zeroQuantity);
      return compareQuantities(total, spec?.hard?.[name] ?? "0") > 0;
    });
  if (exceeded.length === 0) return;
  const show = (amount: (name: string) => string): string => exceeded.map((name) => `${name}=${amount(name)}`).join(",");
  const requested = show((name) => formatQuantity(wanted[name] ?? zeroQuantity));
  const now = show((name) => formatQuantity(used[name] ?? zeroQuantity));
  const limited = show((name) => canonicalQuantity(spec?.hard?.[name] ?? "0"));
  throw refuse(request, `exceeded quota: ${metadata.name}, requested: ${requested}, used: ${now}, limited: ${limited}`);
}
