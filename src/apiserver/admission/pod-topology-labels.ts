import type { Binding } from "../../api/types/core.v1.ts";
import { Nodes } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { createdPod } from "./request.ts";

const copied = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/** A pod gets its node's zone and region as labels when it gets its node, so that its containers can read them (KEP-4742). */
export function podTopologyLabels(objects: Objects): AdmissionPlugin {
  return {
    name: "PodTopologyLabels",
    resources: ["pods"],
    admit(request) {
      const name = nodeGiven(request);
      const labels = name ? objects.get(Nodes, undefined, name)?.metadata.labels : undefined;
      // What a Binding carries is put onto the pod with the node's name.
      const metadata = labels && request.object?.metadata;
      if (!metadata) return;
      for (const key of copied) if (labels[key] !== undefined) metadata.labels = { ...metadata.labels, [key]: labels[key] };
    },
  };
}

function nodeGiven(request: AdmissionRequest): string | undefined {
  if (request.subresource !== "binding") return createdPod(request)?.spec.nodeName;
  const { target } = request.object as unknown as Binding; // The subresource says so.
  return target?.kind === "Node" ? target.name : undefined;
}
