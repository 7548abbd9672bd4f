import type { ResourceInfo } from "../../api/resource.ts";
import type { Registry } from "../registry.ts";

/** The resources of a group version by name, as upstream lists them. */
export function resourcesInOrder(registry: Registry, groupVersion: string): ResourceInfo[] {
  const resources = registry.remote(groupVersion)?.resources ?? registry.resources(groupVersion).map(({ info }) => info);
  return [...resources].sort((a, b) => (a.plural < b.plural ? -1 : 1));
}
