import { isReason } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { findKind, type ResourceInfo } from "../../api/resource.ts";
import type { OwnerReference } from "../../api/types/meta.v1.ts";
import { CustomResourceDefinitions } from "../../api/types/resources.ts";
import type { Cache, Caches } from "../../client/cache.ts";
import { createCaches } from "../../client/caches.ts";
import type { Controller, ControllerContext, ControllerFactory } from "../../client/controller.ts";
import { WorkQueue } from "../../client/queue.ts";
import { customResource, deletableResources } from "../custom-resources.ts";
import { ignoreMissing } from "../ownership.ts";
import { foreground, type GraphNode, isWaiting, orphan, OwnerGraph, type OwnerState, verdict } from "./graph.ts";

/** Events and nodes' leases come and go by thousands and own nothing. */
const ignored = new Set(["events", "componentstatuses"]);

/** Deletes what has lost all its owners, and carries out foreground and orphaning deletions. */
export const createGarbageCollector: ControllerFactory = (context) => new GarbageCollector(context);

class GarbageCollector implements Controller {
  readonly name = "garbage-collector";
  /** It watches every resource, custom ones too, which come and go: with its own queue of uids. */
  readonly watches = [];
  private readonly context: ControllerContext;
  private readonly graph = new OwnerGraph();
  private readonly queue: WorkQueue;
  /** Custom resources by the name of their CRD. */
  private readonly custom = new Map<string, { resource: ResourceInfo; stop: () => void }>();
  private readonly unsubscribe: (() => void)[] = [];
  private syncing: Promise<void>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({
      clock: context.clock,
      workers: 20,
      work: (uid) => this.reconcile(uid),
      failed: (uid, error) => {
        if (!isReason(error, "Conflict")) context.log.warn({ uid, error: String(error) }, "garbage collection failed");
      },
    });
    const resources = deletableResources().filter((r) => r.verbs.includes("watch") && !ignored.has(r.plural));
    const caches = resources.map((resource) => context.caches.of<KubeObject>(resource));
    const definitions = context.caches.of(CustomResourceDefinitions);
    this.syncing = Promise.all([definitions.synced, ...caches.map((cache) => cache.synced)]).then(() => {
      for (const cache of caches) this.unsubscribe.push(this.follow(cache));
      this.unsubscribe.push(
        definitions.onChange(({ object, old }) =>
          this.followCustom((object ?? old)?.metadata.name ?? "", object && customResource(object)),
        ),
      );
    });
  }

  async stop(): Promise<void> {
    await this.syncing;
    for (const end of this.unsubscribe) end();
    for (const { stop } of this.custom.values()) stop();
    await this.queue.stop();
  }

  private follow(cache: Cache<KubeObject>): () => void {
    return cache.onChange(({ object, old }) => {
      const affected = object ? this.graph.set(cache.resource, object) : this.graph.delete(old?.metadata.uid ?? "");
      for (const uid of affected) this.queue.add(uid);
    });
  }

  /** Each custom resource has caches of its own, which can be stopped when its CRD goes. */
  private followCustom(name: string, resource: ResourceInfo | undefined): void {
    const known = this.custom.get(name);
    if (known && resource && known.resource.groupVersion === resource.groupVersion) return;
    known?.stop();
    this.custom.delete(name);
    if (!resource) return;
    const { client, clock, log } = this.context;
    const caches: Caches = createCaches(client.transport, clock, log);
    const unfollow = this.follow(caches.of<KubeObject>(resource));
    const stop = (): void => {
      unfollow();
      caches.stop();
    };
    this.custom.set(name, { resource, stop });
  }

  async reconcile(uid: string): Promise<void> {
    const node = this.graph.get(uid);
    if (!node) return;
    if (node.deleting) {
      if (node.finalizers.includes(orphan)) return this.orphanDependents(node);
      if (isWaiting(node)) return this.finishForeground(node);
      return;
    }
    if (node.owners.length > 0) await this.judge(node);
  }

  /** Deletes or releases an object by the state of its owners. */
  private async judge(node: GraphNode): Promise<void> {
    const states: OwnerState[] = [];
    for (const owner of node.owners) states.push(await this.stateOf(owner, node));
    const decision = verdict(node, states, this.graph.dependentsOf(node.uid));
    if (decision.do === "nothing") return;
    if (decision.do === "release") return this.release(node, decision.uids);
    // What is about to be deleted is read anew: the graph may be behind, and owners may have been added.
    const live = await this.live(node);
    if (!live || live.metadata.uid !== node.uid) return;
    if (JSON.stringify(live.metadata.ownerReferences ?? []) !== JSON.stringify(node.owners)) {
      for (const uid of this.graph.set(node.resource, live)) this.queue.add(uid);
      return;
    }
    if (decision.unblock) await this.unblock(node);
    const preconditions = { uid: node.uid };
    await this.context.client
      .delete(node.resource, refOf(node), { propagationPolicy: decision.policy, preconditions })
      .catch(ignoreMissing);
  }

  /** Known by uid under that name: it is there. Otherwise only the API can tell; a kind that nobody serves is left alone. */
  private async stateOf(owner: OwnerReference, dependent: GraphNode): Promise<OwnerState> {
    const resource = this.resourceOf(owner);
    if (!resource) return "solid";
    const known = this.graph.get(owner.uid);
    const namespace = resource.namespaced ? dependent.namespace : "";
    if (resource.namespaced && !namespace) return "solid";
    if (known && known.name === owner.name && known.namespace === namespace && known.resource.kind === owner.kind)
      return isWaiting(known) ? "waiting" : "solid";
    const live = await this.context.client.get<KubeObject>(resource, { namespace, name: owner.name }).catch(ignoreMissing);
    if (live?.metadata.uid !== owner.uid) return "dangling";
    const { deletionTimestamp, finalizers } = live.metadata;
    return deletionTimestamp && finalizers?.includes(foreground) ? "waiting" : "solid";
  }

  private resourceOf({ apiVersion, kind }: OwnerReference): ResourceInfo | undefined {
    const builtIn = findKind(apiVersion, kind);
    if (builtIn) return builtIn;
    const group = apiVersion.slice(0, Math.max(0, apiVersion.indexOf("/")));
    for (const { resource } of this.custom.values()) if (resource.kind === kind && resource.group === group) return resource;
    return undefined;
  }

  /** The owner goes when no dependent blocks it any more. */
  private async finishForeground(node: GraphNode): Promise<void> {
    const dependents = this.graph.dependentsOf(node.uid);
    const blocking = dependents.filter((d) => d.owners.some((o) => o.uid === node.uid && o.blockOwnerDeletion));
    if (blocking.length === 0) return this.removeFinalizer(node, foreground);
    for (const dependent of blocking) if (!dependent.deleting) this.queue.add(dependent.uid);
  }

  /** All dependents lose the reference to their owner before it goes. */
  private async orphanDependents(node: GraphNode): Promise<void> {
    await Promise.all(this.graph.dependentsOf(node.uid).map((dependent) => this.release(dependent, [node.uid])));
    await this.removeFinalizer(node, orphan);
  }

  private release(node: GraphNode, uids: readonly string[]): Promise<void> {
    return this.change(node, ({ ownerReferences = [] }) => {
      const kept = ownerReferences.filter((owner) => !uids.includes(owner.uid));
      return kept.length === ownerReferences.length ? undefined : { ownerReferences: kept.length > 0 ? kept : null };
    });
  }

  private unblock(node: GraphNode): Promise<void> {
    return this.change(node, ({ ownerReferences = [] }) =>
      ownerReferences.some((o) => o.blockOwnerDeletion)
        ? { ownerReferences: ownerReferences.map((o) => (o.blockOwnerDeletion ? { ...o, blockOwnerDeletion: false } : o)) }
        : undefined,
    );
  }

  private removeFinalizer(node: GraphNode, finalizer: string): Promise<void> {
    return this.change(node, ({ finalizers = [] }) =>
      finalizers.includes(finalizer) ? { finalizers: finalizers.filter((f) => f !== finalizer) } : undefined,
    );
  }

  /** Changes the metadata of the object as it is now; a write that came in between makes it a Conflict, which is tried again. */
  private async change(node: GraphNode, patch: (metadata: KubeObject["metadata"]) => object | undefined): Promise<void> {
    const live = await this.live(node);
    if (live?.metadata.uid !== node.uid) return;
    const changed = patch(live.metadata);
    if (!changed) return;
    const body = { metadata: { uid: node.uid, resourceVersion: live.metadata.resourceVersion, ...changed } };
    await this.context.client.patch(node.resource, refOf(node), { type: "merge", body }).catch(ignoreMissing);
  }

  private live(node: GraphNode): Promise<KubeObject | undefined> {
    return this.context.client.get<KubeObject>(node.resource, refOf(node)).catch(ignoreMissing);
  }
}

function refOf(node: GraphNode): { namespace: string; name: string } {
  return { namespace: node.namespace, name: node.name };
}
