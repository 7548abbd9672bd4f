import { type KubeObject, key } from "../../../src/api/meta/object.ts";
import type { ResourceInfo } from "../../../src/api/resource.ts";
import type { Objects } from "../../../src/apiserver/objects.ts";

type Handler = (object: KubeObject | undefined, old: KubeObject | undefined) => void;

/** Objects held in a map: what authentication, authorisation and admission read in tests. */
export class MemoryObjects implements Objects {
  private readonly objects = new Map<string, Map<string, KubeObject>>();
  private readonly handlers = new Map<string, Set<Handler>>();

  // The resource says which type its objects have; the casts below only follow it.
  get<T extends KubeObject>(resource: ResourceInfo, namespace: string | undefined, name: string): T | undefined {
    return this.of(resource).get(key(namespace, name)) as T | undefined;
  }

  list<T extends KubeObject>(resource: ResourceInfo, namespace?: string): T[] {
    return [...this.of(resource).values()].filter((o) => namespace === undefined || o.metadata.namespace === namespace) as T[];
  }

  onChange<T extends KubeObject>(resource: ResourceInfo, handler: (object: T | undefined, old: T | undefined) => void): () => void {
    const untyped = handler as Handler;
    const handlers = this.handlers.get(id(resource)) ?? new Set();
    this.handlers.set(id(resource), handlers.add(untyped));
    for (const object of this.of(resource).values()) untyped(object, undefined);
    return () => handlers.delete(untyped);
  }

  /** Adds or replaces an object; what is left out of its metadata is filled in. */
  put(resource: ResourceInfo, object: object): void {
    const { metadata, ...rest } = object as Partial<KubeObject> & Pick<KubeObject, "metadata">;
    const whole: KubeObject = {
      apiVersion: resource.groupVersion,
      kind: resource.kind,
      metadata: { uid: `uid-${metadata.name}`, creationTimestamp: "2026-01-01T00:00:00Z", ...metadata },
      ...rest,
    };
    const name = key(whole.metadata.namespace, whole.metadata.name ?? "");
    const old = this.of(resource).get(name);
    this.of(resource).set(name, whole);
    for (const handler of this.handlers.get(id(resource)) ?? []) handler(whole, old);
  }

  remove(resource: ResourceInfo, namespace: string | undefined, name: string): void {
    const old = this.of(resource).get(key(namespace, name));
    this.of(resource).delete(key(namespace, name));
    for (const handler of this.handlers.get(id(resource)) ?? []) handler(undefined, old);
  }

  private of(resource: ResourceInfo): Map<string, KubeObject> {
    let objects = this.objects.get(id(resource));
    if (!objects) this.objects.set(id(resource), (objects = new Map()));
    return objects;
  }
}

function id(resource: ResourceInfo): string {
  return `${resource.group}/${resource.plural}`;
}
