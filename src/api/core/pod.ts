import { BoundedMap } from "../../lib/bounded-map.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import type { Pod } from "../types/core.v1.ts";
import { appArmorWarnings, syncAppArmor, validateAppArmorAnnotations } from "./app-armor.ts";
import { defaultPod, qosClassOf } from "./pod-defaults.ts";
import { podCells } from "./pod-table.ts";
import { validatePodStatusUpdate, validatePodUpdate } from "./pod-update.ts";
import { validatePodSpec } from "./pod-validation.ts";
import { podWarnings } from "./pod-warnings.ts";

/** The rules of Pods. */
export const podRules: KindRules<Pod> = {
  default: defaultPod,
  prepareForCreate(pod) {
    syncAppArmor(pod);
    pod.status = { phase: "Pending", qosClass: qosClassOf(pod.spec) };
    if (pod.spec.schedulingGates?.length)
      pod.status.conditions = [
        {
          type: "PodScheduled",
          status: "False",
          reason: "SchedulingGated",
          message: "Scheduling is blocked due to non-empty scheduling gates",
        },
      ];
  },
  prepareForUpdate(pod) {
    // As upstream: a negative grace period, allowed long ago, means the shortest.
    if ((pod.spec.terminationGracePeriodSeconds ?? 0) < 0) pod.spec.terminationGracePeriodSeconds = 1;
  },
  validate: (pod) => [...validateAppArmorAnnotations(pod), ...validateSpec(pod), ...validateCreateOnly(pod)],
  validateUpdate: validatePodUpdate,
  validateStatusUpdate: validatePodStatusUpdate,
  warnings: (pod, old) => [...(old ? [] : appArmorWarnings(pod)), ...podWarnings(pod, old)],
  cells: podCells,
  fields: {
    "spec.nodeName": (pod) => pod.spec.nodeName ?? "",
    "spec.restartPolicy": (pod) => pod.spec.restartPolicy ?? "",
    "spec.schedulerName": (pod) => pod.spec.schedulerName ?? "",
    "spec.serviceAccountName": (pod) => pod.spec.serviceAccountName ?? "",
    "spec.hostNetwork": (pod) => String(pod.spec.hostNetwork ?? false),
    "status.phase": (pod) => pod.status?.phase ?? "",
    "status.podIP": (pod) => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? "",
    "status.podIPs": (pod) => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? "",
    "status.nominatedNodeName": (pod) => pod.status?.nominatedNodeName ?? "",
  },
  defaultGracePeriodSeconds({ spec, status }) {
    if (!spec.nodeName || status?.phase === "Succeeded" || status?.phase === "Failed") return undefined;
    const seconds = spec.terminationGracePeriodSeconds ?? 30;
    return seconds < 0 ? 1 : seconds;
  },
};

/** The last specs of owned pods in which nothing was wrong, as JSON: the thousands of pods of a template have the same. */
const sound = new BoundedMap<string, true>(64);

function validateSpec({ metadata, spec }: Pod): FieldError[] {
  const { name = "", ownerReferences } = metadata;
  // The claims of ephemeral volumes are named after their pod.
  const text = ownerReferences && !spec.volumes?.some(({ ephemeral }) => ephemeral) ? JSON.stringify(spec) : "";
  if (sound.get(text)) return [];
  const errors = validatePodSpec("spec", spec, name);
  if (text && errors.length === 0) sound.set(text, true);
  return errors;
}

/** What holds for new pods only. The subresource for ephemeral containers makes the generation at least 2. */
function validateCreateOnly({ metadata, spec }: Pod): FieldError[] {
  if ((metadata.generation ?? 1) > 1) return [];
  const errors: FieldError[] = [];
  if (spec.ephemeralContainers?.length) errors.push(fault.forbidden("spec.ephemeralContainers", "cannot be set on create"));
  if (spec.schedulingGates?.length && spec.nodeName)
    errors.push(fault.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"));
  return errors;
}
