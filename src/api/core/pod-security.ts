import type { Container, Pod, PodSecurityContext, PodSpec, SecurityContext, SELinuxOptions } from "../types/core.v1.ts";

/** The profiles of the Pod Security Standards, from the widest to the narrowest. */
export const securityLevels = ["privileged", "baseline", "restricted"] as const;

/** One of the profiles. */
export type SecurityLevel = (typeof securityLevels)[number];

/** What a check asks about: a pod, or a workload's template. */
export interface SecuredPod {
  metadata: Pod["metadata"] | { annotations?: Record<string, string> };
  spec: PodSpec;
}

/** Why a pod does not fit a profile: the short reason, and what to change where. */
export interface SecurityViolation {
  reason: string;
  detail: string;
}

type Check = (pod: SecuredPod) => SecurityViolation | undefined;

/** Everything that keeps the pod from the level, in upstream's words and order ("Pod Security Standards"); nothing for "privileged". */
export function securityViolations(level: SecurityLevel, pod: SecuredPod): SecurityViolation[] {
  if (level === "privileged") return [];
  return (level === "baseline" ? baseline : restricted).flatMap((check) => check(pod) ?? []);
}

/** The violations as one text: `privileged (container "a" must not ...), ...`. */
export function describeViolations(violations: readonly SecurityViolation[]): string {
  return violations.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(", ");
}

function containersOf({ spec }: SecuredPod): Container[] {
  // An ephemeral container has all the fields that are looked at.
  return [...(spec.initContainers ?? []), ...spec.containers, ...((spec.ephemeralContainers ?? []) as Container[])];
}

function named(pod: SecuredPod, test: (context: SecurityContext, container: Container) => boolean): string[] {
  return containersOf(pod)
    .filter((container) => test(container.securityContext ?? {}, container))
    .map(({ name }) => name);
}

function violation(reason: string, detail: string): SecurityViolation {
  return { reason, detail };
}

function list(values: Iterable<string>): string {
  return [...values].map((value) => JSON.stringify(value)).join(", ");
}

function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}

function containers(names: readonly string[]): string {
  return `${plural(names.length, "container")} ${list(names)}`;
}

/** `pod and containers "a", "b"`: who sets what must not be set. */
function setters(pod: boolean, names: readonly string[]): string {
  return [...(pod ? ["pod"] : []), ...(names.length > 0 ? [containers(names)] : [])].join(" and ");
}

function sortedSet(values: Iterable<string>): string[] {
  return [...new Set(values)].sort();
}

const hostNamespaces: Check = ({ spec }) => {
  const used = (["hostNetwork", "hostPID", "hostIPC"] as const).filter((name) => spec[name]).map((name) => `${name}=true`);
  return used.length > 0 ? violation("host namespaces", used.join(", ")) : undefined;
};

const hostProcess: Check = (pod) => {
  const own = pod.spec.securityContext?.windowsOptions?.hostProcess === true;
  const names = named(pod, (context) => context.windowsOptions?.hostProcess === true);
  if (!own && names.length === 0) return undefined;
  return violation("hostProcess", `${setters(own, names)} must not set securityContext.windowsOptions.hostProcess=true`);
};

const hostPorts: Check = (pod) => {
  const portsOf = (container: Container): number[] => (container.ports ?? []).flatMap((port) => port.hostPort || []);
  const names = named(pod, (_context, container) => portsOf(container).length > 0);
  if (names.length === 0) return undefined;
  const ports = [...new Set(containersOf(pod).flatMap(portsOf))].sort((a, b) => a - b);
  const verb = plural(names.length, "uses", "use");
  return violation("hostPort", `${containers(names)} ${verb} ${plural(ports.length, "hostPort")} ${ports.join(", ")}`);
};

const probeHosts: Check = (pod) => {
  const hostsOf = (container: Container): string[] => {
    const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
    const handlers = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
    return handlers.flatMap((handler) => [handler?.httpGet?.host ?? "", handler?.tcpSocket?.host ?? ""]).filter((host) => !isLocal(host));
  };
  const names = named(pod, (_context, container) => hostsOf(container).length > 0);
  if (names.length === 0) return undefined;
  const hosts = sortedSet(containersOf(pod).flatMap(hostsOf));
  const verb = plural(names.length, "uses", "use");
  return violation(
    "probe or lifecycle host",
    `${containers(names)} ${verb} probe or lifecycle ${plural(hosts.length, "host")} ${list(hosts)}`,
  );
};

function isLocal(host: string): boolean {
  return host === "" || host === "127.0.0.1" || host === "::1";
}

const privileged: Check = (pod) => {
  const names = named(pod, (context) => context.privileged === true);
  return names.length > 0 ? violation("privileged", `${containers(names)} must not set securityContext.privileged=true`) : undefined;
};

const procMount: Check = (pod) => {
  const isMasked = (type: string | undefined): boolean => type === undefined || type === "Default";
  // A user namespace of its own makes the mount harmless.
  if (pod.spec.hostUsers === false) return undefined;
  const names = named(pod, (context) => !isMasked(context.procMount));
  if (names.length === 0) return undefined;
  const types = sortedSet(
    containersOf(pod).flatMap((c) => (isMasked(c.securityContext?.procMount) ? [] : (c.securityContext?.procMount ?? []))),
  );
  return violation("procMount", `${containers(names)} must not set securityContext.procMount to ${list(types)}`);
};

const allowedSELinuxTypes = new Set(["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]);

const seLinuxOptions: Check = (pod) => {
  const types = new Set<string>();
  let user = false;
  let role = false;
  const isBad = (options: SELinuxOptions | undefined): boolean => {
    const badType = !allowedSELinuxTypes.has(options?.type ?? "");
    if (badType) types.add(options?.type ?? "");
    if (options?.user) user = true;
    if (options?.role) role = true;
    return badType || Boolean(options?.user) || Boolean(options?.role);
  };
  const own = isBad(pod.spec.securityContext?.seLinuxOptions);
  const names = named(pod, (context) => isBad(context.seLinuxOptions));
  if (!own && names.length === 0) return undefined;
  const parts = [
    ...(types.size > 0 ? [`${plural(types.size, "type")} ${list(sortedSet(types))}`] : []),
    ...(user ? ["user may not be set"] : []),
    ...(role ? ["role may not be set"] : []),
  ];
  return violation("seLinuxOptions", `${setters(own, names)} set forbidden securityContext.seLinuxOptions: ${parts.join("; ")}`);
};

const appArmor: Check = (pod) => {
  const prefix = "container.apparmor.security.beta.kubernetes.io/";
  const bad = new Set<string>();
  const isBad = (context: SecurityContext | PodSecurityContext | undefined): boolean => {
    const type = context?.appArmorProfile?.type;
    if (type !== "Unconfined") return false;
    bad.add(JSON.stringify(type));
    return true;
  };
  const own = isBad(pod.spec.securityContext);
  const names = named(pod, isBad);
  const annotations = Object.entries(pod.metadata.annotations ?? {})
    .filter(([key, value]) => key.startsWith(prefix) && value !== "" && value !== "runtime/default" && !value.startsWith("localhost/"))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
  if (!own && names.length === 0 && annotations.length === 0) return undefined;
  const who = [setters(own, names), annotations.length > 0 ? plural(annotations.length, "annotation") : ""].filter(Boolean).join(" and ");
  const values = [...[...bad].sort(), ...annotations.map((text) => `"${text}"`)];
  const reason = plural(values.length, "forbidden AppArmor profile");
  return violation(reason, `${who} must not set AppArmor profile type to ${values.join(", ")}`);
};

const allowedSysctls = new Set(
  `kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_unprivileged_port_start net.ipv4.tcp_syncookies
  net.ipv4.ping_group_range net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout
  net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem net.ipv4.tcp_wmem`.split(/\s+/),
);

const sysctls: Check = ({ spec }) => {
  const names = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !allowedSysctls.has(name));
  return names.length > 0 ? violation("forbidden sysctls", names.join(", ")) : undefined;
};

const defaultCapabilities = new Set(
  "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT".split(" "),
);

const addedCapabilities: Check = (pod) => {
  const badOf = (context: SecurityContext): string[] => (context.capabilities?.add ?? []).filter((name) => !defaultCapabilities.has(name));
  const names = named(pod, (context) => badOf(context).length > 0);
  if (names.length === 0) return undefined;
  const bad = sortedSet(containersOf(pod).flatMap((container) => badOf(container.securityContext ?? {})));
  return violation("non-default capabilities", `${containers(names)} must not include ${list(bad)} in securityContext.capabilities.add`);
};

const hostPathVolumes: Check = ({ spec }) => {
  const names = (spec.volumes ?? []).filter((volume) => volume.hostPath).map(({ name }) => name);
  return names.length > 0 ? violation("hostPath volumes", `${plural(names.length, "volume")} ${list(names)}`) : undefined;
};

const seccompUnconfined: Check = (pod) => {
  const own = pod.spec.securityContext?.seccompProfile?.type === "Unconfined";
  const names = named(pod, (context) => context.seccompProfile?.type === "Unconfined");
  if (!own && names.length === 0) return undefined;
  return violation("seccompProfile", `${setters(own, names)} must not set securityContext.seccompProfile.type to "Unconfined"`);
};

const allowPrivilegeEscalation: Check = (pod) => {
  const names = named(pod, (context) => context.allowPrivilegeEscalation !== false);
  if (names.length === 0 || isWindows(pod)) return undefined;
  const detail = `${containers(names)} must set securityContext.allowPrivilegeEscalation=false`;
  return violation("allowPrivilegeEscalation != false", detail);
};

const droppedCapabilities: Check = (pod) => {
  if (isWindows(pod)) return undefined;
  const undropped = named(pod, (context) => !context.capabilities?.drop?.includes("ALL"));
  const badOf = (context: SecurityContext): string[] => (context.capabilities?.add ?? []).filter((name) => name !== "NET_BIND_SERVICE");
  const adding = named(pod, (context) => badOf(context).length > 0);
  const bad = sortedSet(containersOf(pod).flatMap((container) => badOf(container.securityContext ?? {})));
  const parts = [
    ...(undropped.length > 0 ? [`${containers(undropped)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0 ? [`${containers(adding)} must not include ${list(bad)} in securityContext.capabilities.add`] : []),
  ];
  return parts.length > 0 ? violation("unrestricted capabilities", parts.join("; ")) : undefined;
};

const freeVolumes = new Set("configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret image".split(" "));

const restrictedVolumes: Check = ({ spec }) => {
  const bad = (spec.volumes ?? []).flatMap((volume) => {
    const type = Object.keys(volume).find((key) => key !== "name");
    return type === undefined || freeVolumes.has(type) ? [] : [{ name: volume.name, type }];
  });
  if (bad.length === 0) return undefined;
  const types = sortedSet(bad.map(({ type }) => type));
  const verb = plural(bad.length, "uses", "use");
  const who = `${plural(bad.length, "volume")} ${list(bad.map(({ name }) => name))}`;
  return violation("restricted volume types", `${who} ${verb} restricted volume ${plural(types.length, "type")} ${list(types)}`);
};

const runAsNonRoot: Check = (pod) => {
  if (pod.spec.hostUsers === false) return undefined;
  const own = pod.spec.securityContext?.runAsNonRoot;
  const refusing = named(pod, (context) => context.runAsNonRoot === false);
  const silent = named(pod, (context) => context.runAsNonRoot === undefined);
  if (refusing.length > 0 || own === false) {
    // A pod's false counts only where a container relies on it.
    if (refusing.length > 0 || silent.length > 0)
      return violation("runAsNonRoot != true", `${setters(own === false, refusing)} must not set securityContext.runAsNonRoot=false`);
    return undefined;
  }
  if (own === true || silent.length === 0) return undefined;
  return violation("runAsNonRoot != true", `pod or ${containers(silent)} must set securityContext.runAsNonRoot=true`);
};

const runAsUser: Check = (pod) => {
  if (pod.spec.hostUsers === false) return undefined;
  const own = pod.spec.securityContext?.runAsUser === 0;
  const names = named(pod, (context) => context.runAsUser === 0);
  return own || names.length > 0 ? violation("runAsUser=0", `${setters(own, names)} must not set runAsUser=0`) : undefined;
};

const seccompRestricted: Check = (pod) => {
  if (isWindows(pod)) return undefined;
  const isGood = (type: string | undefined): boolean => type === "RuntimeDefault" || type === "Localhost";
  const type = pod.spec.securityContext?.seccompProfile?.type;
  const bad = named(pod, (context) => context.seccompProfile?.type !== undefined && !isGood(context.seccompProfile.type));
  const ownBad = type !== undefined && !isGood(type);
  const silent = named(pod, (context) => context.seccompProfile?.type === undefined);
  if (bad.length > 0 || ownBad) {
    const types = sortedSet([
      ...(ownBad ? [type] : []),
      ...containersOf(pod).flatMap((c) => c.securityContext?.seccompProfile?.type ?? []),
    ]);
    const shown = types.filter((one) => !isGood(one));
    return violation("seccompProfile", `${setters(ownBad, bad)} must not set securityContext.seccompProfile.type to ${list(shown)}`);
  }
  if (isGood(type) || silent.length === 0) return undefined;
  const detail = `pod or ${containers(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`;
  return violation("seccompProfile", detail);
};

function isWindows({ spec }: SecuredPod): boolean {
  return spec.os?.name === "windows";
}

/** In the order of upstream's identifiers. */
const baseline: readonly Check[] = [
  appArmor,
  addedCapabilities,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  probeHosts,
  privileged,
  procMount,
  seLinuxOptions,
  seccompUnconfined,
  sysctls,
  hostProcess,
];
/** Baseline's checks first, without those that restricted has stricter ones for. */
const restricted: readonly Check[] = [
  ...baseline.filter((check) => check !== addedCapabilities && check !== hostPathVolumes && check !== seccompUnconfined),
  allowPrivilegeEscalation,
  droppedCapabilities,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  seccompRestricted,
];
