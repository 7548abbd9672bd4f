import { resourcesInOrder } from "./order.ts";
import type { Registry, ServedGroup } from "../registry.ts";

/** /api: which versions of the core group there are. */
export function apiVersions(serverAddress: string): object {
  const serverAddressByClientCIDRs = [{ clientCIDR: "0.0.0.0/0", serverAddress }];
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs };
}

/** /apis: all groups with their versions. */
export function apiGroupList(registry: Registry): object {
  return { kind: "APIGroupList", apiVersion: "v1", groups: registry.groups().map(groupOf) };
}

/** /apis/GROUP; undefined when there is no such group. */
export function apiGroup(registry: Registry, name: string): object | undefined {
  const group = registry.groups().find((served) => served.name === name);
  return group && { kind: "APIGroup", apiVersion: "v1", ...groupOf(group) };
}

/** /api/v1 and /apis/GROUP/VERSION: the resources and subresources of one version. */
export function apiResourceList(registry: Registry, groupVersion: string): object | undefined {
  if (!registry.has(groupVersion)) return undefined;
  const resources = resourcesInOrder(registry, groupVersion).flatMap((info) => [
    {
      name: info.plural,
      singularName: info.singular,
      namespaced: info.namespaced,
      kind: info.kind,
      verbs: info.verbs,
      ...(info.shortNames.length > 0 ? { shortNames: info.shortNames } : {}),
      ...(info.categories.length > 0 ? { categories: info.categories } : {}),
    },
    ...Object.entries(info.subresources).map(([name, { kind, verbs, group, version }]) => ({
      name: `${info.plural}/${name}`,
      singularName: "",
      namespaced: info.namespaced,
      ...(version ? { group, version } : {}),
      kind,
      verbs,
    })),
  ]);
  return { kind: "APIResourceList", ...(groupVersion === "v1" ? {} : { apiVersion: "v1" }), groupVersion, resources };
}

function groupOf({ name, versions }: ServedGroup): object {
  const all = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: all, preferredVersion: all[0] };
}
