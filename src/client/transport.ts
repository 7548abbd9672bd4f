import type { KubeList, KubeObject } from "../api/meta/object.ts";
import type { ResourceInfo } from "../api/resource.ts";

/** Which object, or which collection when the name is left out. */
export interface Target {
  resource: ResourceInfo;
  /** "" or undefined: outside namespaces, or all of them. */
  namespace?: string;
  name?: string;
  /** "status", "scale", "binding", ... */
  subresource?: string;
}

/** Query options as in the API; each is sent only when set. */
export interface RequestOptions {
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
  resourceVersionMatch?: "Exact" | "NotOlderThan";
  limit?: number;
  continue?: string;
  dryRun?: boolean;
  fieldManager?: string;
  force?: boolean;
  signal?: AbortSignal;
}

/** The body of a delete, as in the API. */
export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: "Orphan" | "Background" | "Foreground";
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: boolean;
}

/** The four patch formats. */
export type PatchType = "json" | "merge" | "strategic" | "apply";

/** One event of a watch. */
export interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: KubeObject;
}

/** What a watch tells its owner. Calls come in order, never one inside another. */
export interface WatchHandler {
  event(event: WatchEvent): void;
  /**
   * All objects that were there at the start have been delivered (a watch with initial events). A BOOKMARK event with the revision of
   * that start comes right before it, so that the watch can be resumed from there.
   */
  synced(): void;
  /** The watch has ended, by the server or by an error (a StatusError 410 when the revision is too old); never after stop(). */
  closed(error: unknown): void;
}

/**
 * The way to an API server: in the same process (server/local-transport.ts, shared frozen objects, no serialisation) or over HTTPS
 * (client/https-transport.ts). Both pass one contract test. Everything that fails throws a StatusError.
 * Objects that come back are shared: never change them, make a copy (structuredClone).
 */
export interface Transport {
  get(target: Target, options?: RequestOptions): Promise<KubeObject>;
  list(target: Target, options?: RequestOptions): Promise<KubeList>;
  create(target: Target, object: unknown, options?: RequestOptions): Promise<KubeObject>;
  update(target: Target, object: unknown, options?: RequestOptions): Promise<KubeObject>;
  patch(target: Target, type: PatchType, patch: unknown, options?: RequestOptions): Promise<KubeObject>;
  delete(target: Target, body?: DeleteOptions, options?: RequestOptions): Promise<KubeObject>;
  deleteCollection(target: Target, body?: DeleteOptions, options?: RequestOptions): Promise<KubeObject>;
  /** Without options.resourceVersion it starts with an ADDED for each object that is there, then synced(). Returns how to stop it. */
  watch(target: Target, handler: WatchHandler, options?: RequestOptions): () => void;
  close(): void;
}
