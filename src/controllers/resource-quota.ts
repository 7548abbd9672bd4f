import { addUsage, countKey, quotaCovers, quotaUsage, type Usage } from "../api/core/quota-usage.ts";
import { deepEqual } from "../api/meta/equality.ts";
import { type KubeObject, keyOf } from "../api/meta/object.ts";
import { formatQuantity, zeroQuantity } from "../api/meta/quantity.ts";
import type { ResourceInfo } from "../api/resource.ts";
import type { ResourceQuota } from "../api/types/core.v1.ts";
import { CustomResourceDefinitions, ResourceQuotas } from "../api/types/resources.ts";
import type { Cache } from "../client/cache.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { customResource, deletableResources } from "./custom-resources.ts";
import { ignoreMissing } from "./ownership.ts";

/** Core resources with quota keys beyond their count. */
const counted = ["pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims"];

/** Whether the quota says anything about objects of that resource. */
function concerns(quota: ResourceQuota, resource: ResourceInfo): boolean {
  const keys = Object.keys(quota.spec?.hard ?? {});
  return (
    keys.includes(countKey(resource)) ||
    (resource.group === "" && counted.includes(resource.plural) && keys.some((k) => !k.startsWith("count/")))
  );
}

/** The status of a quota: its limits, and for each of them what the objects that it covers use. `now` in milliseconds. */
export function quotaStatus(
  quota: ResourceQuota,
  contents: readonly { resource: ResourceInfo; objects: readonly KubeObject[] }[],
  now: number,
): { hard: Record<string, string>; used: Record<string, string> } {
  const hard = quota.spec?.hard ?? {};
  let usage: Usage = {};
  for (const { resource, objects } of contents)
    for (const object of objects) if (quotaCovers(quota, resource, object)) usage = addUsage(usage, quotaUsage(resource, object, now));
  const used = Object.fromEntries(Object.keys(hard).map((key) => [key, formatQuantity(usage[key] ?? zeroQuantity)]));
  return { hard, used };
}

/** Keeps status.used of quotas true: admission counts up, this also counts down and puts right. */
export const createResourceQuotaController: ControllerFactory = ({ client, caches, clock }) => {
  const quotas = caches.of(ResourceQuotas);
  const definitions = caches.of(CustomResourceDefinitions);
  const resources = deletableResources().filter((r) => r.namespaced && r.verbs.includes("watch") && r.plural !== "events");
  const watched = resources.map((resource) => ({ resource, cache: caches.of<KubeObject>(resource) as Cache<KubeObject> }));

  async function customContents(quota: ResourceQuota) {
    const concerned = definitions
      .list()
      .flatMap((crd) => customResource(crd) ?? [])
      .filter((r) => r.namespaced && concerns(quota, r));
    return Promise.all(
      concerned.map(async (resource) => ({
        resource,
        objects: (await client.list<KubeObject>(resource, { namespace: quota.metadata.namespace })).items,
      })),
    );
  }

  return {
    name: "resourcequota",
    watches: [
      watch(definitions, () => []),
      ...watched.map(({ resource, cache }) =>
        watch(cache, (object) =>
          resource.plural === "resourcequotas"
            ? quotas.list(object.metadata.namespace).map(keyOf)
            : quotas
                .list(object.metadata.namespace)
                .filter((quota) => concerns(quota, resource))
                .map(keyOf),
        ),
      ),
    ],
    async reconcile(key) {
      const quota = quotas.byKey(key);
      if (!quota || quota.metadata.deletionTimestamp) return;
      const contents = watched
        .filter(({ resource }) => concerns(quota, resource))
        .map(({ resource, cache }) => ({ resource, objects: cache.list(quota.metadata.namespace) }));
      const status = quotaStatus(quota, [...contents, ...(await customContents(quota))], clock.now());
      if (deepEqual(status, { hard: quota.status?.hard ?? {}, used: quota.status?.used ?? {} })) return;
      await client.updateStatus(ResourceQuotas, { ...quota, status }).catch(ignoreMissing);
    },
  };
};
