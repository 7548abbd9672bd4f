import discovery from "./schema/discovery.json" with { type: "json" };
import type { ResourceFacts } from "./schema/facts.ts";
import types from "./schema/types.json" with { type: "json" };
import type { KubeObject } from "./meta/object.ts";

/** What identifies a resource and how its objects are addressed. */
export interface ResourceInfo {
  /** "" for the core group. */
  group: string;
  version: string;
  /** "v1" or "apps/v1". */
  groupVersion: string;
  /** "pods". */
  plural: string;
  singular: string;
  kind: string;
  namespaced: boolean;
  verbs: readonly string[];
  shortNames: readonly string[];
  categories: readonly string[];
  /** The type of its objects in types.json ("core.v1.Pod"); undefined for custom resources. */
  type: string | undefined;
  /** Its subresources by name ("status", "scale"), empty for most. */
  subresources: Readonly<Record<string, ResourceFacts>>;
}

/** A resource that knows the TypeScript type of its objects. T is carried by type only. */
export interface Resource<T> extends ResourceInfo {
  readonly objectType?: T;
}

const typeOfKind = new Map<string, string>();
for (const [name, facts] of Object.entries(types)) for (const gvk of facts.gvk ?? []) typeOfKind.set(gvk, name);

const byGroupVersion = new Map<string, Map<string, ResourceInfo>>();
for (const [groupVersion, resources] of Object.entries(discovery.resources)) {
  const slash = groupVersion.indexOf("/");
  const group = slash < 0 ? "" : groupVersion.slice(0, slash);
  const version = groupVersion.slice(slash + 1);
  const infos = new Map<string, ResourceInfo>();
  byGroupVersion.set(groupVersion, infos);
  for (const [plural, facts] of Object.entries(resources)) {
    if (plural.includes("/")) continue;
    const subresources: Record<string, ResourceFacts> = {};
    for (const [name, sub] of Object.entries(resources))
      if (name.startsWith(`${plural}/`)) subresources[name.slice(plural.length + 1)] = sub;
    infos.set(plural, {
      group,
      version,
      groupVersion,
      plural,
      singular: facts.singularName,
      kind: facts.kind,
      namespaced: facts.namespaced,
      verbs: facts.verbs,
      shortNames: facts.shortNames ?? [],
      categories: facts.categories ?? [],
      type: typeOfKind.get(`${groupVersion} ${facts.kind}`),
      subresources,
    });
  }
}

/** The built-in resource of that group version ("apps/v1") and plural name. Throws when there is none: a programmer's mistake. */
export function resource<T = KubeObject>(groupVersion: string, plural: string): Resource<T> {
  const info = findResource(groupVersion, plural);
  if (!info) throw new Error(`no resource ${plural} in ${groupVersion}`);
  return info;
}

/** The built-in resource of that group version and plural name, if there is one. */
export function findResource(groupVersion: string, plural: string): ResourceInfo | undefined {
  return byGroupVersion.get(groupVersion)?.get(plural);
}

/** The built-in resource whose objects carry this apiVersion and kind, if there is one. */
export function findKind(apiVersion: string, kind: string): ResourceInfo | undefined {
  for (const info of byGroupVersion.get(apiVersion)?.values() ?? []) if (info.kind === kind) return info;
  return undefined;
}

/** All built-in resources, in discovery's order. */
export function builtInResources(): ResourceInfo[] {
  return [...byGroupVersion.values()].flatMap((infos) => [...infos.values()]);
}
