import { builtInResources, type ResourceInfo } from "../api/resource.ts";
import type { CustomResourceDefinition } from "../api/types/apiextensions.v1.ts";

const verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/** The resource of an established CRD, in its first served version; undefined while there is none. */
export function customResource(crd: CustomResourceDefinition): ResourceInfo | undefined {
  const established = crd.status?.conditions?.some((c) => c.type === "Established" && c.status === "True");
  const version = crd.spec.versions.find((v) => v.served && v.storage) ?? crd.spec.versions.find((v) => v.served);
  if (!established || !version || crd.metadata.deletionTimestamp) return undefined;
  const { group, names, scope } = crd.spec;
  return {
    group,
    version: version.name,
    groupVersion: `${group}/${version.name}`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    kind: names.kind,
    namespaced: scope === "Namespaced",
    verbs,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    type: undefined,
    subresources: {},
  };
}

/** The built-in resources whose objects can be listed and deleted, each once: not also in its other versions, and events only as core events. */
export function deletableResources(): ResourceInfo[] {
  const found = new Map<string, ResourceInfo>();
  for (const info of builtInResources()) {
    if (!info.verbs.includes("list") || !info.verbs.includes("delete") || info.group === "events.k8s.io") continue;
    const id = `${info.group}/${info.plural}`;
    if (!found.has(id)) found.set(id, info);
  }
  return [...found.values()];
}
