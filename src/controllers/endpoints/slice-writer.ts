import { keyOf, type KubeObject } from "../../api/meta/object.ts";
import { controllerReference } from "../../api/meta/owners.ts";
import type { EndpointSlice } from "../../api/types/discovery.v1.ts";
import type { ObjectMeta } from "../../api/types/meta.v1.ts";
import { EndpointSlices } from "../../api/types/resources.ts";
import type { Cache } from "../../client/cache.ts";
import type { Client } from "../../client/client.ts";
import type { Written } from "../../client/written.ts";
import { ignoreMissing } from "../ownership.ts";
import { ignoreTerminating } from "../pod-control.ts";
import type { SlicePlan } from "./slices.ts";

/** Says which controller made a slice. */
export const managedByLabel = "endpointslice.kubernetes.io/managed-by";
const index = "service and manager";

/** Makes slices found by slicesOf. */
export function indexSlices(cache: Cache<EndpointSlice>): void {
  cache.addIndex(index, ({ metadata: { namespace, labels } }) => {
    const service = labels?.["kubernetes.io/service-name"];
    return service ? [`${namespace}/${service} ${labels?.[managedByLabel] ?? ""}`] : [];
  });
}

/** The slices of a service (key) that this manager made and that are not being deleted. */
export function slicesOf(cache: Cache<EndpointSlice>, serviceKey: string, manager: string): EndpointSlice[] {
  return cache.byIndex(index, `${serviceKey} ${manager}`).filter((slice) => !slice.metadata.deletionTimestamp);
}

/** The key of the service whose slice this is, if that manager made it. */
export function serviceKeyOf(slice: EndpointSlice, manager: string): string[] {
  const { namespace, labels } = slice.metadata;
  const service = labels?.["kubernetes.io/service-name"];
  return service && labels?.[managedByLabel] === manager ? [`${namespace}/${service}`] : [];
}

/** Writes a plan; `owner` (a Service or Endpoints) becomes the slices' controller. */
export async function writeSlices(
  plan: SlicePlan,
  {
    owner,
    metadata,
    client,
    cache,
    written,
  }: { owner: KubeObject; metadata: ObjectMeta; client: Client; cache: Cache<EndpointSlice>; written: Written },
): Promise<void> {
  const key = keyOf(owner);
  const { namespace = "", name = "" } = owner.metadata;
  for (const content of plan.create) {
    const ownerReferences = [controllerReference(owner)];
    const object = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, namespace, generateName: `${name}-`, ownerReferences },
      ...content,
    } as const;
    const made = await client.create(EndpointSlices, object).catch(ignoreTerminating);
    if (made) written.wrote(key, cache, made);
  }
  for (const slice of plan.update) written.wrote(key, cache, await client.update(EndpointSlices, slice));
  for (const slice of plan.remove) {
    await client.delete(EndpointSlices, slice.metadata).catch(ignoreMissing);
    written.deleted(key, cache, slice);
  }
}
