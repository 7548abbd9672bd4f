import { scaledValue } from "../../api/apps/pod-owner.ts";
import type { Deployment, ReplicaSet } from "../../api/types/apps.v1.ts";
import { annotations, byAge } from "./revisions.ts";

/** Pure decisions: how many replicas each ReplicaSet of a Deployment shall have next. */

/** A ReplicaSet and its next size. */
export interface Scale {
  set: ReplicaSet;
  replicas: number;
}

/** How many pods a rolling update may have too many and too few; never both 0, or it could not begin. */
export function allowances({ spec }: Deployment): { surge: number; unavailable: number } {
  if (spec.strategy?.type === "Recreate") return { surge: 0, unavailable: 0 };
  const replicas = spec.replicas ?? 1;
  const { maxSurge = "25%", maxUnavailable = "25%" } = spec.strategy?.rollingUpdate ?? {};
  const surge = scaledValue(maxSurge, replicas, true);
  const unavailable = Math.min(scaledValue(maxUnavailable, replicas, false), replicas);
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** The greatest number of pods the Deployment may have now. */
export function maximum(deployment: Deployment): number {
  return (deployment.spec.replicas ?? 1) + allowances(deployment).surge;
}

/** The sum of the replicas that the ReplicaSets ask for. */
export function wanted(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, { spec }) => sum + (spec.replicas ?? 1), 0);
}

/** The sum of the available replicas. */
export function available(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, { status }) => sum + (status?.availableReplicas ?? 0), 0);
}

/** ReplicaSets that ask for pods. */
export function withReplicas(sets: readonly ReplicaSet[]): ReplicaSet[] {
  return sets.filter(({ spec }) => (spec.replicas ?? 1) > 0);
}

/** The size of the new ReplicaSet in the next step: as many as fit under the maximum. `size` is its present one, 0 before it is made. */
export function nextNewSize(deployment: Deployment, size: number, all: readonly ReplicaSet[]): number {
  const replicas = deployment.spec.replicas ?? 1;
  if (deployment.spec.strategy?.type === "Recreate" || size >= replicas) return replicas;
  const room = maximum(deployment) - wanted(all);
  return room <= 0 ? size : size + Math.min(room, replicas - size);
}

/**
 * The next sizes of the old ReplicaSets in a rolling update: first their pods that are not available anyway, oldest set first, then as many
 * available ones as minimum availability allows.
 */
export function shrinkOld(deployment: Deployment, newSet: ReplicaSet, old: readonly ReplicaSet[]): Scale[] {
  const minimum = (deployment.spec.replicas ?? 1) - allowances(deployment).unavailable;
  const newUnavailable = (newSet.spec.replicas ?? 1) - (newSet.status?.availableReplicas ?? 0);
  const sizes = new Map(byAge(withReplicas(old)).map((set) => [set, set.spec.replicas ?? 1]));
  let mayGo = wanted([newSet, ...old]) - minimum - newUnavailable;
  if (mayGo <= 0) return [];
  for (const [set, size] of sizes) {
    const unhealthy = Math.max(0, Math.min(mayGo, size - (set.status?.availableReplicas ?? 0)));
    sizes.set(set, size - unhealthy);
    mayGo -= unhealthy;
  }
  let spare = available([newSet, ...old]) - minimum;
  for (const [set, size] of sizes) {
    const less = Math.max(0, Math.min(size, spare));
    sizes.set(set, size - less);
    spare -= less;
  }
  return changed(sizes);
}

/**
 * The sizes after the Deployment itself was scaled, or while it is paused: all to the one set that counts, or in proportion over several
 * amid a rollout, the rest to the greatest.
 */
export function distribute(deployment: Deployment, newSet: ReplicaSet | undefined, old: readonly ReplicaSet[]): Scale[] {
  const replicas = deployment.spec.replicas ?? 1;
  const all = newSet ? [newSet, ...old] : [...old];
  const active = withReplicas(all);
  if (active.length <= 1) {
    const only = active[0] ?? newSet ?? byAge(old).at(-1);
    return only && (only.spec.replicas ?? 1) !== replicas ? [{ set: only, replicas }] : [];
  }
  if (newSet && isSaturated(deployment, newSet)) return withReplicas(old).map((set) => ({ set, replicas: 0 }));
  if (deployment.spec.strategy?.type === "Recreate") return [];
  return proportional(deployment, active);
}

/** Whether the Deployment's size has been changed since its ReplicaSets were last scaled. */
export function isScaling(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return withReplicas(sets).some(({ metadata }) => {
    const desired = metadata.annotations?.[annotations.desired];
    return desired !== undefined && Number(desired) !== (deployment.spec.replicas ?? 1);
  });
}

function proportional(deployment: Deployment, active: readonly ReplicaSet[]): Scale[] {
  const replicas = deployment.spec.replicas ?? 1;
  const allowed = replicas > 0 ? maximum(deployment) : 0;
  const toAdd = allowed - wanted(active);
  // Growing begins with the newest among equals, shrinking with the oldest.
  const order = toAdd > 0 ? byAge(active).reverse() : byAge(active);
  order.sort((a, b) => (b.spec.replicas ?? 1) - (a.spec.replicas ?? 1));
  let added = 0;
  const scales = order.map((set) => {
    const share = toAdd === 0 ? 0 : portion(deployment, set, toAdd, added);
    added += share;
    return { set, replicas: (set.spec.replicas ?? 1) + share };
  });
  const [first] = scales;
  if (first) first.replicas = Math.max(0, first.replicas + toAdd - added);
  return scales;
}

/** How much of `toAdd` (negative: to remove) falls to one set when `added` is given away already. */
function portion(deployment: Deployment, set: ReplicaSet, toAdd: number, added: number): number {
  const size = set.spec.replicas ?? 1;
  const left = toAdd - added;
  if (size === 0 || left === 0) return 0;
  const fair = fraction(deployment, set, size);
  return toAdd > 0 ? Math.min(fair, left) : Math.max(fair, left);
}

function fraction(deployment: Deployment, set: ReplicaSet, size: number): number {
  if (deployment.spec.replicas === 0) return -size;
  const before = Number(set.metadata.annotations?.[annotations.maximum] ?? deployment.status?.replicas ?? 0);
  if (!before) return 0;
  return Math.round((size * maximum(deployment)) / before) - size;
}

function isSaturated(deployment: Deployment, { metadata, spec, status }: ReplicaSet): boolean {
  const replicas = deployment.spec.replicas ?? 1;
  const desired = Number(metadata.annotations?.[annotations.desired]);
  return spec.replicas === replicas && desired === replicas && (status?.availableReplicas ?? 0) === replicas;
}

function changed(sizes: ReadonlyMap<ReplicaSet, number>): Scale[] {
  return [...sizes].filter(([set, size]) => size !== (set.spec.replicas ?? 1)).map(([set, replicas]) => ({ set, replicas }));
}
