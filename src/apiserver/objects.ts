import type { KubeObject } from "../api/meta/object.ts";
import type { Resource } from "../api/resource.ts";

/** How authentication, authorisation and admission read the cluster: the newest committed states, from memory, frozen. */
export interface Objects {
  get<T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string): T | undefined;
  list<T extends KubeObject>(resource: Resource<T>, namespace?: string): T[];
  /** Calls for every object there now and then for each change (undefined: it was added, or is gone). Returns how to end it. */
  onChange<T extends KubeObject>(resource: Resource<T>, handler: (object: T | undefined, old: T | undefined) => void): () => void;
}
