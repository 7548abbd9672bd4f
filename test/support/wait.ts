import type { KubeObject } from "../../src/api/meta/object.ts";
import type { Resource } from "../../src/api/resource.ts";
import type { Client } from "../../src/client/client.ts";

/** Whether a condition of that type is True. */
export function isTrue(conditions: readonly { type: string; status: string }[] | undefined, type: string): boolean {
  return conditions?.some((c) => c.type === type && c.status === "True") ?? false;
}

/** Resolves with the objects of the collection (or the one named) when it holds for them, looked at again at each event. */
export function until<T extends KubeObject>(
  client: Client,
  target: { resource: Resource<T>; namespace?: string; name?: string },
  holds: (objects: T[]) => boolean,
): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const objects = new Map<string, T>();
    let synced = false;
    const look = (): void => {
      const all = [...objects.values()];
      if (!synced || !holds(all)) return;
      stop();
      resolve(all);
    };
    const { name, ...collection } = target;
    const options = name ? { fieldSelector: `metadata.name=${name}` } : {};
    const stop = client.transport.watch(
      collection,
      {
        event({ type, object }) {
          const key = `${object.metadata.namespace}/${object.metadata.name}`;
          if (type === "DELETED") objects.delete(key);
          else if (type !== "BOOKMARK") objects.set(key, object as T); // what a watch of the resource brings is of its kind
          look();
        },
        synced() {
          synced = true;
          look();
        },
        closed: reject,
      },
      options,
    );
  });
}
