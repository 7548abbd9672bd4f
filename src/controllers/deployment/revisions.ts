import { hashSuffix } from "../../api/meta/names.ts";
import type { Creatable } from "../../api/meta/object.ts";
import { controllerReference } from "../../api/meta/owners.ts";
import { podTemplateHashLabel, sameTemplate } from "../../api/meta/templates.ts";
import type { Deployment, ReplicaSet } from "../../api/types/apps.v1.ts";

/** Annotations by which a Deployment and its ReplicaSets remember a rollout. */
export const annotations = {
  revision: "deployment.kubernetes.io/revision",
  history: "deployment.kubernetes.io/revision-history",
  desired: "deployment.kubernetes.io/desired-replicas",
  maximum: "deployment.kubernetes.io/max-replicas",
} as const;

const notCopied: readonly string[] = ["kubectl.kubernetes.io/last-applied-configuration", "deprecated.deployment.rollback.to"].concat(
  Object.values(annotations),
);
/** A history longer than this many characters loses its oldest entries. */
const historyLimit = 2000;

type Annotations = Record<string, string>;

/** The revision of an object; 0 when it has none. May exceed 2^53. */
export function revisionOf({ metadata }: { metadata: { annotations?: Annotations } }): bigint {
  const text = metadata.annotations?.[annotations.revision];
  return text && /^-?\d+$/.test(text) ? BigInt(text) : 0n;
}

/** ReplicaSets from the oldest to the newest, by their creation and then by name. */
export function byAge(sets: readonly ReplicaSet[]): ReplicaSet[] {
  const age = ({ metadata }: ReplicaSet): string => `${metadata.creationTimestamp} ${metadata.name}`;
  return [...sets].sort((a, b) => (age(a) < age(b) ? -1 : 1));
}

/** The ReplicaSet of the Deployment's present template: the oldest when there are several. */
export function findNew(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return byAge(sets).find((set) => sameTemplate(set.spec.template ?? {}, deployment.spec.template));
}

/** The revision that the new ReplicaSet shall have: one more than the greatest of the old ones. */
export function nextRevision(old: readonly ReplicaSet[]): bigint {
  let greatest = 0n;
  for (const revision of old.map(revisionOf)) if (revision > greatest) greatest = revision;
  return greatest + 1n;
}

/**
 * The annotations of the new ReplicaSet: those of the Deployment, its revision, and the revisions it had before a rollback made it new
 * again. The same object when nothing changes.
 */
export function newSetAnnotations(deployment: Deployment, set: ReplicaSet, revision: bigint): Annotations {
  const before = set.metadata.annotations ?? {};
  const result = { ...before };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) if (!notCopied.includes(key)) result[key] = value;
  const old = before[annotations.revision];
  if (revisionOf(set) < revision) {
    result[annotations.revision] = String(revision);
    if (old) result[annotations.history] = history(before[annotations.history], old);
  }
  const changed = Object.keys(result).some((key) => result[key] !== before[key]);
  return changed ? result : before;
}

/** What `scale` notes on a ReplicaSet, to divide fairly when the Deployment is scaled amid a rollout. */
export function sizeAnnotations(replicas: number, maximum: number): Annotations {
  return { [annotations.desired]: String(replicas), [annotations.maximum]: String(maximum) };
}

/** The ReplicaSet for the Deployment's present template. */
export function makeReplicaSet(
  deployment: Deployment,
  { revision, replicas, maximum }: { revision: bigint; replicas: number; maximum: number },
): Creatable<ReplicaSet> {
  const { metadata, spec, status } = deployment;
  const hash = hashSuffix(spec.template, status?.collisionCount);
  const template = structuredClone(spec.template);
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [podTemplateHashLabel]: hash } };
  const copied = Object.entries(metadata.annotations ?? {}).filter(([key]) => !notCopied.includes(key));
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace,
      labels: template.metadata.labels ?? {},
      annotations: {
        ...Object.fromEntries(copied),
        [annotations.revision]: String(revision),
        ...sizeAnnotations(spec.replicas ?? 1, maximum),
      },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      ...(spec.minReadySeconds ? { minReadySeconds: spec.minReadySeconds } : {}),
      selector: { ...spec.selector, matchLabels: { ...spec.selector.matchLabels, [podTemplateHashLabel]: hash } },
      template,
    },
  };
}

/** Old ReplicaSets that the revision history limit lets go, the oldest revisions first; never one that still has pods. */
export function superfluous(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit;
  if (limit === undefined || limit === 2 ** 31 - 1) return [];
  const alive = old.filter(({ metadata }) => !metadata.deletionTimestamp);
  return byAge(alive)
    .sort((a, b) => (revisionOf(a) < revisionOf(b) ? -1 : revisionOf(a) > revisionOf(b) ? 1 : 0))
    .slice(0, Math.max(0, alive.length - limit))
    .filter(
      ({ spec, status, metadata }) => !status.replicas && !spec.replicas && (metadata.generation ?? 0) <= (status.observedGeneration ?? 0),
    );
}

function history(before: string | undefined, revision: string): string {
  const entries = before ? before.split(",") : [];
  while (entries.length > 0 && entries.join(",").length + revision.length + 1 > historyLimit) entries.shift();
  return [...entries, revision].join(",");
}
