import type { StoredMeta } from "../../api/meta/object.ts";

/** The class that an annotation marks as the default: the newest where several do, then the first by name. */
export function newestDefault<T extends { metadata: StoredMeta }>(classes: readonly T[], annotations: readonly string[]): T | undefined {
  return classes
    .filter(({ metadata }) => annotations.some((name) => metadata.annotations?.[name] === "true"))
    .sort(({ metadata: a }, { metadata: b }) =>
      a.creationTimestamp === b.creationTimestamp ? (a.name < b.name ? -1 : 1) : a.creationTimestamp > b.creationTimestamp ? -1 : 1,
    )[0];
}
