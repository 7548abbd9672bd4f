import { isDeepStrictEqual } from "node:util";
import { alreadyExists, conflict, expired, notFound, StatusError } from "../../../src/api/errors.ts";
import type { KubeList, KubeObject } from "../../../src/api/meta/object.ts";
import type {
  DeleteOptions,
  PatchType,
  RequestOptions,
  Target,
  Transport,
  WatchEvent,
  WatchHandler,
} from "../../../src/client/transport.ts";
import type { Clock } from "../../../src/lib/clock.ts";

interface Stored extends KubeObject {
  spec?: unknown;
  status?: unknown;
}

interface Watcher {
  target: Target;
  handler: WatchHandler;
  fieldSelector: string | undefined;
}

/**
 * The least of an API server that controllers need, for tests: names, revisions, generations, conflicts, finalizers, graceful deletion of
 * bound pods, watches with history. No validation, no defaults, no admission.
 */
export class MemoryAPI implements Transport {
  private readonly clock: Clock;
  private readonly objects = new Map<string, Stored>();
  private readonly history: { target: string; event: WatchEvent; revision: number }[] = [];
  private readonly watchers = new Set<Watcher>();
  private revision = 100;
  private compacted = 0;
  private counter = 0;
  private readonly outbox: (() => void)[] = [];
  private delivering = false;
  /** Called before each write; may throw to make it fail. */
  beforeWrite: (verb: string, target: Target, object: unknown) => void = () => {};
  /** How many watches were ever begun. */
  watches = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  async get(target: Target): Promise<KubeObject> {
    return this.find(target);
  }

  async list(target: Target, options: RequestOptions = {}): Promise<KubeList> {
    const items = this.collection(target, options.fieldSelector);
    return { apiVersion: "v1", kind: "List", metadata: { resourceVersion: String(this.revision) }, items };
  }

  async create(target: Target, object: unknown): Promise<KubeObject> {
    this.beforeWrite("create", target, object);
    const copy = structuredClone(object) as Stored;
    const name = copy.metadata.name ?? `${copy.metadata.generateName}${(++this.counter).toString(36).padStart(5, "0")}`;
    const id = identify({ ...target, name });
    if (this.objects.has(id)) throw alreadyExists({ kind: target.resource.plural, name });
    copy.metadata = {
      ...copy.metadata,
      name,
      uid: `uid-${++this.counter}`,
      creationTimestamp: new Date(this.clock.now()).toISOString().replace(".000Z", "Z"),
      generation: 1,
    };
    if (copy.kind === "Pod") copy.status = { phase: "Pending", ...(copy.status as object | undefined) };
    return this.store(target, id, copy, "ADDED");
  }

  async update(target: Target, object: unknown): Promise<KubeObject> {
    this.beforeWrite(target.subresource ? `update ${target.subresource}` : "update", target, object);
    const next = structuredClone(object) as Stored;
    const old = this.find(target);
    if (next.metadata.resourceVersion && next.metadata.resourceVersion !== old.metadata.resourceVersion)
      throw conflict({ kind: target.resource.plural, name: target.name }, "the object has been modified");
    return this.replace(
      target,
      old,
      target.subresource === "status" ? { ...old, status: next.status } : { ...next, status: old.status ?? next.status },
    );
  }

  async patch(target: Target, _type: PatchType, patch: unknown): Promise<KubeObject> {
    this.beforeWrite("patch", target, patch);
    const old = this.find(target);
    const wanted = (patch as Partial<KubeObject>).metadata ?? {};
    for (const field of ["resourceVersion", "uid"] as const)
      if (wanted[field] && wanted[field] !== old.metadata[field])
        throw conflict({ kind: target.resource.plural, name: target.name }, "the object has been modified");
    return this.replace(target, old, merge(structuredClone(old), patch) as Stored);
  }

  async delete(target: Target, body: DeleteOptions = {}): Promise<KubeObject> {
    this.beforeWrite("delete", target, body);
    const old = this.find(target);
    if (body.preconditions?.uid && body.preconditions.uid !== old.metadata.uid)
      throw conflict({ kind: target.resource.plural, name: target.name }, "Precondition failed: UID in precondition does not match");
    const pod = old as Stored & { spec?: { nodeName?: string }; status?: { phase?: string } };
    const running = pod.kind === "Pod" && pod.spec?.nodeName && !["Succeeded", "Failed"].includes(pod.status?.phase ?? "");
    const graceful = body.gracePeriodSeconds !== 0 && running;
    const finalizers = [...(old.metadata.finalizers ?? []), ...(body.propagationPolicy === "Foreground" ? ["foregroundDeletion"] : [])];
    if (!graceful && finalizers.length === 0) return this.store(target, identify(target), structuredClone(old), "DELETED");
    if (old.metadata.deletionTimestamp && graceful) return old;
    const next = structuredClone(old);
    next.metadata.deletionTimestamp ??= new Date(this.clock.now()).toISOString();
    next.metadata.deletionGracePeriodSeconds = graceful ? 30 : 0;
    if (finalizers.length) next.metadata.finalizers = finalizers;
    return this.store(target, identify(target), next, "MODIFIED");
  }

  deleteCollection(_target: Target): Promise<KubeObject> {
    throw new StatusError({ code: 405, reason: "MethodNotAllowed" });
  }

  watch(target: Target, handler: WatchHandler, options: RequestOptions = {}): () => void {
    this.watches++;
    const watcher: Watcher = { target, handler, fieldSelector: options.fieldSelector };
    const from = options.resourceVersion ? Number(options.resourceVersion) : undefined;
    if (from !== undefined && from < this.compacted) {
      this.deliver(() => handler.closed(expired("too old resource version")));
      return () => {};
    }
    this.watchers.add(watcher);
    if (from !== undefined) {
      for (const { target: of, event, revision } of this.history)
        if (revision > from && of === collectionOf(target)) this.deliver(() => handler.event(event));
    } else {
      for (const object of this.collection(target, options.fieldSelector)) this.deliver(() => handler.event({ type: "ADDED", object }));
      const bookmark = { apiVersion: "", kind: "", metadata: { resourceVersion: String(this.revision) } };
      this.deliver(() => handler.event({ type: "BOOKMARK", object: bookmark }));
      this.deliver(() => handler.synced());
    }
    return () => this.watchers.delete(watcher);
  }

  close(): void {
    this.watchers.clear();
  }

  /** Ends all watches with that error. */
  breakWatches(error?: unknown): void {
    for (const { handler } of [...this.watchers]) this.deliver(() => handler.closed(error));
    this.watchers.clear();
  }

  /** Forgets the history: watches cannot be resumed from before. */
  compact(): void {
    this.compacted = this.revision + 1;
    this.revision++;
    this.history.length = 0;
  }

  private find(target: Target): Stored {
    const object = this.objects.get(identify(target));
    if (!object) throw notFound({ kind: target.resource.plural, name: target.name });
    return object;
  }

  private collection(target: Target, fieldSelector: string | undefined): Stored[] {
    const prefix = `${collectionOf(target)}/${target.namespace ? `${target.namespace}/` : ""}`;
    return [...this.objects].filter(([id, object]) => id.startsWith(prefix) && selects(fieldSelector, object)).map(([, object]) => object);
  }

  private replace(target: Target, old: Stored, next: Stored): KubeObject {
    next.metadata = { ...next.metadata, resourceVersion: old.metadata.resourceVersion };
    if (!isDeepStrictEqual(next.spec, old.spec)) next.metadata.generation = (old.metadata.generation ?? 0) + 1;
    if (isDeepStrictEqual(next, old)) return old;
    const gone = next.metadata.deletionTimestamp !== undefined && !next.metadata.finalizers?.length && old.metadata.finalizers?.length;
    return this.store(target, identify(target), next, gone ? "DELETED" : "MODIFIED");
  }

  private store(target: Target, id: string, given: Stored, type: WatchEvent["type"]): KubeObject {
    const object = { ...given, metadata: { ...given.metadata, resourceVersion: String(++this.revision) } };
    freeze(object);
    const old = this.objects.get(id);
    if (type === "DELETED") this.objects.delete(id);
    else this.objects.set(id, object);
    this.history.push({ target: collectionOf(target), event: { type, object }, revision: this.revision });
    for (const { target: watched, handler, fieldSelector } of this.watchers) {
      if (collectionOf(watched) !== collectionOf(target)) continue;
      const was = old !== undefined && selects(fieldSelector, old);
      const is = type !== "DELETED" && selects(fieldSelector, object);
      if (was || is) this.deliver(() => handler.event({ type: !is ? "DELETED" : was ? "MODIFIED" : "ADDED", object }));
    }
    return object;
  }

  private deliver(call: () => void): void {
    this.outbox.push(call);
    if (this.delivering) return;
    this.delivering = true;
    for (let next = this.outbox.shift(); next; next = this.outbox.shift()) next();
    this.delivering = false;
  }
}

function collectionOf({ resource }: Target): string {
  return `${resource.groupVersion}/${resource.plural}`;
}

function identify(target: Target): string {
  return `${collectionOf(target)}/${target.namespace ? `${target.namespace}/` : ""}${target.name}`;
}

/** One requirement of the form path=value. */
function selects(fieldSelector: string | undefined, object: unknown): boolean {
  if (!fieldSelector) return true;
  const [path = "", value] = fieldSelector.split("=");
  return path.split(".").reduce<unknown>((at, field) => (at as Record<string, unknown> | undefined)?.[field], object) === value;
}

/** JSON merge patch. */
function merge(old: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result = { ...(typeof old === "object" && !Array.isArray(old) ? old : {}) } as Record<string, unknown>;
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = merge(result[field], value);
  }
  return result;
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const field of Object.values(value)) freeze(field);
  }
  return value;
}
