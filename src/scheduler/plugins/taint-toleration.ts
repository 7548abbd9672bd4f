import type { Taint } from "../../api/types/core.v1.ts";
import { type Plugin, unresolvable } from "../framework.ts";
import { normalizeReversed } from "../normalize.ts";
import { tolerates, untolerated } from "../../api/core/tolerations.ts";

const rejected = unresolvable("node(s) had untolerated taint(s)");

function isSoft({ effect }: Taint): boolean {
  return effect === "PreferNoSchedule";
}

/** TaintToleration: refuses nodes with taints the pod does not tolerate, and prefers those with fewer PreferNoSchedule ones. */
export const taintToleration: Plugin = {
  name: "TaintToleration",
  weight: 3,
  filter({ pod }) {
    const tolerations = pod.spec.tolerations ?? [];
    return {
      check: (node) =>
        node.taints.length > 0 && untolerated(node.taints, tolerations, ["NoSchedule", "NoExecute"]) ? rejected : undefined,
    };
  },
  score({ pod }, _world, feasible) {
    if (!feasible.some((node) => node.taints.length > 0 && node.taints.some(isSoft))) return undefined;
    const tolerations = (pod.spec.tolerations ?? []).filter((t) => !t.effect || t.effect === "PreferNoSchedule");
    return {
      score: (node) => node.taints.filter((t) => isSoft(t) && !tolerations.some((tol) => tolerates(tol, t))).length,
      normalize: normalizeReversed,
    };
  },
  wakes: ({ pod }, event) =>
    event.type === "node" && !untolerated(event.node.spec?.taints ?? [], pod.spec.tolerations ?? [], ["NoSchedule", "NoExecute"]),
};
