import { deepEqual, semanticEqual } from "../../api/meta/equality.ts";
import type { PodSpec } from "../../api/types/core.v1.ts";
import { Nodes } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { changedOnNode, refuse } from "./request.ts";

/** What only some kubelets can change of a pod that they run, by the name under which they declare that they can; in order. */
const features: Readonly<Record<string, (spec: PodSpec, old: PodSpec) => boolean>> = {
  InPlacePodLevelResourcesVerticalScaling: (spec, old) => !semanticEqual(spec.resources, old.resources),
  InPlacePodVerticalScalingInitContainers: ({ initContainers }, old) =>
    old.initContainers?.some((c, i) => c.restartPolicy !== "Always" && !deepEqual(c.resources, initContainers?.[i]?.resources)) ?? false,
};

/** Refuses changes of a pod that its node does not declare to be able to make (KEP-5328). */
export function nodeDeclaredFeatureValidator(objects: Objects): AdmissionPlugin {
  return {
    name: "NodeDeclaredFeatureValidator",
    resources: ["pods"],
    validate(request) {
      const change = changedOnNode(request, "") ?? changedOnNode(request, "resize");
      if (!change) return;
      const { pod, old } = change;
      const required = Object.keys(features).filter((name) => features[name]?.(pod.spec, old.spec));
      if (required.length === 0) return;
      const name = pod.spec.nodeName ?? "";
      const node = objects.get(Nodes, undefined, name);
      if (!node) throw refuse(request, `node "${name}" not found`);
      const missing = required.filter((feature) => !node.status?.declaredFeatures?.includes(feature));
      if (missing.length > 0)
        throw refuse(request, `pod update requires features ${missing.join(", ")} which are not available on node "${name}"`);
    },
  };
}
