import { unknownResource } from "../api/errors.ts";
import type { KubeList, KubeObject } from "../api/meta/object.ts";
import type { UserInfo } from "../api/user.ts";
import type { ApiServer } from "../apiserver/apiserver.ts";
import { type Call, unheard } from "../apiserver/call.ts";
import { typed, untyped } from "../apiserver/plain-data.ts";
import { bookmarkObject } from "../apiserver/watch/watch.ts";
import type { PatchType, RequestOptions, Target, Transport, WatchHandler } from "../client/transport.ts";

/** A member of system:masters, who may do everything. */
const master: UserInfo = { name: "system:hue", groups: ["system:masters", "system:authenticated"] };

/** The way to an API server in the same process: its verbs, with the store's own frozen objects and without serialisation. */
export function createLocalTransport(server: ApiServer): Transport {
  return new LocalTransport(server);
}

class LocalTransport implements Transport {
  private readonly server: ApiServer;
  private readonly stops = new Set<() => void>();

  constructor(server: ApiServer) {
    this.server = server;
  }

  async get(target: Target): Promise<KubeObject> {
    return (await this.server.verbs.get(this.call(target))).object;
  }

  async list(target: Target, options: RequestOptions = {}): Promise<KubeList> {
    const { kind, apiVersion, metadata, items } = await this.server.verbs.list(this.call(target), options);
    return { kind, apiVersion, metadata, items: items.map(({ object }) => object) };
  }

  async create(target: Target, object: unknown, options?: RequestOptions): Promise<KubeObject> {
    const call = this.call(target, options);
    return (await this.server.verbs.create(call, this.sent(call, object))).view.object;
  }

  async update(target: Target, object: unknown, options?: RequestOptions): Promise<KubeObject> {
    const call = this.call(target, options);
    return (await this.server.verbs.update(call, this.sent(call, object))).view.object;
  }

  async patch(target: Target, type: PatchType, body: unknown, options?: RequestOptions): Promise<KubeObject> {
    return (await this.server.verbs.patch(this.call(target, options), { type, body })).view.object;
  }

  async delete(target: Target, body: Parameters<Transport["delete"]>[1] = {}, options?: RequestOptions): Promise<KubeObject> {
    const call = this.call(target, { dryRun: body.dryRun, ...options });
    return (await this.server.verbs.delete(call, body)).view.object;
  }

  async deleteCollection(
    target: Target,
    body: Parameters<Transport["deleteCollection"]>[1] = {},
    options: RequestOptions = {},
  ): Promise<KubeObject> {
    const call = this.call(target, { dryRun: body.dryRun, ...options });
    const { kind, apiVersion, metadata, items } = await this.server.verbs.deleteCollection(call, body, options);
    return untyped({ kind, apiVersion, metadata, items: items.map(({ object }) => object) });
  }

  watch(target: Target, handler: WatchHandler, options: RequestOptions = {}): () => void {
    let running: (() => void) | undefined;
    let stopped = false;
    const stop = (): void => {
      stopped = true;
      this.stops.delete(stop);
      running?.();
    };
    const fail = (error: unknown): void => {
      if (stopped) return;
      stop();
      handler.closed(error);
    };
    this.stops.add(stop);
    // The caller has its stop function before the first event comes.
    queueMicrotask(() => {
      if (stopped) return;
      try {
        running = this.start(target, handler, options, () => stopped, fail);
        if (stopped) running();
      } catch (error) {
        fail(error);
      }
    });
    return stop;
  }

  close(): void {
    for (const stop of [...this.stops]) stop();
  }

  private start(
    target: Target,
    handler: WatchHandler,
    options: RequestOptions,
    stopped: () => boolean,
    fail: (error: unknown) => void,
  ): () => void {
    const call = this.call(target);
    const { labelSelector, fieldSelector, resourceVersion } = options;
    const initial = resourceVersion ? {} : { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" };
    const watch = this.server.verbs.watch(call, { labelSelector, fieldSelector, resourceVersion, ...initial });
    return watch.start({
      event(type, view) {
        if (!stopped()) handler.event({ type, object: view.object });
      },
      bookmark(revision, initialEnd) {
        if (stopped()) return;
        handler.event({ type: "BOOKMARK", object: bookmarkObject(call, revision, initialEnd) });
        if (initialEnd) handler.synced();
      },
      failed: (error) => queueMicrotask(() => fail(error)),
    });
  }

  private call({ resource, namespace = "", name = "", subresource = "" }: Target, options: RequestOptions = {}): Call {
    const handler = this.server.registry.find(resource.groupVersion, resource.plural);
    if (!handler) throw unknownResource();
    const dryRun = options.dryRun ?? false;
    const { fieldManager } = options;
    return {
      handler,
      namespace: handler.info.namespaced ? namespace : "",
      name,
      subresource,
      user: master,
      dryRun,
      warn: unheard,
      ...(fieldManager ? { fieldManager } : {}),
    };
  }

  /** A mutable copy of what the caller gave, as the schema knows it. */
  private sent(call: Call, object: unknown): KubeObject {
    const { schema, apiVersion, kind } = this.server.verbs.bodyKind(call);
    return { ...typed<KubeObject>(untyped(schema.prune(object).value)), apiVersion, kind };
  }
}
