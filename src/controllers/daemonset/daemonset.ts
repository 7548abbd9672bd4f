import { isNamespaceTerminating } from "../../api/errors.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import { selectorOfLabelSelector } from "../../api/meta/labels.ts";
import { keyOf } from "../../api/meta/object.ts";
import type { ControllerRevision, DaemonSet, DaemonSetStatus } from "../../api/types/apps.v1.ts";
import type { Node, Pod } from "../../api/types/core.v1.ts";
import { ControllerRevisions, DaemonSets, Nodes, Pods } from "../../api/types/resources.ts";
import type { Cache, Change } from "../../client/cache.ts";
import { type ControllerContext, type ControllerFactory, restAfter, soonest, watch } from "../../client/controller.ts";
import { Written } from "../../client/written.ts";
import { RevisionKeeper, revisionLabel, superfluousRevisions } from "../history.ts";
import { claim, indexByController, ownerKeys } from "../ownership.ts";
import { PodControl, slowStart } from "../pod-control.ts";
import { nextAvailable } from "../pod-state.ts";
import { sameStatus } from "../status.ts";
import { daemonPod } from "./daemon-pod.ts";
import { byNode, daemonStatus, type Plan, planNodes, planRollingUpdate, type Situation } from "./plan.ts";

/** How many pods are made in one reconcile at most. */
const burst = 250;
/** Waits before the pod of a node that failed again is replaced, in milliseconds: doubles from the first to the last. */
const failedBackoff = { first: 1000, last: 15 * 60_000 };

/** Runs one pod of a DaemonSet on every node that it fits: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/ */
export const createDaemonSetController: ControllerFactory = (context) => {
  const sets = context.caches.of(DaemonSets);
  const pods = context.caches.of(Pods);
  const revisions = context.caches.of(ControllerRevisions);
  const nodes = context.caches.of(Nodes);
  indexByController(pods);
  indexByController(revisions);
  const daemons = new Daemons(context, { sets, pods, revisions, nodes });
  const owners = ownerKeys(sets, ({ spec }) => spec.selector);
  return {
    name: "daemonset",
    watches: [
      watch(sets, (set) => [keyOf(set)]),
      watch(pods, owners),
      watch(revisions, owners),
      watch(nodes, () => sets.list().map(keyOf), nodeMatters),
    ],
    reconcile: (key) => daemons.reconcile(key),
    rest: (key) => daemons.rests.get(key) ?? 0,
  };
};

/** Labels, taints and existence decide where daemon pods run; heartbeats do not. */
function nodeMatters({ object, old }: Change<Node>): boolean {
  return (
    !deepEqual(object?.metadata.labels, old?.metadata.labels) || !deepEqual(object?.spec?.taints, old?.spec?.taints) || !object || !old
  );
}

interface DaemonCaches {
  sets: Cache<DaemonSet>;
  pods: Cache<Pod>;
  revisions: Cache<ControllerRevision>;
  nodes: Cache<Node>;
}

class Daemons {
  private readonly context: ControllerContext;
  private readonly caches: DaemonCaches;
  private readonly written: Written;
  private readonly control: PodControl;
  private readonly keeper: RevisionKeeper;
  /** When the pod of a set on a node last failed and how long to wait, by "uid/node". */
  private readonly failures = new Map<string, { at: number; wait: number }>();
  /** How long each set with many pods and nothing to do is left alone, in milliseconds. */
  readonly rests = new Map<string, number>();

  constructor(context: ControllerContext, caches: DaemonCaches) {
    this.context = context;
    this.caches = caches;
    this.written = new Written(context.clock);
    this.control = new PodControl(context.client, context.events, caches.pods, this.written);
    this.keeper = new RevisionKeeper(context.client, caches.revisions, this.written, revisionLabel);
  }

  async reconcile(key: string): Promise<number | void> {
    const set = this.caches.sets.byKey(key);
    this.rests.delete(key);
    if (!set || set.metadata.deletionTimestamp) return;
    const wait = this.written.behind(key);
    if (wait) return wait;
    const { client, events, clock } = this.context;
    const selector = selectorOfLabelSelector(set.spec.selector);
    if (selector.everything) {
      events.event(set, "Warning", "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.");
      return;
    }
    const claimed = { client, owner: set, ownerResource: DaemonSets, written: this.written };
    const matches = ({ metadata }: { metadata: Pod["metadata"] }): boolean => selector.matches(metadata.labels);
    const revisions = await claim({ ...claimed, cache: this.caches.revisions, selects: matches });
    const history = await this.keeper.sync(set, revisions);
    if (!history) return this.report(set, { ...set.status, collisionCount: (set.status?.collisionCount ?? 0) + 1 });
    const pods = await claim({ ...claimed, cache: this.caches.pods, selects: matches });
    const hash = history.current.metadata.labels?.[revisionLabel] ?? "";
    const situation: Situation = { set, nodes: this.caches.nodes.list(), pods: byNode(pods), hash, now: clock.now() };
    const { error, again, busy } = await this.manage(situation);
    if (!busy) this.rests.set(key, restAfter(situation.nodes.length));
    await this.report(set, daemonStatus(situation));
    if (error !== undefined) throw error;
    const inUse = new Set([
      history.current.metadata.name,
      ...pods.map(({ metadata }) => `${set.metadata.name}-${metadata.labels?.[revisionLabel]}`),
    ]);
    await this.keeper.remove(set, superfluousRevisions(history.all, inUse, set.spec.revisionHistoryLimit ?? 10));
    return soonest(again, nextAvailable(pods, set.spec.minReadySeconds ?? 0, clock.now()));
  }

  /** Puts pods where they belong, and only when they are there takes the next step of a rolling update. */
  private async manage(situation: Situation): Promise<{ error: unknown; again: number | undefined; busy: boolean }> {
    const plan = planNodes(situation);
    const again = this.buryEnded(situation.set, plan);
    const busy = plan.create.length > 0 || plan.remove.length > 0;
    const error = await this.apply(situation, plan);
    if (error !== undefined || busy || situation.set.spec.updateStrategy?.type === "OnDelete") return { error, again, busy };
    return { error: await this.apply(situation, planRollingUpdate(situation)), again, busy };
  }

  /** Moves pods that have ended to those to delete, failed ones only when their node's back-off is over; returns when to look again. */
  private buryEnded(set: DaemonSet, plan: Plan): number | undefined {
    const { events, clock } = this.context;
    let again: number | undefined;
    for (const pod of plan.ended) {
      const { namespace, name } = pod.metadata;
      const subject = `daemon pod ${namespace}/${name} on node ${pod.spec.nodeName ?? ""}`;
      if (pod.status.phase === "Succeeded")
        events.event(set, "Normal", "SucceededDaemonPod", `Found succeeded ${subject}, will try to delete it`);
      else {
        const id = `${set.metadata.uid}/${pod.spec.nodeName}`;
        const last = this.failures.get(id);
        const now = clock.now();
        if (last && now < last.at + last.wait) {
          again = soonest(again, last.at + last.wait - now);
          continue;
        }
        const forgotten = !last || now > last.at + 2 * failedBackoff.last;
        this.failures.set(id, { at: now, wait: forgotten ? failedBackoff.first : Math.min(last.wait * 2, failedBackoff.last) });
        events.event(set, "Warning", "FailedDaemonPod", `Found failed ${subject}, will try to kill it`);
      }
      plan.remove.push(pod);
    }
    return again;
  }

  /** Returns the first error. */
  private async apply({ set, hash }: Situation, { create, remove }: Pick<Plan, "create" | "remove">): Promise<unknown> {
    const nodes = create.slice(0, burst);
    const made = await slowStart(nodes.length, (i) => this.control.create(set, daemonPod(set, nodes[i] ?? "", hash)));
    const results = await Promise.allSettled(remove.map((pod) => this.control.delete(set, pod)));
    if (made.error !== undefined && !isNamespaceTerminating(made.error)) return made.error;
    return results.find((result) => result.status === "rejected")?.reason;
  }

  private async report(set: DaemonSet, status: DaemonSetStatus): Promise<void> {
    if (sameStatus(set.status, status)) return;
    const updated = await this.context.client.updateStatus(DaemonSets, { ...set, status });
    this.written.wrote(keyOf(set), this.caches.sets, updated);
  }
}
