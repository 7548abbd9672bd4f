import { scaledValue } from "../api/apps/pod-owner.ts";
import { findCondition, setCondition } from "../api/meta/conditions.ts";
import { formatLabelSelector, selectorOfLabelSelector } from "../api/meta/labels.ts";
import { keyOf } from "../api/meta/object.ts";
import { controllerOf } from "../api/meta/owners.ts";
import { formatTime } from "../api/meta/time.ts";
import { findKind, type Resource } from "../api/resource.ts";
import type { Pod } from "../api/types/core.v1.ts";
import type { Condition, OwnerReference } from "../api/types/meta.v1.ts";
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from "../api/types/policy.v1.ts";
import { Deployments, PodDisruptionBudgets, Pods, ReplicaSets, ReplicationControllers, StatefulSets } from "../api/types/resources.ts";
import type { Caches } from "../client/cache.ts";
import type { Client } from "../client/client.ts";
import { type ControllerFactory, restAfter, watch } from "../client/controller.ts";
import { messageOf } from "./pod-control.ts";
import { isReady, isTerminating } from "./pod-state.ts";
import { sameStatus } from "./status.ts";

/** How long a pod that was evicted may take to be deleted, in milliseconds; then it counts again. */
const deletionTimeout = 120_000;

/** How many pods the budget's owners want, and which pods have no owner that could tell. */
export interface Expectation {
  count: number;
  unmanaged: readonly string[];
}

/** The pods that the API server has evicted and that are not marked yet, and when to look at them again. `now` in milliseconds. */
export function stillDisrupted(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  now: number,
): { disrupted: Record<string, string>; again: number | undefined } {
  const disrupted: Record<string, string> = {};
  let again: number | undefined;
  for (const [name, time] of Object.entries(budget.status?.disruptedPods ?? {})) {
    const pod = pods.find(({ metadata }) => metadata.name === name);
    const left = Date.parse(time) + deletionTimeout - now;
    if (!pod || isTerminating(pod) || left <= 0) continue;
    disrupted[name] = time;
    again = Math.min(again ?? left, left);
  }
  return { disrupted, again };
}

/** How many pods must stay healthy, and how many there should be. */
export function desiredHealthy(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  expected: Expectation,
): { desired: number; count: number } {
  if (spec.maxUnavailable !== undefined) {
    const { count } = expected;
    return { desired: Math.max(0, count - scaledValue(spec.maxUnavailable, count, true)), count };
  }
  if (typeof spec.minAvailable === "string")
    return { desired: scaledValue(spec.minAvailable, expected.count, true), count: expected.count };
  return { desired: spec.minAvailable ?? 0, count: pods.length };
}

/** The status of a budget with these pods. */
export function budgetStatus(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expected: Expectation,
  now: number,
): PodDisruptionBudgetStatus {
  const { disrupted } = stillDisrupted(budget, pods, now);
  const { desired, count } = desiredHealthy(budget, pods, expected);
  const healthy = pods.filter((pod) => !isTerminating(pod) && !(pod.metadata.name in disrupted) && isReady(pod)).length;
  const allowed = count > 0 ? Math.max(0, healthy - desired) : 0;
  const reason = allowed > 0 ? "SufficientPods" : "InsufficientPods";
  return {
    ...(Object.keys(disrupted).length ? { disruptedPods: disrupted } : {}),
    currentHealthy: healthy,
    desiredHealthy: desired,
    disruptionsAllowed: allowed,
    expectedPods: count,
    observedGeneration: budget.metadata.generation ?? 0,
    conditions: withAllowed(budget, allowed > 0 ? "True" : "False", reason, "", now),
  };
}

function withAllowed(budget: PodDisruptionBudget, status: string, reason: string, message: string, now: number): Condition[] {
  const time = formatTime(now);
  const { generation = 0 } = budget.metadata;
  const kept = findCondition(budget.status?.conditions, "DisruptionAllowed");
  const lastTransitionTime = kept?.status === status ? kept.lastTransitionTime : time;
  const condition = { type: "DisruptionAllowed", status, observedGeneration: generation, lastTransitionTime, reason, message };
  return [...setCondition(budget.status?.conditions, condition, time)];
}

/** Keeps the status of PodDisruptionBudgets, by which evictions are allowed or refused. */
export const createDisruptionController: ControllerFactory = ({ caches, client, events, clock }) => {
  const budgets = caches.of(PodDisruptionBudgets);
  const pods = caches.of(Pods);
  const scales = new Scales(caches, client);
  const rests = new Map<string, number>();
  return {
    name: "disruption",
    watches: [
      watch(budgets, (budget) => [keyOf(budget)]),
      watch(pods, ({ metadata }) =>
        budgets
          .list(metadata.namespace)
          .filter(({ spec }) => selectorOfLabelSelector(spec.selector).matches(metadata.labels))
          .map(keyOf),
      ),
    ],
    rest: (key) => rests.get(key) ?? 0,
    async reconcile(key) {
      const budget = budgets.byKey(key);
      rests.delete(key);
      if (!budget) return;
      const selector = selectorOfLabelSelector(budget.spec.selector);
      const all = pods.list(budget.metadata.namespace);
      const selected = all.filter(({ metadata }) => selector.matches(metadata.labels));
      rests.set(key, restAfter(all.length / 10 + selected.length));
      if (selected.length === 0) events.event(budget, "Normal", "NoPods", "No matching pods found");
      const write = async (status: PodDisruptionBudgetStatus): Promise<void> => {
        if (!sameStatus(budget.status, status)) await client.updateStatus(PodDisruptionBudgets, { ...budget, status });
      };
      const now = clock.now();
      try {
        const expected = needsScale(budget) ? await scales.expected(selected) : { count: selected.length, unmanaged: [] };
        if (expected.unmanaged.length > 0) events.event(budget, "Warning", "UnmanagedPods", unmanagedText(budget));
        await write(budgetStatus(budget, selected, expected, now));
        return stillDisrupted(budget, selected, now).again;
      } catch (error) {
        const message = messageOf(error);
        events.event(budget, "Warning", "CalculateExpectedPodCountFailed", `Failed to calculate the number of expected pods: ${message}`);
        await write({ ...budget.status, disruptionsAllowed: 0, conditions: withAllowed(budget, "False", "SyncFailed", message, now) });
        throw error;
      }
    },
  };
};

function needsScale({ spec }: PodDisruptionBudget): boolean {
  return spec.maxUnavailable !== undefined || typeof spec.minAvailable === "string";
}

function unmanagedText({ spec }: PodDisruptionBudget): string {
  return (
    `Pods selected by this PodDisruptionBudget (selector: ${formatLabelSelector(spec.selector)}) were found to be unmanaged. As a result, the status of ` +
    "the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set " +
    '".spec.minAvailable" field of the PDB to an integer value.'
  );
}

/** Finds how many pods the controllers of pods want, by the caches or by the scale subresource. */
class Scales {
  private readonly client: Client;
  private readonly caches: ReturnType<typeof scaleCaches>;

  constructor(caches: Caches, client: Client) {
    this.client = client;
    this.caches = scaleCaches(caches);
  }

  async expected(pods: readonly Pod[]): Promise<Expectation> {
    const unmanaged: string[] = [];
    const counts = new Map<string, number>();
    for (const pod of pods) {
      const owner = controllerOf(pod);
      if (!owner) unmanaged.push(pod.metadata.name);
      else if (!counts.has(owner.uid)) {
        const [uid, count] = await this.wanted(pod, owner);
        counts.set(owner.uid, 0);
        counts.set(uid, count);
      }
    }
    return { count: [...counts.values()].reduce((a, b) => a + b, 0), unmanaged };
  }

  /** The uid of what sets the number, a Deployment instead of its ReplicaSet, and the number. */
  private async wanted(pod: Pod, owner: OwnerReference): Promise<[string, number]> {
    const { namespace } = pod.metadata;
    const { replicaSets, deployments, others } = this.caches;
    if (owner.kind === "ReplicaSet") {
      const set = replicaSets.get(namespace, owner.name);
      const deployment = set && deployments.get(namespace, controllerOf(set)?.name ?? "");
      const top = deployment ?? set;
      if (top) return [top.metadata.uid, top.spec.replicas ?? 1];
    }
    const known = others[owner.kind]?.get(namespace, owner.name);
    if (known) return [owner.uid, known.spec.replicas ?? 1];
    const resource: Resource<{ spec?: { replicas?: number } }> | undefined = findKind(owner.apiVersion, owner.kind);
    if (!resource?.subresources.scale) throw new Error(`found no controllers for pod "${pod.metadata.name}"`);
    const scale = await this.client.get(resource, { namespace, name: owner.name }, { subresource: "scale" });
    return [owner.uid, scale.spec?.replicas ?? 0];
  }
}

function scaleCaches(caches: Caches) {
  return {
    replicaSets: caches.of(ReplicaSets),
    deployments: caches.of(Deployments),
    others: { StatefulSet: caches.of(StatefulSets), ReplicationController: caches.of(ReplicationControllers) } as Record<
      string,
      { get(namespace: string | undefined, name: string): { spec: { replicas?: number } } | undefined } | undefined
    >,
  };
}
