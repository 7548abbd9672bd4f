import type { Node } from "../../api/types/core.v1.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { isFor } from "./request.ts";

const key = "node.kubernetes.io/not-ready";

/** A new node gets no pods before it has said that it is ready. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: "TaintNodesByCondition",
  resources: ["nodes"],
  admit(request) {
    if (request.operation !== "CREATE" || !isFor(request, "nodes")) return;
    const node = request.object as Node; // The resource says so.
    const taints = ((node.spec ??= {}).taints ??= []);
    if (!taints.some((taint) => taint.key === key && taint.effect === "NoSchedule")) taints.push({ key, effect: "NoSchedule" });
  },
};
