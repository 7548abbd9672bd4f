import { deepEqual } from "../api/meta/equality.ts";
import { setCondition } from "../api/meta/conditions.ts";
import { now } from "../api/meta/time.ts";
import type { KubeObject } from "../api/meta/object.ts";
import type { ResourceInfo } from "../api/resource.ts";
import type { Namespace, NamespaceCondition } from "../api/types/core.v1.ts";
import { CustomResourceDefinitions, Namespaces, Pods } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { isReason } from "../api/errors.ts";
import { customResource, deletableResources } from "./custom-resources.ts";
import { ignoreMissing } from "./ownership.ts";

const finalizer = "kubernetes";

/** What a pass over a namespace's content has found. */
export interface Leftovers {
  /** How many objects there still are, by resource ("pods", "deployments.apps"). */
  remaining: Map<string, number>;
  /** In how many objects each finalizer still is. */
  finalizers: Map<string, number>;
  /** What went wrong, by resource. */
  errors: string[];
}

/** The conditions that say how far a namespace's deletion is, in the words that users know. */
export function deletionConditions(left: Leftovers): NamespaceCondition[] {
  const { remaining, finalizers, errors } = left;
  const list = (counts: Map<string, number>, text: (name: string, count: number) => string): string =>
    [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => text(name, count))
      .join(", ");
  const condition = (type: string, bad: boolean, reasons: [string, string], messages: [string, string]): NamespaceCondition => ({
    type,
    status: bad ? "True" : "False",
    reason: reasons[bad ? 0 : 1],
    message: messages[bad ? 0 : 1],
  });
  return [
    condition(
      "NamespaceDeletionDiscoveryFailure",
      false,
      ["DiscoveryFailed", "ResourcesDiscovered"],
      ["", "All resources successfully discovered"],
    ),
    condition(
      "NamespaceDeletionGroupVersionParsingFailure",
      false,
      ["GroupVersionParsingFailed", "ParsedGroupVersions"],
      ["", "All legacy kube types successfully parsed"],
    ),
    condition(
      "NamespaceDeletionContentFailure",
      errors.length > 0,
      ["ContentDeletionFailed", "ContentDeleted"],
      [
        `Failed to delete all resource types, ${errors.length} remaining: ${errors.join(", ")}`,
        "All content successfully deleted, may be waiting on finalization",
      ],
    ),
    condition(
      "NamespaceContentRemaining",
      remaining.size > 0,
      ["SomeResourcesRemain", "ContentRemoved"],
      [
        `Some resources are remaining: ${list(remaining, (name, count) => `${name} has ${count} resource instances`)}`,
        "All content successfully removed",
      ],
    ),
    condition(
      "NamespaceFinalizersRemaining",
      finalizers.size > 0,
      ["SomeFinalizersRemain", "ContentHasNoFinalizers"],
      [
        `Some content in the namespace has finalizers remaining: ${list(finalizers, (name, count) => `${name} in ${count} resource instances`)}`,
        "All content-preserving finalizers finished",
      ],
    ),
  ];
}

/** Empties namespaces that are being deleted, pods first, then lets them go. */
export const createNamespaceController: ControllerFactory = ({ client, caches, clock }) => {
  const namespaces = caches.of(Namespaces);
  const pods = caches.of(Pods);
  const definitions = caches.of(CustomResourceDefinitions);
  const passes = new Map<string, number>();

  async function deleteAll(resource: ResourceInfo, namespace: string, items: readonly KubeObject[]): Promise<void> {
    const options = { propagationPolicy: "Background" } as const;
    if (resource.verbs.includes("deletecollection")) await client.deleteCollection(resource, { namespace }, options);
    else
      for (const { metadata } of items)
        await client.delete(resource, { namespace, name: metadata.name ?? "" }, options).catch(ignoreMissing);
  }

  /** Deletes all objects of the resource there and notes what is left. */
  async function empty(resource: ResourceInfo, namespace: string, left: Leftovers): Promise<void> {
    // Core resources keep the dot: "pods. has 2 resource instances" is what users know.
    const name = `${resource.plural}.${resource.group}`;
    try {
      let { items } = await client.list<KubeObject>(resource, { namespace });
      // What is on its way already needs no second request.
      if (items.some(({ metadata }) => !metadata.deletionTimestamp)) {
        await deleteAll(resource, namespace, items);
        ({ items } = await client.list<KubeObject>(resource, { namespace }));
      }
      if (items.length > 0) left.remaining.set(name, items.length);
      for (const { metadata } of items)
        for (const f of metadata.finalizers ?? []) left.finalizers.set(f, (left.finalizers.get(f) ?? 0) + 1);
    } catch (error) {
      // A resource that has just vanished (its CRD was deleted) has no objects.
      if (!isReason(error, "NotFound") && !isReason(error, "MethodNotAllowed"))
        left.errors.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async function emptyAll(namespace: string): Promise<Leftovers> {
    const left: Leftovers = { remaining: new Map(), finalizers: new Map(), errors: [] };
    await empty(Pods, namespace, left);
    if (left.remaining.size > 0 || left.errors.length > 0) return left;
    const custom = definitions.list().flatMap((crd) => customResource(crd) ?? []);
    for (const resource of [...deletableResources(), ...custom])
      if (resource.namespaced && resource.plural !== "pods") await empty(resource, namespace, left);
    return left;
  }

  async function writeConditions(namespace: Namespace, left: Leftovers): Promise<void> {
    let conditions: readonly NamespaceCondition[] = namespace.status?.conditions ?? [];
    for (const condition of deletionConditions(left)) conditions = setCondition(conditions, condition, now(clock));
    if (deepEqual(conditions, namespace.status?.conditions ?? [])) return;
    const { name, uid } = namespace.metadata;
    const body = { metadata: { uid }, status: { conditions } };
    await client.patch(Namespaces, { name }, { type: "merge", body }, { subresource: "status" });
  }

  return {
    name: "namespace",
    workers: 10,
    watches: [
      watch(namespaces, (namespace) => (namespace.metadata.deletionTimestamp ? [namespace.metadata.name] : [])),
      watch(pods, ({ metadata: { namespace } }) => (namespaces.byKey(namespace)?.metadata.deletionTimestamp ? [namespace] : [])),
      watch(definitions, () => []),
    ],
    async reconcile(name) {
      const namespace = namespaces.byKey(name);
      if (!namespace?.metadata.deletionTimestamp || !namespace.spec?.finalizers?.includes(finalizer)) {
        passes.delete(name);
        return;
      }
      const left = await emptyAll(name);
      if (left.remaining.size > 0 || left.errors.length > 0) {
        await writeConditions(namespace, left);
        const pass = (passes.get(name) ?? 0) + 1;
        passes.set(name, pass);
        return Math.min(250 * 2 ** pass, 15_000);
      }
      const live = await client.get(Namespaces, { name }).catch(ignoreMissing);
      if (live?.metadata.uid !== namespace.metadata.uid) return;
      const finalizers = (live.spec?.finalizers ?? []).filter((f) => f !== finalizer);
      await client.update(Namespaces, { ...live, spec: { ...live.spec, finalizers } }, { subresource: "finalize" });
    },
  };
};
