import type { Creatable, KubeList, KubeObject } from "../api/meta/object.ts";
import type { Resource } from "../api/resource.ts";
import type { DeleteOptions, PatchType, RequestOptions, Transport } from "./transport.ts";

/** An object by its name; the namespace is left out for objects outside namespaces. */
export interface Ref {
  namespace?: string;
  name: string;
}

/** Options of a write. */
export interface WriteOptions extends Pick<RequestOptions, "dryRun" | "fieldManager" | "force" | "signal"> {
  subresource?: string;
}

/** Options of a list. */
export type ListOptions = Pick<
  RequestOptions,
  "labelSelector" | "fieldSelector" | "resourceVersion" | "resourceVersionMatch" | "limit" | "continue" | "signal"
> & { namespace?: string };

/** Typed calls to the API. Everything that fails throws a StatusError. Objects that come back are shared: never change them. */
export class Client {
  readonly transport: Transport;
  private readonly writer: { fieldManager?: string };

  /** `fieldManager`: who owns the fields that it writes, where a call does not say; default: the user agent. */
  constructor(transport: Transport, fieldManager?: string) {
    this.transport = transport;
    this.writer = fieldManager ? { fieldManager } : {};
  }

  /** The same, writing in somebody's name. */
  as(fieldManager: string): Client {
    return new Client(this.transport, fieldManager);
  }

  async get<T>(resource: Resource<T>, ref: Ref, options?: { subresource?: string; signal?: AbortSignal }): Promise<T> {
    return as<T>(await this.transport.get({ resource, ...ref, subresource: options?.subresource }, { signal: options?.signal }));
  }

  async list<T>(resource: Resource<T>, { namespace, ...options }: ListOptions = {}): Promise<KubeList<T>> {
    return as<KubeList<T>>(await this.transport.list({ resource, namespace }, options));
  }

  async create<T>(resource: Resource<T>, object: Creatable<T>, options?: WriteOptions): Promise<T> {
    return as<T>(await this.transport.create({ resource, namespace: object.metadata.namespace }, object, { ...this.writer, ...options }));
  }

  /** A create on a subresource of a named object: a binding, an eviction, a token. */
  async createSub<R>(resource: Resource<unknown>, ref: Ref, subresource: string, body: unknown, options?: WriteOptions): Promise<R> {
    return as<R>(await this.transport.create({ resource, ...ref, subresource }, body, { ...this.writer, ...options }));
  }

  /** Replaces; fails with Conflict when metadata.resourceVersion is not the newest. */
  async update<T extends KubeObject>(resource: Resource<T>, object: T, { subresource, ...options }: WriteOptions = {}): Promise<T> {
    const { namespace, name = "" } = object.metadata;
    return as<T>(await this.transport.update({ resource, namespace, name, subresource }, object, { ...this.writer, ...options }));
  }

  /** Replaces the status; the rest of the object is ignored by the server. */
  updateStatus<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    return this.update(resource, object, { subresource: "status" });
  }

  async patch<T>(
    resource: Resource<T>,
    ref: Ref,
    patch: { type: PatchType; body: unknown },
    { subresource, ...options }: WriteOptions = {},
  ): Promise<T> {
    return as<T>(await this.transport.patch({ resource, ...ref, subresource }, patch.type, patch.body, { ...this.writer, ...options }));
  }

  async delete(resource: Resource<unknown>, ref: Ref, options?: DeleteOptions): Promise<void> {
    await this.transport.delete({ resource, ...ref }, options);
  }

  async deleteCollection(resource: Resource<unknown>, { namespace, ...options }: ListOptions = {}, body?: DeleteOptions): Promise<void> {
    await this.transport.deleteCollection({ resource, namespace }, body, options);
  }
}

/** The one place where an untyped reply becomes the type that the resource promises. */
function as<T>(reply: unknown): T {
  return reply as T;
}
