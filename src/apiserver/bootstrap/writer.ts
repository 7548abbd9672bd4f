import bootstrap from "../../api/schema/bootstrap.json" with { type: "json" };
import type { KubeObject } from "../../api/meta/object.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import type { Objects } from "../objects.ts";

/** How bootstrap writes: as the server itself, past authorisation. Objects are given away. */
export interface BootstrapWriter {
  create(resource: ResourceInfo, object: KubeObject): Promise<unknown>;
  update(resource: ResourceInfo, object: KubeObject, subresource?: string): Promise<unknown>;
}

/** One object that should be there. */
export interface Wanted {
  resource: ResourceInfo;
  object: KubeObject;
  /**
   * What to write where the object is there already: the changed copy, or undefined when nothing is to change. Without it, what is there
   * stays as it is.
   */
  merge?(current: KubeObject): KubeObject | undefined;
}

/** Brings the objects about, all at once. Returns how many were written: none in a cluster that has them. */
export async function ensure(objects: Objects, writer: BootstrapWriter, wanted: readonly Wanted[]): Promise<number> {
  const writes = wanted.map(async ({ resource, object, merge }): Promise<number> => {
    const current = objects.get<KubeObject>(resource, object.metadata.namespace, object.metadata.name ?? "");
    if (!current) {
      await writer.create(resource, structuredClone(object));
      return 1;
    }
    const next = merge?.(current);
    if (!next) return 0;
    await writer.update(resource, next);
    return 1;
  });
  const counts = await Promise.all(writes);
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The objects of a kind that every new cluster has, as upstream's first start leaves them. */
export function bootstrapObjects<T extends KubeObject = KubeObject>(resource: ResourceInfo): T[] {
  const objects: KubeObject[] = bootstrap[resource.kind] ?? [];
  return objects.map(
    (object) => ({ ...object, apiVersion: resource.groupVersion, kind: resource.kind }) as T, // The facts are grouped by kind.
  );
}

/** Whether `actual` has everything that `expected` has; what else it has (defaults, others' additions) does not matter. */
export function includes(actual: unknown, expected: unknown): boolean {
  if (expected === null || typeof expected !== "object") return actual === expected;
  if (Array.isArray(expected))
    return Array.isArray(actual) && actual.length === expected.length && expected.every((item, index) => includes(actual[index], item));
  if (actual === null || typeof actual !== "object") return false;
  const have = new Map(Object.entries(actual));
  return Object.entries(expected).every(([key, value]) => value === null || includes(have.get(key), value));
}
