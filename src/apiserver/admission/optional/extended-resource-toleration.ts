import { isExtended } from "../../../api/core/resource-validation.ts";
import type { AdmissionPlugin } from "../admission.ts";
import { writtenPod } from "../request.ts";

/** A pod that asks for a device tolerates the taint of the nodes that are kept for those who do: the resource's name. */
export const extendedResourceToleration: AdmissionPlugin = {
  name: "ExtendedResourceToleration",
  resources: ["pods"],
  admit(request) {
    const spec = writtenPod(request)?.spec;
    if (!spec) return;
    const names = [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ resources }) => Object.keys(resources?.requests ?? {}));
    for (const key of [...new Set(names)].filter(isExtended).sort()) {
      const present = spec.tolerations ?? [];
      if (!present.some((one) => one.key === key && one.operator === "Exists" && one.effect === "NoSchedule"))
        spec.tolerations = [...present, { key, operator: "Exists", effect: "NoSchedule" }];
    }
  },
};
