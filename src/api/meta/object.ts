import type { ListMeta, ObjectMeta } from "../types/meta.v1.ts";

/** Metadata of an object that the API server has stored. */
export interface StoredMeta extends ObjectMeta {
  name: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
}

/** Metadata of a stored object that lives in a namespace. */
export interface NamespacedMeta extends StoredMeta {
  namespace: string;
}

/** Any object of the API: what generic code knows of it. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** A list as the API returns it. */
export interface KubeList<T = KubeObject> {
  apiVersion: string;
  kind: string;
  metadata: ListMeta;
  items: T[];
}

/** What a caller has to give to create a T: the server fills in the rest. */
export type Creatable<T> = Omit<T, "metadata" | "status"> & { metadata: ObjectMeta; status?: unknown };

/** "namespace/name", or "name" for an object outside namespaces: the key of queues and caches. */
export function keyOf(object: { metadata: ObjectMeta }): string {
  return key(object.metadata.namespace, object.metadata.name ?? "");
}

/** The key of an object by its namespace (undefined or "" outside namespaces) and name. */
export function key(namespace: string | undefined, name: string): string {
  return namespace ? `${namespace}/${name}` : name;
}

/** The namespace ("" outside namespaces) and name of a key. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf("/");
  return slash < 0 ? { namespace: "", name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
