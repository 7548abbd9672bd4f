import { podTotal } from "../../api/core/quota-usage.ts";
import { compareQuantities, milliValue, parseQuantity, value, zeroQuantity } from "../../api/meta/quantity.ts";
import type { Node, Pod } from "../../api/types/core.v1.ts";
import { Nodes } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { changedOnNode, refuse } from "./request.ts";

/** Refuses a resize (KEP-1287) that the pod's node can never make: it has not as much for any pod, or does not run Linux. */
export function podResizeValidator(objects: Objects): AdmissionPlugin {
  return {
    name: "PodResizeValidator",
    resources: ["pods"],
    validate(request) {
      const pod = changedOnNode(request, "resize")?.pod;
      if (!pod) return;
      const name = pod.spec.nodeName ?? "";
      const node = objects.get(Nodes, undefined, name);
      if (!node) throw refuse(request, `node "${name}" not found`);
      const problem = problemWith(pod, node);
      if (!problem) return;
      const error = refuse(request, problem.message);
      error.status.details = { ...error.status.details, causes: [{ reason: problem.reason }] };
      throw error;
    },
  };
}

function problemWith(pod: Pod, { metadata, status }: Node): { reason: string; message: string } | undefined {
  const os = metadata.labels?.["kubernetes.io/os"] ?? "linux";
  if (os !== "linux")
    return {
      reason: "UnsupportedPlatform",
      message: `pod resize is only supported on linux nodes, node "${metadata.name}" is "${os}"`,
    };
  const requests = podTotal(pod, "requests");
  const exceeded = Object.entries({ cpu: milliValue, memory: value }).flatMap(([resource, amount]) => {
    const requested = requests[resource] ?? zeroQuantity;
    const allocatable = parseQuantity(status?.allocatable?.[resource] ?? "0");
    if (compareQuantities(requested, allocatable) <= 0) return [];
    return [`${resource}, requested: ${amount(requested)}, allocatable: ${amount(allocatable)}`];
  });
  if (exceeded.length === 0) return undefined;
  return { reason: "NodeCapacity", message: `node didn't have enough allocatable resources: ${exceeded.join("; ")}` };
}
