import { type Plugin, unresolvable } from "../framework.ts";

const rejected = unresolvable("node(s) didn't match the requested node name");

/** NodeName: a pod that names its node goes nowhere else. */
export const nodeName: Plugin = {
  name: "NodeName",
  filter: ({ pod }) => (pod.spec.nodeName ? { check: (node) => (node.name === pod.spec.nodeName ? undefined : rejected) } : undefined),
  wakes: (_pod, event) => event.type === "node" && event.old === undefined,
};
