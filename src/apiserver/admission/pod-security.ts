import { type FieldError, invalid } from "../../api/errors.ts";
import {
  describeViolations,
  type SecuredPod,
  type SecurityLevel,
  type SecurityViolation,
  securityLevels,
  securityViolations,
} from "../../api/core/pod-security.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { Namespaces, Pods } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { isFor, refuse } from "./request.ts";

const prefix = "pod-security.kubernetes.io/";
/** So many pods of a namespace are looked at when its level changes. */
const namespacePodLimit = 3_000;

/** The Pod Security Standards by labels of the namespace: enforce refuses pods, warn warns, also about workloads' templates. */
export function podSecurity(objects: Objects): AdmissionPlugin {
  return {
    name: "PodSecurity",
    validate(request) {
      if (request.operation !== "CREATE" && request.operation !== "UPDATE") return;
      if (isFor(request, "namespaces")) return checkNamespace(objects, request);
      const labels = objects.get(Namespaces, undefined, request.namespace)?.metadata.labels;
      if (!labels || !hasPolicy(labels)) return;
      const enforce = policyOf(labels, "enforce");
      const warn = policyOf(labels, "warn");
      if (enforce.level === "privileged" && warn.level === "privileged") return;
      const isPod = request.resource.group === "" && request.resource.plural === "pods";
      if (isPod && (request.subresource === "" || request.subresource === "ephemeralcontainers")) {
        if (request.operation === "UPDATE" && request.subresource === "" && !isSignificant(request)) return;
        checkPod(request, request.object as Pod, enforce, warn); // The resource says which kind it is.
      } else if (request.subresource === "") {
        const template = templateOf(request.object);
        if (template) warnOf(request, template, warn);
      }
    },
  };
}

interface Policy {
  level: SecurityLevel;
  version: string;
}

function hasPolicy(labels: Record<string, string>): boolean {
  for (const label in labels) if (label.startsWith(prefix)) return true;
  return false;
}

function policyOf(labels: Record<string, string> | undefined, mode: "enforce" | "warn"): Policy {
  const level = securityLevels.find((one) => one === labels?.[prefix + mode]) ?? "privileged";
  return { level, version: labels?.[`${prefix}${mode}-version`] ?? "latest" };
}

function checkPod(request: AdmissionRequest, pod: SecuredPod, enforce: Policy, warn: Policy): void {
  const violations = securityViolations(enforce.level, pod);
  if (violations.length > 0)
    throw refuse(request, `violates PodSecurity "${enforce.level}:${enforce.version}": ${describeViolations(violations)}`);
  warnOf(request, pod, warn);
}

function warnOf(request: AdmissionRequest, pod: SecuredPod, { level, version }: Policy): void {
  const violations = securityViolations(level, pod);
  if (violations.length > 0) request.warn(`would violate PodSecurity "${level}:${version}": ${describeViolations(violations)}`);
}

/** An update that changes no more than images, tolerations and the deadline cannot make a pod worse. */
function isSignificant({ object, old }: AdmissionRequest): boolean {
  const relevant = (pod: Pod): string => {
    const { activeDeadlineSeconds: _deadline, tolerations: _tolerations, ...spec } = pod.spec;
    const containers = [...spec.containers, ...(spec.initContainers ?? [])].map(({ image: _image, ...rest }) => rest);
    const annotations = Object.entries(pod.metadata.annotations ?? {}).filter(
      ([key]) => key.includes("apparmor") || key.includes("seccomp"),
    );
    return JSON.stringify([{ ...spec, containers: undefined, initContainers: undefined }, containers, annotations]);
  };
  return relevant(object as Pod) !== relevant(old as Pod); // Called for pods only.
}

/** The pod template of a workload, wherever its kind keeps it. */
function templateOf(object: KubeObject | undefined): SecuredPod | undefined {
  const { kind, spec, template } = (object ?? {}) as {
    kind?: string;
    spec?: { template?: SecuredPod; jobTemplate?: { spec?: { template?: SecuredPod } } };
    template?: SecuredPod;
  };
  switch (kind) {
    case "PodTemplate":
      return template;
    case "CronJob":
      return spec?.jobTemplate?.spec?.template;
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
    case "ReplicationController":
    case "Job":
      return spec?.template;
    default:
      return undefined;
  }
}

function checkNamespace(objects: Objects, request: AdmissionRequest): void {
  const labels = request.object?.metadata.labels;
  const before = request.old?.metadata.labels;
  const errors = ["enforce", "audit", "warn"].flatMap((mode) => labelErrors(mode, labels, before));
  if (errors.length > 0) throw invalid({ kind: "Namespace", name: request.name || request.object?.metadata.name }, errors);
  if (request.operation !== "UPDATE") return;
  const policy = policyOf(labels, "enforce");
  const old = policyOf(before, "enforce");
  if (securityLevels.indexOf(policy.level) <= securityLevels.indexOf(old.level)) return;
  warnOfExistingPods(request, objects.list<Pod>(Pods, request.name), policy);
}

function labelErrors(mode: string, labels: Record<string, string> | undefined, before: Record<string, string> | undefined): FieldError[] {
  const error = (label: string, why: string): FieldError[] => {
    const value = labels?.[label];
    if (value === undefined || value === before?.[label]) return [];
    return [
      { reason: "FieldValueInvalid", field: `metadata.labels[${label}]`, message: `Invalid value: ${JSON.stringify(value)}: ${why}` },
    ];
  };
  const level = labels?.[prefix + mode];
  const version = labels?.[`${prefix}${mode}-version`];
  return [
    ...(securityLevels.some((one) => one === level) ? [] : error(prefix + mode, `must be one of ${securityLevels.join(", ")}`)),
    ...(/^(latest|v1\.([0-9]|[1-9][0-9]*))$/.test(version ?? "") ? [] : error(`${prefix}${mode}-version`, 'must be "latest" or "v1.x"')),
  ];
}

/** Tells who raises the level which pods would not be let in any more; pods of one controller count as one. */
function warnOfExistingPods(request: AdmissionRequest, pods: readonly Pod[], { level, version }: Policy): void {
  const groups = new Map<string, { names: string[]; reasons: string }>();
  const seen = new Set<string>();
  for (const pod of pods.slice(0, namespacePodLimit)) {
    const controller = pod.metadata.ownerReferences?.find((owner) => owner.controller)?.uid;
    if (controller !== undefined && seen.has(controller)) continue;
    if (controller !== undefined) seen.add(controller);
    const violations: SecurityViolation[] = securityViolations(level, pod);
    if (violations.length === 0) continue;
    const reasons = violations.map(({ reason }) => reason).join(", ");
    const group = groups.get(reasons) ?? { names: [], reasons };
    group.names.push(pod.metadata.name);
    groups.set(reasons, group);
  }
  if (groups.size === 0) return;
  request.warn(
    `existing pods in namespace ${JSON.stringify(request.name)} violate the new PodSecurity enforce level "${level}:${version}"`,
  );
  for (const { names, reasons } of groups.values()) {
    const [first, ...others] = names.sort();
    const more = others.length > 0 ? ` (and ${others.length} other ${others.length === 1 ? "pod" : "pods"})` : "";
    request.warn(`${first}${more}: ${reasons}`);
  }
}
