import type { Taint } from "../../api/types/core.v1.ts";
import { type Plugin, unresolvable } from "../framework.ts";
import { tolerates } from "../../api/core/tolerations.ts";

const rejected = unresolvable("node(s) were unschedulable");
const cordon: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/** NodeUnschedulable: cordoned nodes take only pods that tolerate the taint which goes with it. */
export const nodeUnschedulable: Plugin = {
  name: "NodeUnschedulable",
  filter({ pod }) {
    if (pod.spec.tolerations?.some((t) => tolerates(t, cordon))) return undefined;
    return { check: (node) => (node.node.spec?.unschedulable ? rejected : undefined) };
  },
  wakes: (_pod, event) =>
    event.type === "node" && !event.node.spec?.unschedulable && (!event.old || event.old.spec?.unschedulable === true),
};
