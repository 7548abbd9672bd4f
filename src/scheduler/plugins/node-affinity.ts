import type { Pod } from "../../api/types/core.v1.ts";
import { type Plugin, unresolvable } from "../framework.ts";
import { compileNodeSelector, compileNodeTerm, type NodeMatcher } from "../../api/core/node-selector.ts";
import { normalize } from "../normalize.ts";

const rejected = unresolvable("node(s) didn't match Pod's node affinity/selector");

/** Whether a node suits the pod's nodeSelector and required node affinity. */
export function requiredNodeMatcher(pod: Pod): NodeMatcher | undefined {
  const labels = Object.entries(pod.spec.nodeSelector ?? {});
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (labels.length === 0 && !required) return undefined;
  const affinity = required && compileNodeSelector(required);
  return (node) => labels.every(([key, value]) => node.labels[key] === value) && (!affinity || affinity(node));
}

/** NodeAffinity: nodeSelector, required and preferred node affinity. */
export const nodeAffinity: Plugin = {
  name: "NodeAffinity",
  weight: 2,
  filter({ pod }) {
    const matches = requiredNodeMatcher(pod);
    if (!matches) return undefined;
    return { check: (node) => (matches(node) ? undefined : rejected), only: namedNodes(pod) };
  },
  score({ pod }) {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const terms = preferred.filter((t) => t.weight > 0).map((t) => ({ weight: t.weight, matches: compileNodeTerm(t.preference) }));
    if (terms.length === 0) return undefined;
    return { score: (node) => terms.reduce((sum, t) => sum + (t.matches(node) ? t.weight : 0), 0), normalize };
  },
  wakes({ pod }, event) {
    if (event.type !== "node") return false;
    const matches = requiredNodeMatcher(pod);
    return !matches || matches({ name: event.node.metadata.name, labels: event.node.metadata.labels ?? {} });
  },
};

/** The names that each term asks for by metadata.name (as DaemonSets do); undefined when any term does not. */
function namedNodes(pod: Pod): Set<string> | undefined {
  const names = new Set<string>();
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  if (terms.length === 0) return undefined;
  for (const term of terms) {
    const field = term.matchFields?.find((f) => f.key === "metadata.name" && f.operator === "In");
    if (!field) return undefined;
    for (const name of field.values ?? []) names.add(name);
  }
  return names;
}
