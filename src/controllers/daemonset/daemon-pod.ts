import { compileNodeSelector } from "../../api/core/node-selector.ts";
import { untolerated } from "../../api/core/tolerations.ts";
import { matchesLabels } from "../../api/meta/labels.ts";
import type { Creatable } from "../../api/meta/object.ts";
import type { DaemonSet } from "../../api/types/apps.v1.ts";
import type { Node, Pod, Toleration } from "../../api/types/core.v1.ts";
import { revisionLabel } from "../history.ts";
import { podFromTemplate } from "../pod-control.ts";

/** Pure: which nodes a DaemonSet's pods belong on, and what such a pod looks like. */

const generationAnnotation = "deprecated.daemonset.template.generation";

/** What every daemon pod tolerates: it has to run where others are driven away. */
function defaultTolerations(hostNetwork: boolean): Toleration[] {
  const tolerate = (effect: Toleration["effect"], ...names: string[]): Toleration[] =>
    names.map((name) => ({ key: `node.kubernetes.io/${name}`, operator: "Exists", ...(effect ? { effect } : {}) }));
  return [
    ...tolerate("NoExecute", "not-ready", "unreachable"),
    ...tolerate("NoSchedule", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"),
    ...(hostNetwork ? tolerate("NoSchedule", "network-unavailable") : []),
  ];
}

/** The tolerations of a DaemonSet's pods: the template's own, and the default ones that it does not set itself. */
export function daemonTolerations({ spec }: DaemonSet): Toleration[] {
  const own = spec.template.spec?.tolerations ?? [];
  const added = defaultTolerations(spec.template.spec?.hostNetwork ?? false);
  return [...own.filter((a) => !added.some((b) => a.key === b.key && a.effect === b.effect && a.operator === b.operator)), ...added];
}

/** Whether a pod of the DaemonSet should be on the node, and whether one that is there may stay. */
export function belongsOn(set: DaemonSet, node: Node): { shouldRun: boolean; mayStay: boolean } {
  const { nodeName, nodeSelector, affinity } = set.spec.template.spec ?? {};
  const labels = node.metadata.labels ?? {};
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const fits =
    (!nodeName || nodeName === node.metadata.name) &&
    matchesLabels(nodeSelector, labels) &&
    (!required || compileNodeSelector(required)({ name: node.metadata.name, labels }));
  if (!fits) return { shouldRun: false, mayStay: false };
  const taints = node.spec?.taints ?? [];
  const tolerations = daemonTolerations(set);
  return {
    shouldRun: !untolerated(taints, tolerations, ["NoSchedule", "NoExecute"]),
    mayStay: !untolerated(taints, tolerations, ["NoExecute"]),
  };
}

/** The pod of the DaemonSet for that node. The scheduler binds it, by an affinity to the node's name. */
export function daemonPod(set: DaemonSet, node: string, hash: string): Creatable<Pod> {
  const pod = podFromTemplate(set.spec.template, set);
  const generation = set.metadata.annotations?.[generationAnnotation];
  const labels = { ...pod.metadata.labels, [revisionLabel]: hash, ...(generation ? { "pod-template-generation": generation } : {}) };
  const { affinity } = pod.spec;
  const nodeSelectorTerms = [{ matchFields: [{ key: "metadata.name", operator: "In" as const, values: [node] }] }];
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: {
      ...pod.spec,
      affinity: {
        ...affinity,
        nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
      },
      tolerations: daemonTolerations(set),
    },
  };
}

/** The node that a daemon pod runs on, or is meant for. */
export function targetNode({ spec }: Pod): string | undefined {
  if (spec.nodeName) return spec.nodeName;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const { matchFields } of terms)
    for (const { key, operator, values } of matchFields ?? [])
      if (key === "metadata.name" && operator === "In" && values?.length === 1) return values[0];
  return undefined;
}
