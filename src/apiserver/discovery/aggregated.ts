import { createHash } from "node:crypto";
import type { ResourceInfo } from "../../api/resource.ts";
import type { Registry } from "../registry.ts";
import { resourcesInOrder } from "./order.ts";

/** A document with its strong ETag. */
export interface Tagged {
  text: string;
  etag: string;
}

/** Aggregated discovery (KEP-3352): everything below /api or /apis in one document; made anew only after something changed. */
export class AggregatedDiscovery {
  private readonly registry: Registry;
  private readonly made = new Map<string, Tagged & { generation: number }>();

  constructor(registry: Registry) {
    this.registry = registry;
  }

  /** The document of the core group (/api) or of all others (/apis), in version v2 or v2beta1. */
  document(root: "api" | "apis", version: string): Tagged {
    const known = this.made.get(`${root} ${version}`);
    if (known?.generation === this.registry.generation) return known;
    const groups = root === "api" ? [{ name: "", versions: ["v1"] }] : this.registry.groups();
    const items = groups.map(({ name, versions }) => ({
      metadata: name ? { name } : {},
      versions: versions.map((served) => {
        const groupVersion = name ? `${name}/${served}` : served;
        const freshness = this.registry.remote(groupVersion)?.fresh === false ? "Stale" : "Current";
        return { version: served, resources: resourcesInOrder(this.registry, groupVersion).map(discovered), freshness };
      }),
    }));
    const text = JSON.stringify({ kind: "APIGroupDiscoveryList", apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items });
    const made = { ...tagged(text), generation: this.registry.generation };
    this.made.set(`${root} ${version}`, made);
    return made;
  }
}

/** A text with the ETag that its content gives. */
export function tagged(text: string): Tagged {
  return { text, etag: `"${createHash("sha256").update(text).digest("hex").toUpperCase()}"` };
}

function discovered(info: ResourceInfo): object {
  const subresources = Object.entries(info.subresources).map(([name, { kind, verbs, group, version }]) => ({
    subresource: name,
    responseKind: { group: version ? (group ?? "") : info.group, version: version ?? info.version, kind },
    verbs,
  }));
  return {
    resource: info.plural,
    responseKind: { group: info.group, version: info.version, kind: info.kind },
    scope: info.namespaced ? "Namespaced" : "Cluster",
    singularResource: info.singular,
    verbs: info.verbs,
    ...(info.shortNames.length > 0 ? { shortNames: info.shortNames } : {}),
    ...(info.categories.length > 0 ? { categories: info.categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}
