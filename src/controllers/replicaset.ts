import { isNamespaceTerminating } from "../api/errors.ts";
import type { Resource } from "../api/resource.ts";
import { keyOf } from "../api/meta/object.ts";
import { selectorOfLabelSelector } from "../api/meta/labels.ts";
import { controllerOf } from "../api/meta/owners.ts";
import { formatTime } from "../api/meta/time.ts";
import type { ReplicaSet, ReplicaSetStatus } from "../api/types/apps.v1.ts";
import type { Pod, ReplicationController } from "../api/types/core.v1.ts";
import type { LabelSelector } from "../api/types/meta.v1.ts";
import { Pods, ReplicaSets, ReplicationControllers } from "../api/types/resources.ts";
import type { Cache } from "../client/cache.ts";
import { type ControllerContext, type ControllerFactory, restAfter, watch } from "../client/controller.ts";
import { Written } from "../client/written.ts";
import { claim, indexByController, ownedBy, ownerKeys } from "./ownership.ts";
import { messageOf, PodControl, podFromTemplate, slowStart } from "./pod-control.ts";
import { podsToDelete } from "./pod-deletion-order.ts";
import { isActive, isAvailable, isReady, isTerminal, isTerminating, nextAvailable, replicaMatters } from "./pod-state.ts";
import { sameStatus, withoutZeros } from "./status.ts";

/** The two kinds that keep a number of equal pods. They differ in the form of their selector, and in what their status tells. */
type Replicated = ReplicaSet | ReplicationController;

interface Flavor<T extends Replicated> {
  name: string;
  resource: Resource<T>;
  selector(set: T): LabelSelector | undefined;
  /** Whether status.terminatingReplicas exists (KEP-3973). */
  countsTerminating: boolean;
}

/** How many pods are created or deleted in one reconcile at most. */
const burst = 500;

/** Keeps the number of pods that a ReplicaSet asks for. */
export const createReplicaSetController: ControllerFactory = factory<ReplicaSet>({
  name: "replicaset",
  resource: ReplicaSets,
  selector: ({ spec }) => spec.selector,
  countsTerminating: true,
});

/** Keeps the number of pods that a ReplicationController asks for. */
export const createReplicationController: ControllerFactory = factory<ReplicationController>({
  name: "replicationcontroller",
  resource: ReplicationControllers,
  selector: ({ spec }) => (spec.selector && Object.keys(spec.selector).length ? { matchLabels: spec.selector } : undefined),
  countsTerminating: false,
});

function factory<T extends Replicated>(flavor: Flavor<T>): ControllerFactory {
  return (context) => {
    const sets = context.caches.of(flavor.resource);
    const pods = context.caches.of(Pods);
    indexByController(sets);
    indexByController(pods);
    const reconciler = new Reconciler<T>(flavor, context, sets, pods);
    return {
      name: flavor.name,
      watches: [watch(sets, (set) => [keyOf(set)]), watch(pods, ownerKeys(sets, flavor.selector), replicaMatters)],
      reconcile: (key) => reconciler.reconcile(key),
      rest: (key) => reconciler.rests.get(key) ?? 0,
    };
  };
}

/** What a set's status says about the attempt to bring it to its size. */
interface Failure {
  reason: "FailedCreate" | "FailedDelete";
  message: string;
}

class Reconciler<T extends Replicated> {
  private readonly flavor: Flavor<T>;
  private readonly context: ControllerContext;
  private readonly sets: Cache<T>;
  private readonly pods: Cache<Pod>;
  private readonly written: Written;
  private readonly control: PodControl;
  /** How long each set that has its size and many pods is left alone, in milliseconds. */
  readonly rests = new Map<string, number>();

  constructor(flavor: Flavor<T>, context: ControllerContext, sets: Cache<T>, pods: Cache<Pod>) {
    this.flavor = flavor;
    this.context = context;
    this.sets = sets;
    this.pods = pods;
    this.written = new Written(context.clock);
    this.control = new PodControl(context.client, context.events, pods, this.written);
  }

  async reconcile(key: string): Promise<number | void> {
    const set = this.sets.byKey(key);
    this.rests.delete(key);
    if (!set) return;
    const wait = this.written.behind(key);
    if (wait) return wait;
    const { client, clock } = this.context;
    const selector = selectorOfLabelSelector(this.flavor.selector(set));
    const owned = await claim({
      client,
      cache: this.pods,
      owner: set,
      ownerResource: this.flavor.resource,
      selects: (pod) => selector.matches(pod.metadata.labels),
      counts: (pod) => !isTerminal(pod),
      written: this.written,
    });
    const active = owned.filter(isActive);
    let outcome: { error: unknown; failure: Failure | undefined } = { error: undefined, failure: undefined };
    if (!set.metadata.deletionTimestamp) outcome = await this.scale(set, active);
    const now = clock.now();
    const status = replicaStatus(set, { active, terminating: owned.filter(isTerminating).length, failure: outcome.failure, now });
    if (!this.flavor.countsTerminating) delete status.terminatingReplicas;
    if (!sameStatus(set.status, status)) {
      const updated = await client.updateStatus(this.flavor.resource, { ...set, status });
      this.written.wrote(key, this.sets, updated);
    }
    if (outcome.error !== undefined) throw outcome.error;
    if (active.length === (set.spec.replicas ?? 1)) this.rests.set(key, restAfter(active.length));
    return nextAvailable(active, set.spec.minReadySeconds ?? 0, now);
  }

  /** Creates or deletes what is missing or too much. */
  private async scale(set: T, active: Pod[]): Promise<{ error: unknown; failure: Failure | undefined }> {
    const missing = (set.spec.replicas ?? 1) - active.length;
    if (missing > 0) {
      const { error } = await slowStart(Math.min(missing, burst), () => this.control.create(set, podFromTemplate(set.spec.template, set)));
      if (error === undefined || isNamespaceTerminating(error)) return { error: undefined, failure: undefined };
      return { error, failure: { reason: "FailedCreate", message: messageOf(error) } };
    }
    if (missing === 0) return { error: undefined, failure: undefined };
    const surplus = podsToDelete(active, this.siblings(set, active), Math.min(-missing, burst), this.context.clock.now());
    const results = await Promise.allSettled(surplus.map((pod) => this.control.delete(set, pod)));
    const failed = results.find((result) => result.status === "rejected");
    if (!failed) return { error: undefined, failure: undefined };
    return { error: failed.reason, failure: { reason: "FailedDelete", message: messageOf(failed.reason) } };
  }

  /** The running pods of all sets with the same owner: of those on one node, a shrinking set gives up one first. */
  private siblings(set: T, active: Pod[]): Pod[] {
    const owner = controllerOf(set);
    if (!owner) return active;
    const family = this.sets.byIndex("controller", owner.uid);
    return family.flatMap((sibling) => ownedBy(this.pods, sibling)).filter(isActive);
  }
}

/** The status of a set with these pods; conditions keep the time of their last transition. `now` in milliseconds. */
export function replicaStatus(
  set: Replicated,
  { active, terminating, failure, now }: { active: readonly Pod[]; terminating: number; failure?: Failure | undefined; now: number },
): ReplicaSetStatus {
  const labels = Object.entries(set.spec.template?.metadata?.labels ?? {});
  const minReadySeconds = set.spec.minReadySeconds ?? 0;
  const others = (set.status?.conditions ?? []).filter(({ type }) => type !== "ReplicaFailure");
  const before = set.status?.conditions?.find(({ type }) => type === "ReplicaFailure");
  const current = failure && (before ?? { type: "ReplicaFailure", status: "True", ...failure, lastTransitionTime: formatTime(now) });
  const conditions = current ? [...others, current] : others;
  let [fullyLabeledReplicas, readyReplicas, availableReplicas] = [0, 0, 0];
  for (const pod of active) {
    if (labels.every(([key, value]) => pod.metadata.labels?.[key] === value)) fullyLabeledReplicas++;
    if (!isReady(pod)) continue;
    readyReplicas++;
    if (minReadySeconds === 0 || isAvailable(pod, minReadySeconds, now)) availableReplicas++;
  }
  const status = withoutZeros<ReplicaSetStatus>(
    {
      replicas: active.length,
      fullyLabeledReplicas,
      readyReplicas,
      availableReplicas,
      terminatingReplicas: terminating,
      observedGeneration: Math.max(set.metadata.generation ?? 0, set.status?.observedGeneration ?? 0),
    },
    "replicas",
    "terminatingReplicas",
  );
  return conditions.length ? { ...status, conditions } : status;
}
