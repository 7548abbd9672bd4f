import { type FieldError, invalid } from "../../api/errors.ts";
import { describeViolations, securityLevels, securityViolations } from "../../api/core/pod-security.ts";
import type { SecuredPod } from "../../api/core/secured-pod.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { Namespaces, Pods } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import {
  isVersion,
  labelPrefix,
  minorOf,
  type PodSecuritySettings,
  type Policies,
  type Policy,
  podSecurityDefaults,
  policiesOf,
  securityModes,
} from "./pod-security-policy.ts";
import { isFor, refuse } from "./request.ts";

/** So many pods of a namespace are looked at when its level changes. */
const namespacePodLimit = 3_000;
const noLabels = {};

/**
 * The Pod Security Standards, by labels of the namespace and the defaults of the settings: enforce refuses pods, warn warns, also about
 * workloads' templates, and audit annotates the audit event.
 */
export function podSecurity(objects: Objects, settings: PodSecuritySettings = podSecurityDefaults): AdmissionPlugin {
  const always = securityModes.some((mode) => settings.defaults[mode].level !== "privileged");
  return {
    name: "PodSecurity",
    validate(request) {
      if (request.operation !== "CREATE" && request.operation !== "UPDATE") return;
      if (isFor(request, "namespaces")) return checkNamespace(objects, settings, request);
      const labels = objects.get(Namespaces, undefined, request.namespace)?.metadata.labels ?? noLabels;
      if (!always && !hasPolicy(labels) && !request.annotate) return;
      if (settings.namespaces.has(request.namespace) || settings.usernames.has(request.user.name)) return;
      const policies = policiesOf(labels, settings.defaults);
      const isPod = request.resource.group === "" && request.resource.plural === "pods";
      const isChecked = isPod && (request.subresource === "" || request.subresource === "ephemeralcontainers");
      if (securityModes.every((mode) => policies[mode].level === "privileged")) {
        if (isChecked) request.annotate?.(`${labelPrefix}enforce-policy`, "privileged:latest");
      } else if (isChecked) {
        if (request.operation === "UPDATE" && request.subresource === "" && !isSignificant(request)) return;
        check(request, request.object as Pod, policies, settings, true); // The resource says which kind it is.
      } else if (request.subresource === "") {
        const template = templateOf(request.object);
        if (template) check(request, { ...template, metadata: template.metadata ?? {} }, policies, settings, false);
      }
    },
  };
}

function hasPolicy(labels: Readonly<Record<string, string>>): boolean {
  for (const label in labels) if (label.startsWith(labelPrefix)) return true;
  return false;
}

function check(request: AdmissionRequest, pod: SecuredPod, policies: Policies, settings: PodSecuritySettings, enforced: boolean): void {
  if (settings.runtimeClasses.has(pod.spec?.runtimeClassName ?? "")) return;
  const { enforce, audit, warn } = policies;
  const found = enforced ? violation(pod, enforce) : undefined;
  if (enforced) request.annotate?.(`${labelPrefix}enforce-policy`, `${enforce.level}:${enforce.version}`);
  const noted = request.annotate && violation(pod, audit);
  if (noted) request.annotate?.(`${labelPrefix}audit-violations`, `would violate ${noted}`);
  if (found) throw refuse(request, `violates ${found}`);
  const warning = violation(pod, warn);
  if (warning) request.warn(`would violate ${warning}`);
}

/** `PodSecurity "baseline:latest": privileged (...)`; undefined when the pod is within the policy. */
function violation(pod: SecuredPod, { level, version }: Policy): string | undefined {
  const violations = securityViolations(level, pod, minorOf(version));
  return violations.length > 0 ? `PodSecurity "${level}:${version}": ${describeViolations(violations)}` : undefined;
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

function checkNamespace(objects: Objects, settings: PodSecuritySettings, request: AdmissionRequest): void {
  const labels = request.object?.metadata.labels ?? noLabels;
  const before = request.old?.metadata.labels ?? noLabels;
  const errors = securityModes.flatMap((mode) => labelErrors(mode, labels, before));
  const name = request.name || (request.object?.metadata.name ?? "");
  if (errors.length > 0) throw invalid({ kind: "Namespace", name }, errors);
  const policies = policiesOf(labels, settings.defaults);
  if (request.operation === "UPDATE") {
    const { enforce } = policies;
    const old = policiesOf(before, settings.defaults).enforce;
    const isStricter = securityLevels.indexOf(enforce.level) > securityLevels.indexOf(old.level);
    if (enforce.level === "privileged" || (enforce.version === old.version && !isStricter)) return;
    if (!settings.namespaces.has(name)) warnOfExistingPods(request, objects.list<Pod>(Pods, name), enforce, settings);
  }
  if (settings.namespaces.has(name)) warnOfExemption(request, name, labels, policies);
}

function warnOfExemption(request: AdmissionRequest, name: string, labels: Readonly<Record<string, string>>, policies: Policies): void {
  const said = securityModes.flatMap((mode) => {
    const isSet = labels[labelPrefix + mode] !== undefined || labels[`${labelPrefix}${mode}-version`] !== undefined;
    const { level, version } = policies[mode];
    return isSet && level !== "privileged" ? [`${mode}=${level}:${version}`] : [];
  });
  if (said.length > 0)
    request.warn(`namespace ${JSON.stringify(name)} is exempt from Pod Security, and the policy (${said.join(", ")}) will be ignored`);
}

function labelErrors(mode: string, labels: Readonly<Record<string, string>>, before: Readonly<Record<string, string>>): FieldError[] {
  const error = (label: string, isValid: (value: string) => boolean, why: string): FieldError[] => {
    const value = labels[label];
    if (value === undefined || value === before[label] || isValid(value)) return [];
    return [
      { reason: "FieldValueInvalid", field: `metadata.labels[${label}]`, message: `Invalid value: ${JSON.stringify(value)}: ${why}` },
    ];
  };
  const isLevel = (value: string): boolean => securityLevels.some((one) => one === value);
  return [
    ...error(labelPrefix + mode, isLevel, `must be one of ${securityLevels.join(", ")}`),
    ...error(`${labelPrefix}${mode}-version`, isVersion, 'must be "latest" or "v1.x"'),
  ];
}

/** Tells who raises the level which pods would not be let in any more; pods of one controller count as one. */
function warnOfExistingPods(
  request: AdmissionRequest,
  pods: readonly Pod[],
  { level, version }: Policy,
  { runtimeClasses }: PodSecuritySettings,
): void {
  const minor = minorOf(version);
  const groups = new Map<string, { names: string[]; reasons: string }>();
  const seen = new Set<string>();
  for (const pod of pods.slice(0, namespacePodLimit)) {
    if (runtimeClasses.has(pod.spec.runtimeClassName ?? "")) continue;
    const controller = pod.metadata.ownerReferences?.find((owner) => owner.controller)?.uid;
    if (controller !== undefined && seen.has(controller)) continue;
    if (controller !== undefined) seen.add(controller);
    const violations = securityViolations(level, pod, minor);
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
