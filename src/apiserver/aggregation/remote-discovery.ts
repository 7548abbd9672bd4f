import type { ResourceInfo } from "../../api/resource.ts";
import type { ResourceFacts } from "../../api/schema/facts.ts";

/** A line of an APIResourceList. */
interface ListedResource {
  name: string;
  singularName?: string;
  namespaced?: boolean;
  kind: string;
  group?: string;
  version?: string;
  verbs?: string[];
  shortNames?: string[];
  categories?: string[];
}

/** The resources of an extension server's APIResourceList, as discovery shows them. What is no such list has none. */
export function remoteResources(group: string, version: string, text: string): ResourceInfo[] {
  const listed = resourcesOf(text);
  const groupVersion = `${group}/${version}`;
  const subresourcesOf = (plural: string): Record<string, ResourceFacts> =>
    Object.fromEntries(
      listed.filter(({ name }) => name.startsWith(`${plural}/`)).map((one) => [one.name.slice(plural.length + 1), factsOf(one)]),
    );
  return listed
    .filter(({ name }) => !name.includes("/"))
    .map((one) => ({
      group,
      version,
      groupVersion,
      plural: one.name,
      singular: one.singularName ?? "",
      kind: one.kind,
      namespaced: one.namespaced ?? false,
      verbs: one.verbs ?? [],
      shortNames: one.shortNames ?? [],
      categories: one.categories ?? [],
      type: undefined,
      subresources: subresourcesOf(one.name),
    }));
}

function factsOf({ singularName = "", namespaced = false, kind, verbs = [], group, version }: ListedResource): ResourceFacts {
  return { singularName, namespaced, kind, verbs, ...(version ? { group: group ?? "", version } : {}) };
}

function resourcesOf(text: string): ListedResource[] {
  try {
    const list: unknown = JSON.parse(text);
    if (typeof list !== "object" || list === null || !("resources" in list) || !Array.isArray(list.resources)) return [];
    return list.resources.filter((one: Partial<ListedResource> | null) => typeof one?.name === "string" && typeof one.kind === "string");
  } catch {
    return [];
  }
}
