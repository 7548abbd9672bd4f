import { isIP } from "node:net";
import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { validateLabels } from "../meta/labels.ts";
import { validateAnnotations } from "../meta/metadata.ts";
import { checkDnsLabel, checkDnsSubdomain, checkQualifiedName } from "../meta/names.ts";
import { compareQuantities } from "../meta/quantity.ts";
import type { EphemeralContainer, PodSpec, PodTemplateSpec } from "../types/core.v1.ts";
import { scopeOf, validateCommon, validateContainers, validateInitContainers } from "./container-validation.ts";
import { validateLabelMap } from "./environment-validation.ts";
import { allContainers } from "./pod-defaults.ts";
import { validateResources } from "./resource-validation.ts";
import { validateAffinity, validateSpread, validateTolerations } from "./scheduling-validation.ts";
import { validatePodSecurity } from "./security-validation.ts";
import { validateVolumes } from "./volume-validation.ts";

const ipText = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const searchPattern = /^_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$/;
const searchText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";

/** What is wrong with the spec of a Pod or pod template; the pod's name is empty for a template. */
export function validatePodSpec(field: string, spec: PodSpec, podName: string): FieldError[] {
  const { containers = [], volumes = [] } = spec;
  const wrongVolumes = validateVolumes(`${field}.volumes`, volumes, podName);
  // A volume that is wrong in itself is none that a container could mount.
  const isSound = (_: unknown, i: number): boolean => !wrongVolumes.some((error) => error.field.startsWith(`${field}.volumes[${i}]`));
  const scope = scopeOf(wrongVolumes.length > 0 ? { ...spec, volumes: volumes.filter(isSound) } : spec);
  return [
    ...wrongVolumes,
    ...validateClaims(`${field}.resourceClaims`, spec),
    ...validateContainers(`${field}.containers`, containers, scope),
    ...validateInitContainers(`${field}.initContainers`, spec.initContainers ?? [], containers, scope),
    ...validateEphemeralContainers(`${field}.ephemeralContainers`, spec.ephemeralContainers ?? [], spec),
    ...(spec.resources ? validateResources(`${field}.resources`, spec.resources, scope.resourceClaims) : []),
    ...validateHostNetworkPorts(field, spec),
    ...fault.oneOf(`${field}.restartPolicy`, spec.restartPolicy, ["Always", "OnFailure", "Never"]),
    ...fault.oneOf(`${field}.dnsPolicy`, spec.dnsPolicy, ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    ...validateLabelMap(`${field}.nodeSelector`, spec.nodeSelector),
    ...validatePodSecurity(`${field}.securityContext`, spec.securityContext, spec),
    ...validateHostUsers(field, spec),
    ...validateAffinity(`${field}.affinity`, spec.affinity),
    ...validateDns(field, spec),
    ...validateGates(field, spec),
    ...validateSpread(`${field}.topologySpreadConstraints`, spec.topologySpreadConstraints ?? []),
    ...fault.checkedIfNonEmpty(`${field}.serviceAccountName`, spec.serviceAccountName, checkDnsSubdomain),
    ...fault.checkedIfNonEmpty(`${field}.nodeName`, spec.nodeName, checkDnsSubdomain),
    ...validateDeadline(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds),
    ...validateHostNames(field, spec),
    ...validateTolerations(`${field}.tolerations`, spec.tolerations ?? []),
    ...validateHostAliases(`${field}.hostAliases`, spec),
    ...validateClasses(field, spec),
    ...validateOverhead(`${field}.overhead`, spec),
    ...validateOs(field, spec),
  ];
}

/** What is wrong with a pod template: its metadata and spec. */
export function validateTemplate(field: string, template: PodTemplateSpec | undefined): FieldError[] {
  if (!template) return [fault.required(field)];
  const errors = [
    ...validateLabels(`${field}.labels`, template.metadata?.labels),
    ...validateAnnotations(`${field}.annotations`, template.metadata?.annotations),
    ...validatePodSpec(`${field}.spec`, template.spec ?? { containers: [] }, ""),
  ];
  if (template.spec?.ephemeralContainers?.length)
    errors.push(fault.forbidden(`${field}.spec.ephemeralContainers`, "ephemeral containers not allowed in pod template"));
  return errors;
}

const ephemeralForbidden = ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy"] as const;

/** What is wrong with a pod's ephemeral containers. */
export function validateEphemeralContainers(field: string, containers: readonly EphemeralContainer[], spec: PodSpec): FieldError[] {
  const scope = scopeOf(spec);
  const others = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const names = new Set(others.map((container) => container.name));
  return fault.each(field, containers, (container, path) => {
    const errors = validateCommon(path, container, scope);
    errors.push(...fault.once(names, `${path}.name`, container.name));
    const target = container.targetContainerName;
    if (target && !others.some((other) => other.name === target)) {
      const text = {
        reason: "FieldValueNotFound",
        field: `${path}.targetContainerName`,
        message: `Not found: ${JSON.stringify(target)}`,
      } as const;
      errors.push(text);
    }
    const why = "cannot be set for an Ephemeral Container";
    for (const key of ephemeralForbidden) {
      const value = container[key];
      if (Array.isArray(value) ? value.length > 0 : value !== undefined) errors.push(fault.forbidden(`${path}.${key}`, why));
    }
    if (Object.values(container.resources ?? {}).some((r) => Object.keys(r ?? {}).length > 0))
      errors.push(fault.forbidden(`${path}.resources`, why));
    for (const [j, mount] of (container.volumeMounts ?? []).entries())
      for (const key of ["subPath", "subPathExpr"] as const)
        if (mount[key]) errors.push(fault.forbidden(`${path}.volumeMounts[${j}].${key}`, why));
    return errors;
  });
}

/** What is wrong with an activeDeadlineSeconds. */
export function validateDeadline(field: string, seconds: number | undefined): FieldError[] {
  if (seconds === undefined || (seconds >= 1 && seconds <= 2 ** 31 - 1)) return [];
  return [fault.invalid(field, seconds, "must be between 1 and 2147483647, inclusive")];
}

function validateClaims(field: string, spec: PodSpec): FieldError[] {
  const names = new Set<string>();
  return fault.each(field, spec.resourceClaims, (claim, path) => {
    const errors = fault.requiredAndChecked(`${path}.name`, claim.name, checkDnsLabel);
    errors.push(...fault.once(names, `${path}.name`, claim.name));
    const given = [claim.resourceClaimName, claim.resourceClaimTemplateName].filter((name) => name !== undefined);
    if (given.length === 0)
      errors.push(fault.invalid(path, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"));
    if (given.length === 2)
      errors.push(fault.invalid(path, claim, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"));
    return errors;
  });
}

function validateHostNetworkPorts(field: string, spec: PodSpec): FieldError[] {
  if (!spec.hostNetwork) return [];
  return (["containers", "initContainers"] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap((container, i) =>
      (container.ports ?? []).flatMap((port, j) =>
        port.hostPort && port.hostPort !== port.containerPort
          ? [
              fault.invalid(
                `${field}.${list}[${i}].ports[${j}].hostPort`,
                port.hostPort,
                "must match `containerPort` when `hostNetwork` is true",
              ),
            ]
          : [],
      ),
    ),
  );
}

function validateHostUsers(field: string, spec: PodSpec): FieldError[] {
  if (spec.hostUsers !== false) return [];
  return (["hostNetwork", "hostPID", "hostIPC"] as const)
    .filter((key) => spec[key])
    .map((key) => fault.forbidden(`${field}.${key}`, "when `hostUsers` is false"));
}

function validateDns(field: string, { dnsPolicy, dnsConfig }: PodSpec): FieldError[] {
  const path = `${field}.dnsConfig`;
  if (dnsPolicy === "None") {
    if (!dnsConfig) return [fault.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")];
    if (!dnsConfig.nameservers?.length)
      return [fault.required(`${path}.nameservers`, "must provide at least one DNS nameserver when `dnsPolicy` is None")];
  }
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {};
  const errors: FieldError[] = [];
  if (nameservers.length > 3) errors.push(fault.invalid(`${path}.nameservers`, nameservers, "must not have more than 3 nameservers"));
  for (const [i, server] of nameservers.entries())
    if (!isIP(server)) errors.push(fault.invalid(`${path}.nameservers[${i}]`, server, ipText));
  if (searches.length > 32) errors.push(fault.invalid(`${path}.searches`, searches, "must not have more than 32 search paths"));
  if (searches.join(" ").length > 2048)
    errors.push(
      fault.invalid(`${path}.searches`, searches, "must not have more than 2048 characters (including spaces) in the search list"),
    );
  for (const [i, search] of searches.entries())
    if (search !== ".") errors.push(...fault.invalidEach(`${path}.searches[${i}]`, search, checkSearch(search.replace(/\.$/, ""))));
  for (const [i, option] of options.entries()) if (!option.name) errors.push(fault.required(`${path}.options[${i}]`, "must not be empty"));
  return errors;
}

function checkSearch(search: string): string[] {
  return [...(search.length > 253 ? ["must be no more than 253 characters"] : []), ...(searchPattern.test(search) ? [] : [searchText])];
}

function validateGates(field: string, spec: PodSpec): FieldError[] {
  const names = new Set<string>();
  const errors = (spec.readinessGates ?? []).flatMap(({ conditionType }, i) =>
    fault.checked(`${field}.readinessGates[${i}].conditionType`, conditionType, checkQualifiedName),
  );
  for (const [i, { name }] of (spec.schedulingGates ?? []).entries()) {
    errors.push(...fault.checked(`${field}.schedulingGates[${i}]`, name, checkQualifiedName));
    errors.push(...fault.once(names, `${field}.schedulingGates[${i}]`, name));
  }
  return errors;
}

function validateHostNames(field: string, spec: PodSpec): FieldError[] {
  const errors = fault.checkedIfNonEmpty(`${field}.hostname`, spec.hostname, checkHostname);
  errors.push(...fault.checkedIfNonEmpty(`${field}.subdomain`, spec.subdomain, checkDnsLabel));
  if (spec.hostnameOverride !== undefined) {
    const path = `${field}.hostnameOverride`;
    if (spec.setHostnameAsFQDN) errors.push(fault.forbidden(path, "may not be specified when setHostnameAsFQDN is true"));
    if (spec.hostNetwork) errors.push(fault.forbidden(path, "may not be specified when hostNetwork is true"));
    errors.push(...fault.checked(path, spec.hostnameOverride, checkDnsSubdomain));
  }
  return errors;
}

function checkHostname(name: string): string[] {
  return name.includes(".") ? ["must not contain dots"] : checkDnsLabel(name);
}

function validateHostAliases(field: string, spec: PodSpec): FieldError[] {
  return (spec.hostAliases ?? []).flatMap(({ ip, hostnames }, i) => [
    ...(isIP(ip ?? "") ? [] : [fault.invalid(`${field}[${i}].ip`, ip ?? "", ipText)]),
    ...(hostnames ?? []).flatMap((name, j) => fault.checked(`${field}[${i}].hostnames[${j}]`, name, checkDnsSubdomain)),
  ]);
}

function validateClasses(field: string, spec: PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of ["priorityClassName", "runtimeClassName"] as const) {
    const name = spec[key];
    errors.push(...fault.checkedIfNonEmpty(`${field}.${key}`, name, checkDnsSubdomain));
  }
  if (spec.preemptionPolicy)
    errors.push(...fault.oneOf(`${field}.preemptionPolicy`, spec.preemptionPolicy, ["Never", "PreemptLowerPriority"]));
  return errors;
}

function validateOverhead(field: string, spec: PodSpec): FieldError[] {
  return Object.entries(spec.overhead ?? {})
    .filter(([, amount]) => compareQuantities(amount, "0") < 0)
    .map(([name, amount]) => fault.invalid(`${field}.limits[${name}]`, amount, "must be greater than or equal to 0"));
}

const linuxOnly = [
  "seLinuxOptions",
  "seccompProfile",
  "appArmorProfile",
  "fsGroup",
  "fsGroupChangePolicy",
  "sysctls",
  "runAsUser",
  "runAsGroup",
  "supplementalGroups",
  "supplementalGroupsPolicy",
] as const;

function validateOs(field: string, spec: PodSpec): FieldError[] {
  if (!spec.os) return [];
  const name: string = spec.os.name ?? "";
  if (!name) return [fault.required(`${field}.os.name`, "cannot be empty")];
  if (name === "linux") {
    const why = "windows options cannot be set for a linux pod";
    const errors = spec.securityContext?.windowsOptions ? [fault.forbidden(`${field}.securityContext.windowsOptions`, why)] : [];
    for (const container of allContainers(spec))
      if (container.securityContext?.windowsOptions)
        errors.push(fault.forbidden(`${field}.containers[*].securityContext.windowsOptions`, why));
    return errors;
  }
  if (name !== "windows") return [fault.notSupported(`${field}.os`, name, ["linux", "windows"])];
  const why = "cannot be set for a windows pod";
  return [
    ...(["hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"] as const)
      .filter((k) => spec[k])
      .map((k) => fault.forbidden(`${field}.${k}`, why)),
    ...linuxOnly.filter((k) => spec.securityContext?.[k] !== undefined).map((k) => fault.forbidden(`${field}.securityContext.${k}`, why)),
  ];
}
