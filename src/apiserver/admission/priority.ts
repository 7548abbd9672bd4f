import type { Pod } from "../../api/types/core.v1.ts";
import type { PriorityClass } from "../../api/types/scheduling.v1.ts";
import { PriorityClasses } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { createdPod, isFor, refuse } from "./request.ts";

/** Resolves a pod's priorityClassName to its priority; at most one PriorityClass is the global default. */
export function priority(objects: Objects): AdmissionPlugin {
  const defaults = new Map<string, PriorityClass>();
  objects.onChange<PriorityClass>(PriorityClasses, (now, old) => {
    const { name } = (now ?? old)?.metadata ?? {};
    if (!name) return;
    if (now?.globalDefault) defaults.set(name, now);
    else defaults.delete(name);
  });
  return {
    name: "Priority",
    resources: ["pods", "priorityclasses.scheduling.k8s.io"],
    admit(request) {
      const pod = createdPod(request);
      if (pod) resolve(objects, defaults.values(), request, pod);
      else keep(request);
    },
    validate(request) {
      if (request.operation === "DELETE" || !isFor(request, "priorityclasses.scheduling.k8s.io")) return;
      const written = request.object as PriorityClass; // The resource says so.
      if (!written.globalDefault) return;
      const other = objects.list(PriorityClasses).find((c) => c.globalDefault && c.metadata.name !== written.metadata.name);
      if (other) throw refuse(request, `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`);
    },
  };
}

function resolve(objects: Objects, defaults: Iterable<PriorityClass>, request: AdmissionRequest, { spec }: Pod): void {
  let found: PriorityClass | undefined;
  if (spec.priorityClassName) {
    found = objects.get(PriorityClasses, undefined, spec.priorityClassName);
    if (!found) throw refuse(request, `no PriorityClass with name ${spec.priorityClassName} was found`);
  } else {
    // Several can be there when the default was moved a moment ago: the lowest counts.
    for (const one of defaults) if (!found || (one.value ?? 0) < (found.value ?? 0)) found = one;
    if (found) spec.priorityClassName = found.metadata.name;
  }
  const computed = found?.value ?? 0;
  if (spec.priority !== undefined && spec.priority !== computed)
    throw refuse(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${computed} from the given PriorityClass name`,
    );
  spec.priority = computed;
  const policy = found?.preemptionPolicy ?? "PreemptLowerPriority";
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy)
    throw refuse(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    );
  spec.preemptionPolicy = policy;
}

/** Clients that do not know the fields leave them out when they update. */
function keep(request: AdmissionRequest): void {
  if (request.operation !== "UPDATE" || !isFor(request, "pods")) return;
  const { spec } = request.object as Pod; // The resource says so, as for the old one.
  const { spec: old } = request.old as Pod;
  if (spec.priority === undefined && old.priority !== undefined) spec.priority = old.priority;
  if (spec.preemptionPolicy === undefined && old.preemptionPolicy !== undefined) spec.preemptionPolicy = old.preemptionPolicy;
}
