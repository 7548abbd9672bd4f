import { isNamespaceTerminating, isReason } from "../../api/errors.ts";
import { selectorOfLabelSelector } from "../../api/meta/labels.ts";
import { keyOf } from "../../api/meta/object.ts";
import { controllerOf, isControlledBy } from "../../api/meta/owners.ts";
import { sameTemplate } from "../../api/meta/templates.ts";
import type { Deployment, DeploymentStatus, ReplicaSet } from "../../api/types/apps.v1.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { Deployments, Pods, ReplicaSets } from "../../api/types/resources.ts";
import type { Cache } from "../../client/cache.ts";
import { type ControllerContext, type ControllerFactory, watch } from "../../client/controller.ts";
import { Written } from "../../client/written.ts";
import { claim, ignoreMissing, indexByController, ownedBy, ownerKeys } from "../ownership.ts";
import { messageOf } from "../pod-control.ts";
import { isTerminal } from "../pod-state.ts";
import { sameStatus } from "../status.ts";
import {
  annotations,
  findNew,
  makeReplicaSet,
  newSetAnnotations,
  nextRevision,
  revisionOf,
  sizeAnnotations,
  superfluous,
} from "./revisions.ts";
import { countReplicas, deadlineCheck, hasDeadline, isComplete, pausedConditions, rolloutStatus, withCondition } from "./rollout-status.ts";
import { distribute, isScaling, maximum, nextNewSize, type Scale, shrinkOld, withReplicas } from "./scaling.ts";

/** Rolls Deployments out through ReplicaSets: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/ */
export const createDeploymentController: ControllerFactory = (context) => {
  const deployments = context.caches.of(Deployments);
  const sets = context.caches.of(ReplicaSets);
  const pods = context.caches.of(Pods);
  indexByController(sets);
  indexByController(pods);
  const rollouts = new Rollouts(context, { deployments, sets, pods });
  return {
    name: "deployment",
    watches: [
      watch(deployments, (deployment) => [keyOf(deployment)]),
      watch(
        sets,
        ownerKeys(deployments, ({ spec }) => spec.selector),
      ),
      // Recreate goes on when the last old pod is gone.
      watch(pods, (pod) => recreatedBy(pod, sets, deployments)),
    ],
    reconcile: (key) => rollouts.reconcile(key),
  };
};

function recreatedBy(pod: Pod, sets: Cache<ReplicaSet>, deployments: Cache<Deployment>): string[] {
  const { namespace } = pod.metadata;
  const set = controllerOf(pod);
  const owner = set?.kind === "ReplicaSet" ? sets.get(namespace, set.name) : undefined;
  const deployment = owner && deployments.get(namespace, controllerOf(owner)?.name ?? "");
  return deployment?.spec.strategy?.type === "Recreate" ? [keyOf(deployment)] : [];
}

/** A Deployment's ReplicaSets: the one of its present template, if there is one yet, and the others. */
interface Sets {
  newSet: ReplicaSet | undefined;
  old: ReplicaSet[];
}

class Rollouts {
  private readonly context: ControllerContext;
  private readonly deployments: Cache<Deployment>;
  private readonly sets: Cache<ReplicaSet>;
  private readonly pods: Cache<Pod>;
  private readonly written: Written;

  constructor(context: ControllerContext, caches: { deployments: Cache<Deployment>; sets: Cache<ReplicaSet>; pods: Cache<Pod> }) {
    this.context = context;
    this.deployments = caches.deployments;
    this.sets = caches.sets;
    this.pods = caches.pods;
    this.written = new Written(context.clock);
  }

  async reconcile(key: string): Promise<number | void> {
    const cached = this.deployments.byKey(key);
    if (!cached) return;
    // A copy, which gathers what this reconcile has to tell until it is written once at the end.
    const deployment: Deployment = { ...cached, status: { ...cached.status } };
    const wait = this.written.behind(key);
    if (wait) return wait;
    const { client, events, clock } = this.context;
    const selector = selectorOfLabelSelector(deployment.spec.selector);
    if (selector.everything) {
      events.event(deployment, "Warning", "SelectingAll", "This deployment is selecting all pods. A non-empty selector is required.");
      return;
    }
    const all = await claim({
      client,
      cache: this.sets,
      owner: deployment,
      ownerResource: Deployments,
      selects: ({ metadata }) => selector.matches(metadata.labels),
      written: this.written,
    });
    const newSet = findNew(deployment, all);
    const sets: Sets = { newSet, old: all.filter((set) => set !== newSet) };
    if (deployment.metadata.deletionTimestamp) return this.report(deployment, countReplicas(deployment, all, newSet, clock.now()));
    const conditions = pausedConditions(deployment, clock.now());
    if (conditions !== (deployment.status?.conditions ?? conditions))
      return this.report(deployment, { ...deployment.status, conditions: [...conditions] });
    if (deployment.spec.paused || isScaling(deployment, all)) return this.resize(deployment, sets);
    return deployment.spec.strategy?.type === "Recreate" ? this.recreate(deployment, sets) : this.roll(deployment, sets);
  }

  /** Scales without rolling out: the Deployment is paused or its size was changed. */
  private async resize(deployment: Deployment, { newSet, old }: Sets): Promise<number | void> {
    const current = newSet && (await this.refresh(deployment, newSet, old));
    const scaled = await this.scaleAll(deployment, distribute(deployment, current, old));
    if (deployment.spec.paused) await this.cleanUp(deployment, old);
    const all = [...(current ? [current] : []), ...old].map((set) => scaled.get(set) ?? set);
    return this.report(deployment, countReplicas(deployment, all, current && (scaled.get(current) ?? current), this.context.clock.now()));
  }

  private async roll(deployment: Deployment, { newSet: found, old }: Sets): Promise<number | void> {
    const newSet = found ? await this.refresh(deployment, found, old) : await this.createSet(deployment, old);
    if (!newSet) return;
    const size = newSet.spec.replicas ?? 1;
    const next = nextNewSize(deployment, size, [newSet, ...old]);
    const scales = next !== size ? [{ set: newSet, replicas: next }] : shrinkOld(deployment, newSet, old);
    return this.finish(deployment, { newSet, old }, scales);
  }

  private async recreate(deployment: Deployment, { newSet: found, old }: Sets): Promise<number | void> {
    const current = found && (await this.refresh(deployment, found, old));
    const active = withReplicas(old);
    if (active.length > 0) {
      const scales = active.map((set) => ({ set, replicas: 0 }));
      return this.finish(deployment, { newSet: current, old }, scales);
    }
    if (this.runs(old)) return this.finish(deployment, { newSet: current, old }, []);
    const newSet = current ?? (await this.createSet(deployment, old));
    if (!newSet) return;
    const replicas = deployment.spec.replicas ?? 1;
    const scales = newSet.spec.replicas !== replicas ? [{ set: newSet, replicas }] : [];
    return this.finish(deployment, { newSet, old }, scales);
  }

  /** Whether pods of the old ReplicaSets still run or are going. */
  private runs(old: readonly ReplicaSet[]): boolean {
    return old.some((set) => (set.status?.replicas ?? 0) > 0 || ownedBy(this.pods, set).some((pod) => !isTerminal(pod)));
  }

  /** Applies the sizes, removes ReplicaSets beyond the history limit when all is done, and reports. */
  private async finish(deployment: Deployment, { newSet, old }: Sets, scales: readonly Scale[]): Promise<number | void> {
    const scaled = await this.scaleAll(deployment, scales);
    const current = (set: ReplicaSet): ReplicaSet => scaled.get(set) ?? set;
    if (scales.length === 0 && isComplete(deployment, deployment.status ?? {})) await this.cleanUp(deployment, old);
    const all = [...(newSet ? [newSet] : []), ...old].map(current);
    return this.report(deployment, rolloutStatus(deployment, all, newSet && current(newSet), this.context.clock.now()));
  }

  /** Brings annotations and minReadySeconds of the new ReplicaSet, and the Deployment's revision, up to date. */
  private async refresh(deployment: Deployment, newSet: ReplicaSet, old: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const wanted = newSetAnnotations(deployment, newSet, nextRevision(old));
    const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
    let current = newSet;
    if (wanted !== (newSet.metadata.annotations ?? wanted) || minReadySeconds !== (newSet.spec.minReadySeconds ?? 0))
      current = await this.updateSet(deployment, {
        ...newSet,
        metadata: { ...newSet.metadata, annotations: wanted },
        spec: { ...newSet.spec, minReadySeconds },
      });
    this.setRevision(deployment, current);
    const progressing = deployment.status?.conditions?.some(({ type }) => type === "Progressing");
    if (hasDeadline(deployment) && !progressing)
      this.note(deployment, "True", "FoundNewReplicaSet", `Found new replica set "${newSet.metadata.name}"`);
    return current;
  }

  /** Creates the new ReplicaSet at its first size; undefined when a hash collision was counted and the next try will do. */
  private async createSet(deployment: Deployment, old: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> {
    const { client, events } = this.context;
    const replicas = nextNewSize(deployment, 0, old);
    const wanted = makeReplicaSet(deployment, { revision: nextRevision(old), replicas, maximum: maximum(deployment) });
    let created: ReplicaSet;
    try {
      created = await client.create(ReplicaSets, wanted);
    } catch (error) {
      if (isReason(error, "AlreadyExists")) return this.resolveCollision(deployment, wanted.metadata.name ?? "", error);
      if (isNamespaceTerminating(error)) return undefined;
      const message = `Failed to create new replica set "${wanted.metadata.name}": ${messageOf(error)}`;
      if (hasDeadline(deployment)) this.note(deployment, "False", "ReplicaSetCreateError", message);
      await this.report(deployment, deployment.status);
      events.event(deployment, "Warning", "ReplicaSetCreateError", message);
      throw error;
    }
    this.written.wrote(keyOf(deployment), this.sets, created);
    const { name } = created.metadata;
    if (replicas > 0) events.event(deployment, "Normal", "ScalingReplicaSet", `Scaled up replica set ${name} from 0 to ${replicas}`);
    this.setRevision(deployment, created);
    if (hasDeadline(deployment)) this.note(deployment, "True", "NewReplicaSetCreated", `Created new replica set "${name}"`);
    return created;
  }

  /** The name is taken: by this Deployment's own set that the cache did not show yet, or by another template with the same hash. */
  private async resolveCollision(deployment: Deployment, name: string, error: unknown): Promise<ReplicaSet | undefined> {
    const set = await this.context.client.get(ReplicaSets, { namespace: deployment.metadata.namespace, name });
    if (isControlledBy(set, deployment) && sameTemplate(set.spec.template ?? {}, deployment.spec.template)) return set;
    const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
    await this.report(deployment, status);
    this.context.log.debug({ deployment: keyOf(deployment), name, error: messageOf(error) }, "template hash collision");
    return undefined;
  }

  private async scaleAll(deployment: Deployment, scales: readonly Scale[]): Promise<Map<ReplicaSet, ReplicaSet>> {
    const scaled = new Map<ReplicaSet, ReplicaSet>();
    for (const { set, replicas } of scales) {
      const before = set.spec.replicas ?? 1;
      const sizes = { ...set.metadata.annotations, ...sizeAnnotations(deployment.spec.replicas ?? 1, maximum(deployment)) };
      const metadata = { ...set.metadata, annotations: sizes };
      scaled.set(set, await this.updateSet(deployment, { ...set, metadata, spec: { ...set.spec, replicas } }));
      if (before === replicas) continue;
      const message = `Scaled ${before < replicas ? "up" : "down"} replica set ${set.metadata.name} from ${before} to ${replicas}`;
      this.context.events.event(deployment, "Normal", "ScalingReplicaSet", message);
    }
    return scaled;
  }

  private async updateSet(deployment: Deployment, set: ReplicaSet): Promise<ReplicaSet> {
    const updated = await this.context.client.update(ReplicaSets, set);
    this.written.wrote(keyOf(deployment), this.sets, updated);
    return updated;
  }

  private async cleanUp(deployment: Deployment, old: readonly ReplicaSet[]): Promise<void> {
    for (const set of superfluous(deployment, old)) {
      await this.context.client.delete(ReplicaSets, set.metadata).catch(ignoreMissing);
      this.written.deleted(keyOf(deployment), this.sets, set);
    }
  }

  private setRevision(deployment: Deployment, set: ReplicaSet): void {
    const revision = String(revisionOf(set));
    deployment.metadata = { ...deployment.metadata, annotations: { ...deployment.metadata.annotations, [annotations.revision]: revision } };
  }

  /** Sets a Progressing condition. */
  private note(deployment: Deployment, status: string, reason: string, message: string): void {
    const condition = { type: "Progressing", status, reason, message };
    deployment.status.conditions = [...withCondition(deployment.status.conditions ?? [], condition, this.context.clock.now())];
  }

  /** Writes the status and the revision if they have changed; returns when the progress deadline has to be looked at. */
  private async report(deployment: Deployment, status: DeploymentStatus): Promise<number | void> {
    const { namespace, name } = deployment.metadata;
    const before = this.deployments.get(namespace, name);
    const revision = deployment.metadata.annotations?.[annotations.revision];
    const renumbered = revision !== before?.metadata.annotations?.[annotations.revision];
    if (renumbered || !sameStatus(before?.status, status)) {
      // The revision goes with the status: as a change of the Deployment itself it would make a new generation.
      const metadata = renumbered ? { metadata: { annotations: { [annotations.revision]: revision } } } : {};
      const body = { ...metadata, status: replaced(before?.status, status) };
      const updated = await this.context.client.patch(Deployments, { namespace, name }, { type: "merge", body }, { subresource: "status" });
      this.written.wrote(keyOf(deployment), this.deployments, updated);
    }
    return deadlineCheck(deployment, status, this.context.clock.now());
  }
}

/** A merge patch that makes `after` of `before`: fields that are gone become null. */
function replaced(before: object | undefined, after: object): object {
  const gone = Object.keys(before ?? {}).filter((field) => !(field in after));
  return { ...after, ...Object.fromEntries(gone.map((field) => [field, null])) };
}
