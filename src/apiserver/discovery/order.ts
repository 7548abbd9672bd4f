import type { Registry } from "../registry.ts";
import type { ResourceHandler } from "../resource-handler.ts";

/** The resources of a group version by name, as upstream lists them. */
export function resourcesInOrder(registry: Registry, groupVersion: string): ResourceHandler[] {
  return registry.resources(groupVersion).sort((a, b) => (a.info.plural < b.info.plural ? -1 : 1));
}
