import type { KubeObject } from "../api/meta/object.ts";
import type { Resource, ResourceInfo } from "../api/resource.ts";
import type { Store } from "../store/store.ts";
import type { Objects } from "./objects.ts";
import { typed } from "./plain-data.ts";

/** The store's name of a resource: "group/plural". Both Events resources are one. */
export function storageOf({ group, plural }: Pick<ResourceInfo, "group" | "plural">): string {
  return group === "events.k8s.io" && plural === "events" ? "/events" : `${group}/${plural}`;
}

/** Reads the newest committed states from the store: frozen, shared, in the version that is stored. */
export function storeObjects(store: Store): Objects {
  return {
    get: <T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string) => {
      const stored = store.get({ resource: storageOf(resource), namespace: namespace ?? "", name });
      return stored && typed<T>(stored.object);
    },
    list<T extends KubeObject>(resource: Resource<T>, namespace?: string) {
      const name = storageOf(resource);
      // Asked with every write: of LimitRanges and quotas there are mostly none.
      if (store.count(name) === 0) return [];
      return store.list({ resource: name, namespace }).objects.map((stored) => typed<T>(stored.object));
    },
    onChange<T extends KubeObject>(resource: Resource<T>, handler: (object: T | undefined, old: T | undefined) => void) {
      const name = storageOf(resource);
      const { objects, revision } = store.list({ resource: name });
      for (const stored of objects) handler(typed<T>(stored.object), undefined);
      const watch = store.watch({ resource: name, from: revision }, ({ type, object, previous }) => {
        const before = previous && typed<T>(previous.object);
        handler(type === "DELETED" ? undefined : typed<T>(object.object), before);
      });
      return () => watch.stop();
    },
  };
}
