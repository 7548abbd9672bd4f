import type { Creatable } from "../../api/meta/object.ts";
import type { StatefulSet } from "../../api/types/apps.v1.ts";
import type { PersistentVolumeClaim, Pod, PodTemplateSpec } from "../../api/types/core.v1.ts";
import { revisionLabel } from "../history.ts";
import { podFromTemplate } from "../pod-control.ts";

/** Pure: the names, labels and volumes by which a StatefulSet's pods keep their identity. */

const podNameLabel = "statefulset.kubernetes.io/pod-name";
const podIndexLabel = "apps.kubernetes.io/pod-index";

/** The ordinal at the end of a pod's name, if it is one of the set's. */
export function ordinalOf(set: StatefulSet, pod: { metadata: { name: string } }): number | undefined {
  const match = /^(.*)-(\d+)$/.exec(pod.metadata.name);
  return match && match[1] === set.metadata.name ? Number(match[2]) : undefined;
}

/** The first ordinal of the set. */
export function startOrdinal({ spec }: StatefulSet): number {
  return spec.ordinals?.start ?? 0;
}

/** The claim that a pod of that ordinal uses for a claim template. */
export function claimName(set: StatefulSet, template: PersistentVolumeClaim, ordinal: number): string {
  return `${template.metadata.name}-${set.metadata.name}-${ordinal}`;
}

/** The pod of that ordinal, of a template that belongs to the revision. */
export function statefulPod(set: StatefulSet, ordinal: number, template: PodTemplateSpec, revision: string): Creatable<Pod> {
  const pod = podFromTemplate(template, set);
  const { metadata } = pod;
  const name = `${set.metadata.name}-${ordinal}`;
  return {
    ...pod,
    metadata: { ...metadata, name, labels: { ...metadata.labels, ...identityLabels(name, ordinal), [revisionLabel]: revision } },
    spec: { ...withClaims(set, ordinal, pod.spec), hostname: name, ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}) },
  };
}

/** The labels that a pod of the set lacks, if any. */
export function missingLabels(set: StatefulSet, pod: Pod): Record<string, string> | undefined {
  const ordinal = ordinalOf(set, pod);
  if (ordinal === undefined) return undefined;
  const wanted = Object.entries(identityLabels(pod.metadata.name, ordinal));
  const missing = wanted.filter(([key, value]) => pod.metadata.labels?.[key] !== value);
  return missing.length ? Object.fromEntries(missing) : undefined;
}

/** The claims of the pod of that ordinal. */
export function claimsFor(set: StatefulSet, ordinal: number): Creatable<PersistentVolumeClaim>[] {
  return (set.spec.volumeClaimTemplates ?? []).map((template) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name: claimName(set, template, ordinal),
      namespace: set.metadata.namespace,
      labels: { ...template.metadata.labels, ...set.spec.selector.matchLabels },
      ...(template.metadata.annotations ? { annotations: template.metadata.annotations } : {}),
    },
    spec: template.spec,
  }));
}

function identityLabels(name: string, ordinal: number): Record<string, string> {
  return { [podNameLabel]: name, [podIndexLabel]: String(ordinal) };
}

/** Claims take the place of volumes with the same name. */
function withClaims(set: StatefulSet, ordinal: number, spec: Pod["spec"]): Pod["spec"] {
  const templates = set.spec.volumeClaimTemplates ?? [];
  if (templates.length === 0) return spec;
  const claims = templates.map((template) => ({
    name: template.metadata.name,
    persistentVolumeClaim: { claimName: claimName(set, template, ordinal) },
  }));
  const others = (spec.volumes ?? []).filter(({ name }) => !claims.some((claim) => claim.name === name));
  return { ...spec, volumes: [...claims, ...others] };
}
