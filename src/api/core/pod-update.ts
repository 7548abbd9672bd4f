import { isIP } from "node:net";
import type { FieldError } from "../errors.ts";
import { difference } from "../meta/difference.ts";
import { deepEqual, semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDnsSubdomain, checkQualifiedName } from "../meta/names.ts";
import type { Container, ContainerStatus, NodeSelectorTerm, Pod, PodSpec, ResourceRequirements, Toleration } from "../types/core.v1.ts";
import { qosClassOf } from "./pod-defaults.ts";
import { validateDeadline, validateEphemeralContainers } from "./pod-validation.ts";

const mutableText =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** What an update of a Pod may not change: everything but images, the deadline, more tolerations, fewer gates, and a few cases of those. */
export function validatePodUpdate(pod: Pod, old: Pod): FieldError[] {
  for (const list of ["containers", "initContainers"] as const)
    if ((pod.spec[list]?.length ?? 0) !== (old.spec[list]?.length ?? 0))
      return [fault.forbidden(`spec.${list}`, "pod updates may not add or remove containers")];
  const deadline = validateDeadlineUpdate(pod.spec, old.spec);
  const errors = [
    // Upstream asks for the images once more.
    ...(["containers", "initContainers"] as const).flatMap((list) =>
      fault.each(`spec.${list}`, pod.spec[list], ({ image }, path) => (image ? [] : [fault.required(`${path}.image`)])),
    ),
    ...deadline,
  ];
  if (deadline.length > 0 && pod.spec.activeDeadlineSeconds !== undefined) return errors;
  errors.push(...validateTolerationsUpdate(pod.spec, old.spec), ...validateGatesUpdate(pod.spec, old.spec));
  const allowed = withAllowedChanges(pod.spec, old.spec);
  const gated = (old.spec.schedulingGates?.length ?? 0) > 0;
  if (gated) errors.push(...validateGatedUpdate(pod.spec, old.spec));
  const before = gated ? { ...old.spec, nodeSelector: allowed.nodeSelector, affinity: allowed.affinity } : old.spec;
  if (!semanticEqual(allowed, before)) errors.push(fault.forbidden("spec", `${mutableText}\n${difference(before, allowed)}`));
  return errors;
}

/** The new spec with everything that may change put back to what it was. */
function withAllowedChanges(spec: PodSpec, old: PodSpec): PodSpec {
  const images = (list: Container[] | undefined, before: Container[] | undefined): Container[] | undefined =>
    list?.map((container, i) => ({ ...container, image: before?.[i]?.image }));
  const grace = (old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1;
  return {
    ...spec,
    containers: images(spec.containers, old.containers) ?? [],
    initContainers: images(spec.initContainers, old.initContainers),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    tolerations: old.tolerations,
    schedulingGates: old.schedulingGates,
    ...(grace ? { terminationGracePeriodSeconds: old.terminationGracePeriodSeconds } : {}),
  };
}

function validateDeadlineUpdate({ activeDeadlineSeconds: next }: PodSpec, { activeDeadlineSeconds: old }: PodSpec): FieldError[] {
  const field = "spec.activeDeadlineSeconds";
  if (next === undefined)
    return old === undefined ? [] : [fault.invalid(field, undefined, "must not update from a positive integer to nil value")];
  if (next < 0 || next > 2 ** 31 - 1)
    return validateDeadline(field, next).map((e) => ({ ...e, message: e.message.replace("between 1", "between 0") }));
  return old !== undefined && old < next ? [fault.invalid(field, next, "must be less than or equal to previous value")] : [];
}

function validateTolerationsUpdate({ tolerations = [] }: PodSpec, { tolerations: old = [] }: PodSpec): FieldError[] {
  const same = (a: Toleration, b: Toleration): boolean => deepEqual({ ...a, tolerationSeconds: 0 }, { ...b, tolerationSeconds: 0 });
  const kept = old.every((toleration) => tolerations.some((other) => same(toleration, other)));
  return kept ? [] : [fault.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")];
}

function validateGatesUpdate({ schedulingGates = [] }: PodSpec, { schedulingGates: old = [] }: PodSpec): FieldError[] {
  const names = new Set(old.map((gate) => gate.name));
  return schedulingGates.flatMap(({ name }, i) =>
    names.has(name)
      ? []
      : [fault.forbidden(`spec.schedulingGates[${i}].name`, `only deletion is allowed, but found new scheduling gate '${name}'`)],
  );
}

/** A gated pod's node selector and required node affinity may only become narrower. */
function validateGatedUpdate(spec: PodSpec, old: PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(old.nodeSelector ?? {}))
    if (spec.nodeSelector?.[key] !== value)
      return [
        fault.invalid(
          "spec.nodeSelector",
          spec.nodeSelector ?? {},
          "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        ),
      ];
  const terms = (s: PodSpec): NodeSelectorTerm[] =>
    s.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const field = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
  const before = terms(old);
  const after = terms(spec);
  if (before.length === 0) return errors;
  if (before.length !== after.length)
    return [fault.invalid(field, after, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")];
  for (const [i, term] of before.entries())
    for (const key of ["matchExpressions", "matchFields"] as const) {
      const had = term[key] ?? [];
      const has = after[i]?.[key] ?? [];
      if (!had.every((requirement, j) => deepEqual(requirement, has[j])))
        errors.push(fault.invalid(`${field}[${i}]`, after[i], "only additions are allowed (no mutations or deletions)"));
    }
  return errors;
}

/** What is wrong with an update of a Pod's status. */
export function validatePodStatusUpdate(pod: Pod, old: Pod): FieldError[] {
  const { status } = pod;
  const errors: FieldError[] = [];
  for (const [i, condition] of (status.conditions ?? []).entries())
    errors.push(...fault.checked(`status.conditions[${i}].Type`, condition.type, checkQualifiedName));
  if (status.nominatedNodeName && status.nominatedNodeName !== old.status.nominatedNodeName)
    errors.push(...fault.checked("status.nominatedNodeName", status.nominatedNodeName, checkDnsSubdomain));
  if (old.status.qosClass)
    errors.push(...fault.immutable("status.qosClass", status.qosClass === old.status.qosClass, status.qosClass ?? ""));
  for (const list of ["containerStatuses", "initContainerStatuses"] as const)
    errors.push(...validateTransitions(`status.${list}`, status[list] ?? [], old.status[list] ?? [], old.spec));
  for (const [i, { ip }] of (status.podIPs ?? []).entries())
    if (!isIP(ip)) errors.push(fault.invalid(`status.podIPs[${i}]`, ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
  return errors;
}

/** A container that ended for good does not run again. */
function validateTransitions(
  field: string,
  statuses: readonly ContainerStatus[],
  old: readonly ContainerStatus[],
  spec: PodSpec,
): FieldError[] {
  if (spec.restartPolicy === "Always") return [];
  const restartable = new Set((spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always").map((c) => c.name));
  return old.flatMap((before, i) => {
    const ended = before.state?.terminated;
    if (!ended || restartable.has(before.name) || (ended.exitCode !== 0 && spec.restartPolicy === "OnFailure")) return [];
    const after = statuses.find((status) => status.name === before.name);
    return after && !after.state?.terminated
      ? [fault.forbidden(`${field}[${i}].state`, "may not be transitioned to non-terminated state")]
      : [];
  });
}

/** The old pod with nothing of the new one but its ephemeral containers: all that the subresource ephemeralcontainers changes. */
export function withEphemeralContainers(pod: Pod, old: Pod): Pod {
  return { ...old, spec: { ...old.spec, ephemeralContainers: pod.spec.ephemeralContainers } };
}

/** The old pod with nothing of the new one but its and its containers' resources: all that the subresource resize changes. */
export function withResize(pod: Pod, old: Pod): Pod {
  const resized = (list: Container[] | undefined, before: Container[] | undefined): Container[] | undefined => {
    const same = list?.length === before?.length && before?.every((container, i) => container.name === list?.[i]?.name);
    if (!same) return list;
    return before?.map((container, i) => ({ ...container, resources: list?.[i]?.resources, resizePolicy: list?.[i]?.resizePolicy }));
  };
  const { containers, initContainers, resources: _, ...rest } = old.spec;
  const spec: PodSpec = { ...rest, containers: resized(pod.spec.containers, containers) ?? [] };
  if (initContainers || pod.spec.initContainers) spec.initContainers = resized(pod.spec.initContainers, initContainers);
  if (pod.spec.resources) spec.resources = pod.spec.resources;
  return { ...old, spec };
}

/** What is wrong with an update by the subresource ephemeralcontainers: the containers there are may not change, the new ones must be sound. */
export function validateEphemeralContainersUpdate(pod: Pod, old: Pod): FieldError[] {
  const field = "spec.ephemeralContainers";
  const containers = pod.spec.ephemeralContainers ?? [];
  const errors = validateEphemeralContainers(field, containers, pod.spec);
  for (const before of old.spec.ephemeralContainers ?? []) {
    const after = containers.find((container) => container.name === before.name);
    if (!after) errors.push(fault.forbidden(field, `existing ephemeral containers "${before.name}" may not be removed\n`));
    else if (!semanticEqual(after, before))
      errors.push(
        fault.forbidden(field, `existing ephemeral containers "${before.name}" may not be changed\n${difference(before, after)}`),
      );
  }
  return errors;
}

/** What is wrong with an update by the subresource resize: only CPU and memory may change, for containers or the whole pod, not the QoS class. */
export function validateResize(pod: Pod, old: Pod): FieldError[] {
  if (old.metadata.annotations?.["kubernetes.io/config.mirror"]) return [fault.forbidden("", "static pods cannot be resized")];
  if (old.spec.os?.name === "windows") return [fault.forbidden("", "windows pods cannot be resized")];
  const mutable = "only cpu and memory resources are mutable";
  const errors: FieldError[] = [];
  const qos = qosClassOf(old.spec);
  if (qosClassOf(pod.spec) !== qos) errors.push(fault.invalid("spec", qos, "Pod QOS Class may not change as a result of resizing"));
  errors.push(...validatePodLevelResize(pod.spec.resources, old.spec.resources));
  const moved = (["containers", "initContainers"] as const).flatMap((list) => validateSameContainers(list, pod.spec, old.spec));
  if (moved.length > 0) return [...errors, ...moved];
  errors.push(
    ...fault.each("spec.initContainers", pod.spec.initContainers, (container, path, i) => {
      const before = old.spec.initContainers?.[i];
      const found = removed(`${path}.resources`, container.resources, before?.resources, "resource");
      if (!isSizedOnly(container, before))
        found.push(fault.forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable"));
      const restarts = container.restartPolicy !== "Always" && container.resizePolicy?.some((p) => p.restartPolicy === "RestartContainer");
      if (restarts && !semanticEqual(container, before))
        found.push(fault.forbidden(path, "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"));
      return found;
    }),
    ...fault.each("spec.containers", pod.spec.containers, (container, path, i) => {
      const before = old.spec.containers[i];
      const found = removed(`${path}.resources`, container.resources, before?.resources, "resource");
      return isSizedOnly(container, before) ? found : [...found, fault.forbidden("spec", mutable)];
    }),
  );
  const { containers, initContainers, resources } = old.spec;
  const isRestSame = semanticEqual({ ...pod.spec, containers, initContainers, resources }, old.spec);
  return errors.length > 0 || isRestSame ? errors : [fault.forbidden("spec", mutable)];
}

function validatePodLevelResize(resources: ResourceRequirements | undefined, old: ResourceRequirements | undefined): FieldError[] {
  if (old && !resources) return [fault.forbidden("spec.resources", "pod-level resources cannot be removed")];
  const errors = removed("spec.resources", resources, old, "pod-level resource");
  if (!isSizedOnly({ resources }, { resources: old }))
    errors.push(fault.forbidden("spec", "only cpu and memory resources are mutable at pod-level"));
  return errors;
}

function validateSameContainers(list: "containers" | "initContainers", spec: PodSpec, old: PodSpec): FieldError[] {
  const before = old[list] ?? [];
  if ((spec[list] ?? []).length !== before.length)
    return [fault.forbidden(`spec.${list}`, `${list} may not be added or removed on resize`)];
  return fault.each(`spec.${list}`, spec[list], ({ name }, path, i) =>
    name === before[i]?.name ? [] : [fault.forbidden(`${path}.name`, `${list} may not be renamed or reordered on resize`)],
  );
}

/** What was requested or limited stays so. */
function removed(path: string, now: ResourceRequirements | undefined, old: ResourceRequirements | undefined, what: string): FieldError[] {
  return (["requests", "limits"] as const).flatMap((kind) =>
    Object.keys(old?.[kind] ?? {}).every((name) => now?.[kind]?.[name] !== undefined)
      ? []
      : [fault.forbidden(`${path}.${kind}`, `${what} ${kind} cannot be removed`)],
  );
}

type Sized = Partial<Pick<Container, "resources">>;

/** Whether two differ in amounts of CPU and memory at most. */
function isSizedOnly(now: Sized, old: Sized | undefined): boolean {
  return semanticEqual(withoutSizes(now), withoutSizes(old ?? {}));
}

function withoutSizes(of: Sized): Sized {
  const strip = (amounts: Record<string, string> | undefined): Record<string, string> =>
    Object.fromEntries(Object.entries(amounts ?? {}).filter(([name]) => name !== "cpu" && name !== "memory"));
  return { ...of, resources: { ...of.resources, limits: strip(of.resources?.limits), requests: strip(of.resources?.requests) } };
}
