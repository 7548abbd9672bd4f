import { isNamespaceTerminating, isReason } from "../../api/errors.ts";
import { selectorOfLabelSelector } from "../../api/meta/labels.ts";
import { type Creatable, keyOf } from "../../api/meta/object.ts";
import type { ControllerRevision, StatefulSet, StatefulSetStatus } from "../../api/types/apps.v1.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { ControllerRevisions, PersistentVolumeClaims, Pods, StatefulSets } from "../../api/types/resources.ts";
import type { Cache } from "../../client/cache.ts";
import { type ControllerContext, type ControllerFactory, watch } from "../../client/controller.ts";
import { Written } from "../../client/written.ts";
import { type History, RevisionKeeper, revisionLabel, superfluousRevisions, templateOf } from "../history.ts";
import { claim, indexByController, ownerKeys } from "../ownership.ts";
import { messageOf, PodControl } from "../pod-control.ts";
import { nextAvailable } from "../pod-state.ts";
import { sameStatus } from "../status.ts";
import { ClaimKeeper } from "./claims.ts";
import { missingLabels, ordinalOf, statefulPod } from "./identity.ts";
import { type Action, plan, type Situation, statefulStatus } from "./plan.ts";

/** Keeps pods with names, order and storage of their own: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/ */
export const createStatefulSetController: ControllerFactory = (context) => {
  const sets = context.caches.of(StatefulSets);
  const pods = context.caches.of(Pods);
  const revisions = context.caches.of(ControllerRevisions);
  const claims = context.caches.of(PersistentVolumeClaims);
  indexByController(pods);
  indexByController(revisions);
  const stateful = new Stateful(context, { sets, pods, revisions }, (written) => new ClaimKeeper(context, claims, written));
  const owners = ownerKeys(sets, ({ spec }) => spec.selector);
  return {
    name: "statefulset",
    watches: [
      watch(sets, (set) => [keyOf(set)]),
      watch(pods, owners),
      watch(revisions, owners),
      // Reconcile waits until a claim that it made is seen.
      watch(claims, ({ metadata }) =>
        sets
          .list(metadata.namespace)
          .filter((set) => usesClaim(set, metadata.name))
          .map(keyOf),
      ),
    ],
    reconcile: (key) => stateful.reconcile(key),
  };
};

function usesClaim(set: StatefulSet, claim: string): boolean {
  return (set.spec.volumeClaimTemplates ?? []).some(({ metadata }) => claim.startsWith(`${metadata.name}-${set.metadata.name}-`));
}

interface StatefulCaches {
  sets: Cache<StatefulSet>;
  pods: Cache<Pod>;
  revisions: Cache<ControllerRevision>;
}

class Stateful {
  private readonly context: ControllerContext;
  private readonly caches: StatefulCaches;
  private readonly written: Written;
  private readonly claims: ClaimKeeper;
  private readonly keeper: RevisionKeeper;
  private readonly control: PodControl;

  constructor(context: ControllerContext, caches: StatefulCaches, claimKeeper: (written: Written) => ClaimKeeper) {
    this.context = context;
    this.caches = caches;
    this.written = new Written(context.clock);
    this.claims = claimKeeper(this.written);
    this.keeper = new RevisionKeeper(context.client, caches.revisions, this.written, "controller.kubernetes.io/hash");
    this.control = new PodControl(context.client, context.events, caches.pods, this.written);
  }

  async reconcile(key: string): Promise<number | void> {
    const set = this.caches.sets.byKey(key);
    if (!set) return;
    const wait = this.written.behind(key);
    if (wait) return wait;
    const { client, events, clock } = this.context;
    const selector = selectorOfLabelSelector(set.spec.selector);
    if (selector.everything) {
      events.event(set, "Warning", "SelectingAll", "This stateful set is selecting all pods. A non-empty selector is required.");
      return;
    }
    const claimed = { client, owner: set, ownerResource: StatefulSets, written: this.written };
    const revisions = await claim({
      ...claimed,
      cache: this.caches.revisions,
      selects: ({ metadata }) => selector.matches(metadata.labels),
    });
    const selects = (pod: Pod): boolean => ordinalOf(set, pod) !== undefined && selector.matches(pod.metadata.labels);
    const pods = await claim({ ...claimed, cache: this.caches.pods, selects });
    const history = await this.keeper.sync(set, revisions);
    if (!history) return this.report(set, { ...set.status, collisionCount: (set.status?.collisionCount ?? 0) + 1 });
    const updateRevision = history.current.metadata.name;
    const situation: Situation = {
      set,
      pods,
      currentRevision: set.status?.currentRevision || updateRevision,
      updateRevision,
      now: clock.now(),
    };
    const error = set.metadata.deletionTimestamp ? undefined : await this.apply(set, plan(situation), history);
    await this.report(set, statefulStatus(situation));
    if (error !== undefined) throw error;
    const inUse = new Set([
      updateRevision,
      situation.currentRevision,
      ...pods.map(({ metadata }) => metadata.labels?.[revisionLabel] ?? ""),
    ]);
    await this.keeper.remove(set, superfluousRevisions(history.all, inUse, set.spec.revisionHistoryLimit ?? 10));
    return nextAvailable(pods, set.spec.minReadySeconds ?? 0, clock.now());
  }

  /** Does the steps in their order; returns the first error, after which nothing more is done. */
  private async apply(set: StatefulSet, actions: readonly Action[], history: History): Promise<unknown> {
    for (const action of actions) {
      try {
        if (action.do === "create") await this.create(set, action, history);
        else if (action.do === "delete") await this.remove(set, action);
        else await this.keep(set, action.pod);
      } catch (error) {
        return isNamespaceTerminating(error) ? undefined : error;
      }
    }
    return undefined;
  }

  private async create(set: StatefulSet, { ordinal, revision }: { ordinal: number; revision: string }, history: History): Promise<void> {
    await this.claims.create(set, ordinal);
    const old = revision === history.current.metadata.name ? undefined : history.all.find(({ metadata }) => metadata.name === revision);
    const pod = statefulPod(set, ordinal, old ? templateOf(old) : set.spec.template, revision);
    await this.tell(set, "create", pod, async () => {
      const created = await this.context.client.create(Pods, pod);
      this.written.wrote(keyOf(set), this.caches.pods, created);
    });
  }

  private async remove(set: StatefulSet, { pod, ended, condemned }: Extract<Action, { do: "delete" }>): Promise<void> {
    const { namespace, name } = set.metadata;
    if (ended) {
      const failed = pod.status.phase === "Failed";
      const message = `StatefulSet ${namespace}/${name} is recreating ${failed ? "failed" : "terminated"} Pod ${pod.metadata.name}`;
      this.context.events.event(set, failed ? "Warning" : "Normal", failed ? "RecreatingFailedPod" : "RecreatingTerminatedPod", message);
    }
    if (condemned) await this.claims.own(set, pod);
    await this.tell(set, "delete", pod, async () => {
      const { uid } = pod.metadata;
      await this.context.client.delete(Pods, pod.metadata, { preconditions: { uid } });
      this.written.deleted(keyOf(set), this.caches.pods, pod);
    });
  }

  private async keep(set: StatefulSet, pod: Pod): Promise<void> {
    if (pod.status.phase === "Pending") await this.claims.create(set, ordinalOf(set, pod) ?? 0);
    await this.claims.own(set, pod);
    const labels = missingLabels(set, pod);
    if (labels) await this.control.patch(set, pod, { labels });
  }

  /** Does it and tells it, in the words of upstream's pod events. A pod that is gone is no error. */
  private async tell(set: StatefulSet, verb: "create" | "delete", pod: Creatable<Pod>, call: () => Promise<void>): Promise<void> {
    const noun = verb === "create" ? "Create" : "Delete";
    const subject = `${noun} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
    try {
      await call();
      this.context.events.event(set, "Normal", `Successful${noun}`, `${subject} successful`);
    } catch (error) {
      if (isReason(error, "NotFound") && verb === "delete") return;
      if (!isNamespaceTerminating(error))
        this.context.events.event(set, "Warning", `Failed${noun}`, `${subject} failed error: ${messageOf(error)}`);
      throw error;
    }
  }

  private async report(set: StatefulSet, status: StatefulSetStatus): Promise<void> {
    if (sameStatus(set.status, status)) return;
    const updated = await this.context.client.updateStatus(StatefulSets, { ...set, status });
    this.written.wrote(keyOf(set), this.caches.sets, updated);
  }
}
