import type { AdmissionPlugin } from "../admission.ts";
import { refuse, writtenPod } from "../request.ts";

const hostname = "kubernetes.io/hostname";

/** A pod may keep others away from its node, but not from a whole zone or region. */
export const limitPodHardAntiAffinityTopology: AdmissionPlugin = {
  name: "LimitPodHardAntiAffinityTopology",
  resources: ["pods"],
  validate(request) {
    const terms = writtenPod(request)?.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    for (const { topologyKey } of terms)
      if (topologyKey !== hostname) {
        const why = `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${topologyKey} but only key ${hostname} is allowed`;
        throw refuse(request, why);
      }
  },
};
