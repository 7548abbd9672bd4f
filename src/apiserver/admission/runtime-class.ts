import { deepEqual } from "../../api/meta/equality.ts";
import { canonicalQuantity } from "../../api/meta/quantity.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import type { RuntimeClass } from "../../api/types/node.v1.ts";
import { RuntimeClasses } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { createdPod, refuse } from "./request.ts";

/** A pod's RuntimeClass must be there; its overhead and where it may run become the pod's. */
export function runtimeClass(objects: Objects): AdmissionPlugin {
  const classOf = (request: AdmissionRequest, { spec }: Pod): RuntimeClass | undefined => {
    if (!spec.runtimeClassName) return undefined;
    const found = objects.get(RuntimeClasses, undefined, spec.runtimeClassName);
    if (!found) throw refuse(request, `pod rejected: RuntimeClass ${JSON.stringify(spec.runtimeClassName)} not found`);
    return found;
  };
  return {
    name: "RuntimeClass",
    resources: ["pods"],
    admit(request) {
      const pod = createdPod(request);
      const found = pod && classOf(request, pod);
      if (!pod || !found) return;
      setOverhead(request, pod, found);
      setScheduling(request, pod, found);
    },
    validate(request) {
      const pod = createdPod(request);
      if (!pod) return;
      const found = classOf(request, pod);
      if (!found && pod.spec.overhead && Object.keys(pod.spec.overhead).length > 0)
        throw refuse(request, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
    },
  };
}

function setOverhead(request: AdmissionRequest, { spec }: Pod, { overhead }: RuntimeClass): void {
  const fixed = overhead?.podFixed;
  if (!fixed) return;
  const canonical = (amounts: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, canonicalQuantity(amount)]));
  if (spec.overhead && !deepEqual(canonical(spec.overhead), canonical(fixed)))
    throw refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  spec.overhead = { ...fixed };
}

function setScheduling(request: AdmissionRequest, { spec }: Pod, { scheduling }: RuntimeClass): void {
  for (const [key, value] of Object.entries(scheduling?.nodeSelector ?? {})) {
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value)
      throw refuse(request, `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`);
    spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
  }
  for (const toleration of scheduling?.tolerations ?? [])
    if (!spec.tolerations?.some((own) => deepEqual(own, toleration))) spec.tolerations = [...(spec.tolerations ?? []), toleration];
}
