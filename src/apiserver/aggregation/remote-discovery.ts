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

/** Where the index of OpenAPI v3 says that a group version's document lies; undefined when it says nothing. */
export function openApiAddress(group: string, version: string, index: string): string | undefined {
  const address = /"serverRelativeURL":\s*"([^"]*)"/;
  const at = index.indexOf(`"apis/${group}/${version}"`);
  const found = at < 0 ? undefined : address.exec(index.slice(at))?.[1];
  return found?.startsWith(`/openapi/v3/apis/${group}/${version}`) ? found : undefined;
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
