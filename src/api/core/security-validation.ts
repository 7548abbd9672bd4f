import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { checkId } from "../meta/names.ts";
import type { AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext } from "../types/core.v1.ts";

const sysctlPattern = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const sysctlText =
  "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const profiles = ["Localhost", "RuntimeDefault", "Unconfined"];

/** What is wrong with a pod's security context and the host namespaces that it shares. */
export function validatePodSecurity(field: string, context: PodSecurityContext | undefined, spec: PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.push(fault.invalid(`${field}.shareProcessNamespace`, true, "ShareProcessNamespace and HostPID cannot both be enabled"));
  if (!context) return errors;
  for (const key of ["fsGroup", "runAsUser", "runAsGroup"] as const) {
    const id = context[key];
    errors.push(...fault.checkedIfSet(`${field}.${key}`, id, checkId));
  }
  for (const [i, id] of (context.supplementalGroups ?? []).entries())
    errors.push(...fault.checked(`${field}.supplementalGroups[${i}]`, id, checkId));
  errors.push(...validateSysctls(`${field}.sysctls`, context, spec));
  errors.push(...fault.oneOfIfSet(`${field}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ["Always", "OnRootMismatch"]));
  errors.push(...fault.oneOfIfSet(`${field}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ["Merge", "Strict"]));
  errors.push(...validateProfile(`${field}.seccompProfile`, context.seccompProfile, "seccomp"));
  return [...errors, ...validateProfile(`${field}.appArmorProfile`, context.appArmorProfile, "AppArmor")];
}

function validateSysctls(field: string, context: PodSecurityContext, spec: PodSpec): FieldError[] {
  const names = new Set<string>();
  return (context.sysctls ?? []).flatMap(({ name }, i) => {
    const path = `${field}[${i}].name`;
    if (!name) return [fault.required(path)];
    if (name.length > 253 || !sysctlPattern.test(name)) return [fault.invalid(path, name, sysctlText)];
    if (names.has(name)) return [fault.duplicate(path, name)];
    names.add(name);
    if (spec.hostNetwork && /^net[./]/.test(name)) return [fault.invalid(path, name, "may not be specified when 'hostNetwork' is true")];
    if (spec.hostIPC && /^(kernel[./](shm|msg|sem)|fs[./]mqueue[./])/.test(name))
      return [fault.invalid(path, name, "may not be specified when 'hostIPC' is true")];
    return [];
  });
}

/** What is wrong with a container's security context. */
export function validateContainerSecurity(field: string, context: SecurityContext | undefined): FieldError[] {
  if (!context) return [];
  const errors: FieldError[] = [];
  for (const key of ["runAsUser", "runAsGroup"] as const) {
    const id = context[key];
    errors.push(...fault.checkedIfSet(`${field}.${key}`, id, checkId));
  }
  errors.push(...fault.oneOfIfSet(`${field}.procMount`, context.procMount, ["Default", "Unmasked"]));
  errors.push(...validateProfile(`${field}.seccompProfile`, context.seccompProfile, "seccomp"));
  errors.push(...validateProfile(`${field}.appArmorProfile`, context.appArmorProfile, "AppArmor"));
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged)
      errors.push(fault.invalid(field, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
    if (context.capabilities?.add?.includes("CAP_SYS_ADMIN"))
      errors.push(fault.invalid(field, context, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"));
  }
  return errors;
}

function validateProfile(field: string, profile: SeccompProfile | AppArmorProfile | undefined, kind: "seccomp" | "AppArmor"): FieldError[] {
  if (!profile) return [];
  const errors = profile.type
    ? fault.oneOf(`${field}.type`, profile.type, profiles)
    : [fault.required(`${field}.type`, `type is required when ${field.slice(field.lastIndexOf(".") + 1)} is set`)];
  return [...errors, ...validateLocalhost(field, profile, kind)];
}

function validateLocalhost(field: string, { type, localhostProfile }: SeccompProfile | AppArmorProfile, kind: string): FieldError[] {
  const path = `${field}.localhostProfile`;
  if (type === "Localhost") {
    if (kind === "seccomp" ? localhostProfile === undefined : !localhostProfile)
      return [fault.required(path, `must be set when ${kind} type is Localhost`)];
    if (!localhostProfile) return [];
    if (localhostProfile.startsWith("/")) return [fault.invalid(path, localhostProfile, "must be a relative path")];
    return localhostProfile.split("/").includes("..") ? [fault.invalid(path, localhostProfile, "must not contain '..'")] : [];
  }
  // Upstream shows the whole of a seccomp profile, with the names of its own struct.
  const shown = kind === "seccomp" ? { Type: type ?? "", LocalhostProfile: localhostProfile } : localhostProfile;
  return localhostProfile === undefined ? [] : [fault.invalid(path, shown, `can only be set when ${kind} type is Localhost`)];
}
