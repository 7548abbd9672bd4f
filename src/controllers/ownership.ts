import { isReason } from "../api/errors.ts";
import { matchesLabelSelector } from "../api/meta/labels.ts";
import { type KubeObject, key, keyOf } from "../api/meta/object.ts";
import { controllerOf, controllerReference } from "../api/meta/owners.ts";
import type { Resource } from "../api/resource.ts";
import type { LabelSelector, OwnerReference } from "../api/types/meta.v1.ts";
import type { Cache } from "../client/cache.ts";
import type { Client } from "../client/client.ts";
import type { Written } from "../client/written.ts";

const index = "controller";

/** Makes the cache find objects by the uid of their controller, and those without one by their namespace. */
export function indexByController<T extends KubeObject>(cache: Cache<T>): void {
  cache.addIndex(index, (object) => [controllerOf(object)?.uid ?? `orphans of ${object.metadata.namespace ?? ""}`]);
}

/** The objects that have `owner` as their controller. The cache must be indexed by controller. */
export function ownedBy<T extends KubeObject>(cache: Cache<T>, owner: KubeObject): T[] {
  return cache.byIndex(index, owner.metadata.uid ?? "");
}

/** The objects of that namespace that no controller owns. The cache must be indexed by controller. */
export function orphansIn<T extends KubeObject>(cache: Cache<T>, namespace: string): T[] {
  return cache.byIndex(index, `orphans of ${namespace}`);
}

/** The keys of the owners that an object concerns: its controller if that is of the owners' kind, or all that would adopt it. */
export function ownerKeys<O extends KubeObject>(
  owners: Cache<O>,
  selectorOf: (owner: O) => LabelSelector | undefined,
): (object: KubeObject) => readonly string[] {
  const { kind, group } = owners.resource;
  return (object) => {
    const { namespace, labels, deletionTimestamp } = object.metadata;
    const controller = controllerOf(object);
    if (controller) return controller.kind === kind && groupOf(controller.apiVersion) === group ? [key(namespace, controller.name)] : [];
    if (deletionTimestamp) return [];
    return owners
      .list(namespace)
      .filter((owner) => matchesLabelSelector(selectorOf(owner), labels))
      .map(keyOf);
  };
}

/** What a controller needs to claim its objects. */
export interface ClaimOptions<T extends KubeObject> {
  client: Client;
  cache: Cache<T>;
  owner: KubeObject;
  ownerResource: Resource<KubeObject>;
  /** Whether the owner's selector selects the object. */
  selects: (object: T) => boolean;
  /** Which objects count at all; others are neither taken nor released. Default: all. */
  counts?: (object: T) => boolean;
  /** A finalizer that the owner's objects carry: put on what is adopted, taken off what is released. */
  finalizer?: string;
  written: Written;
}

/**
 * The objects that belong to the owner: those it controls, and orphans that its selector selects, which are adopted; what no longer matches
 * is released. Before the first adoption the owner is read anew: a deleted one must not adopt. The cache must be indexed by controller.
 */
export async function claim<T extends KubeObject>(options: ClaimOptions<T>): Promise<T[]> {
  const { cache, owner, client, counts = () => true } = options;
  const { namespace = "", deletionTimestamp } = owner.metadata;
  const claimed: T[] = [];
  for (const object of ownedBy(cache, owner).filter(counts)) {
    if (options.selects(object)) claimed.push(object);
    else if (!deletionTimestamp) await release(options, object);
  }
  if (deletionTimestamp) return claimed;
  const orphans = orphansIn(cache, namespace).filter(
    (object) => !object.metadata.deletionTimestamp && options.selects(object) && counts(object),
  );
  if (orphans.length === 0) return claimed;
  const fresh = await client.get(options.ownerResource, { namespace, name: owner.metadata.name ?? "" }).catch(ignoreMissing);
  if (fresh?.metadata.uid !== owner.metadata.uid || fresh?.metadata.deletionTimestamp) return claimed;
  for (const orphan of orphans) {
    const adopted = await setOwners(options, orphan, [...(orphan.metadata.ownerReferences ?? []), controllerReference(owner)]);
    if (adopted) claimed.push(adopted);
  }
  return claimed;
}

async function release<T extends KubeObject>(options: ClaimOptions<T>, object: T): Promise<void> {
  const others = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== options.owner.metadata.uid);
  await setOwners(options, object, others);
}

/** Writes the owner references if the object is still as the cache showed it; undefined when it is gone. */
async function setOwners<T extends KubeObject>(
  options: ClaimOptions<T>,
  object: T,
  ownerReferences: OwnerReference[],
): Promise<T | undefined> {
  const { client, cache, owner, written } = options;
  const { namespace, name = "", resourceVersion } = object.metadata;
  const { finalizer } = options;
  const finalizers = (object.metadata.finalizers ?? []).filter((other) => other !== finalizer);
  if (finalizer && ownerReferences.some(({ uid }) => uid === owner.metadata.uid)) finalizers.push(finalizer);
  const body = {
    metadata: {
      resourceVersion,
      ownerReferences: ownerReferences.length ? ownerReferences : null,
      ...(finalizer ? { finalizers: finalizers.length ? finalizers : null } : {}),
    },
  };
  const patched = await client.patch(cache.resource, { namespace, name }, { type: "merge", body }).catch(ignoreMissing);
  // What was waiting for its last finalizer to be deleted is gone with it.
  if (patched && !patched.metadata.deletionTimestamp) written.wrote(keyOf(owner), cache, patched);
  return patched;
}

/** For a catch: a missing object is undefined, every other error is thrown on. */
export function ignoreMissing(error: unknown): undefined {
  if (!isReason(error, "NotFound")) throw error;
  return undefined;
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}
