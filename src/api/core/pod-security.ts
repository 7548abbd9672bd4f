import type { Container, PodSecurityContext, SecurityContext, SELinuxOptions } from "../types/core.v1.ts";
import { appArmorPrefix } from "./app-armor.ts";
import {
  containers,
  containersOf,
  isApart,
  isWindows,
  list,
  named,
  plural,
  type SecuredPod,
  type SecurityViolation,
  setters,
  sortedSet,
  violation,
} from "./secured-pod.ts";

/** The profiles of the Pod Security Standards, from the widest to the narrowest. */
export const securityLevels = ["privileged", "baseline", "restricted"] as const;

/** One of the profiles. */
export type SecurityLevel = (typeof securityLevels)[number];

/** What is wrong with a pod as of Kubernetes v1.`minor`. */
type Check = (pod: SecuredPod, minor: number) => SecurityViolation | undefined;

/** A check of one level, by the minor versions of Kubernetes whose standards have it. */
interface Row {
  check: Check;
  /** Default: from the beginning. */
  since?: number;
  before?: number;
  /** The weaker check of the level below that has nothing to say beside this one. */
  replaces?: Check;
}

/**
 * Everything that keeps the pod from the level, in upstream's words and order ("Pod Security Standards"), as the level was in Kubernetes
 * v1.`minor`: by default as it is now. Nothing for "privileged".
 */
export function securityViolations(level: SecurityLevel, pod: SecuredPod, minor = Infinity): SecurityViolation[] {
  if (level === "privileged") return [];
  const holds = ({ since = 0, before }: Row): boolean => since <= minor && (before === undefined || minor < before);
  const narrower = level === "restricted" ? restricted.filter(holds) : [];
  const wider = baseline.filter((row) => holds(row) && narrower.every(({ replaces }) => replaces !== row.check));
  return [...wider, ...narrower].flatMap(({ check }) => check(pod, minor) ?? []);
}

/** The violations as one text: `privileged (container "a" must not ...), ...`. */
export function describeViolations(violations: readonly SecurityViolation[]): string {
  return violations.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(", ");
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
  const names = named(pod, (context) => !isMasked(context.procMount));
  if (names.length === 0) return undefined;
  const types = sortedSet(
    containersOf(pod).flatMap((c) => (isMasked(c.securityContext?.procMount) ? [] : (c.securityContext?.procMount ?? []))),
  );
  return violation("procMount", `${containers(names)} must not set securityContext.procMount to ${list(types)}`);
};

const procMountOnHost: Check = (pod, minor) => (isApart(pod, minor) ? undefined : procMount(pod, minor));

const allowedSELinuxTypes = new Set(["", "container_t", "container_init_t", "container_kvm_t"]);

const seLinuxOptions: Check = (pod, minor) => {
  const types = new Set<string>();
  let user = false;
  let role = false;
  const isBad = (options: SELinuxOptions | undefined): boolean => {
    const isEngine = minor >= 31 && options?.type === "container_engine_t";
    const badType = !isEngine && !allowedSELinuxTypes.has(options?.type ?? "");
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
    .filter(
      ([key, value]) => key.startsWith(appArmorPrefix) && value !== "" && value !== "runtime/default" && !value.startsWith("localhost/"),
    )
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
  if (!own && names.length === 0 && annotations.length === 0) return undefined;
  const who = [setters(own, names), annotations.length > 0 ? plural(annotations.length, "annotation") : ""].filter(Boolean).join(" and ");
  const values = [...[...bad].sort(), ...annotations.map((text) => `"${text}"`)];
  const reason = plural(values.length, "forbidden AppArmor profile");
  return violation(reason, `${who} must not set AppArmor profile type to ${values.join(", ")}`);
};

/** By the minor version that first allowed them. */
const allowedSysctls: readonly [since: number, names: string][] = [
  [0, "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_unprivileged_port_start net.ipv4.ping_group_range"],
  [0, "net.ipv4.tcp_syncookies"],
  [27, "net.ipv4.ip_local_reserved_ports"],
  [29, "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes"],
  [32, "net.ipv4.tcp_rmem net.ipv4.tcp_wmem"],
];

const sysctls: Check = ({ spec }, minor) => {
  const isAllowed = (name: string): boolean => allowedSysctls.some(([since, names]) => since <= minor && names.split(" ").includes(name));
  const names = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !isAllowed(name));
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

/** Where profiles stood before v1.19. */
const seccompAnnotations: Check = (pod) => {
  const group = "seccomp.security.alpha.kubernetes.io/";
  const keys = [`${group}pod`, ...containersOf(pod).map(({ name }) => `container.${group}${name}`)];
  const bad = keys.flatMap((key) => {
    const value = pod.metadata.annotations?.[key];
    const isGood = value === undefined || /^(runtime\/default$|docker\/default$|localhost\/)/.test(value);
    return isGood ? [] : [`${key}=${JSON.stringify(value)}`];
  });
  return bad.length > 0
    ? violation("seccompProfile", `forbidden ${plural(bad.length, "annotation")} ${sortedSet(bad).join(", ")}`)
    : undefined;
};

const seccompUnconfined: Check = (pod) => {
  const own = pod.spec.securityContext?.seccompProfile?.type === "Unconfined";
  const names = named(pod, (context) => context.seccompProfile?.type === "Unconfined");
  if (!own && names.length === 0) return undefined;
  return violation("seccompProfile", `${setters(own, names)} must not set securityContext.seccompProfile.type to "Unconfined"`);
};

const allowPrivilegeEscalation: Check = (pod, minor) => {
  const names = named(pod, (context) => context.allowPrivilegeEscalation !== false);
  if (names.length === 0 || isWindows(pod, minor)) return undefined;
  const detail = `${containers(names)} must set securityContext.allowPrivilegeEscalation=false`;
  return violation("allowPrivilegeEscalation != false", detail);
};

const droppedCapabilities: Check = (pod, minor) => {
  if (isWindows(pod, minor)) return undefined;
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

const runAsNonRoot: Check = (pod, minor) => {
  if (isApart(pod, minor)) return undefined;
  const own = pod.spec.securityContext?.runAsNonRoot;
  const refusing = named(pod, (context) => context.runAsNonRoot === false);
  const silent = named(pod, (context) => context.runAsNonRoot === undefined);
  if (refusing.length > 0 || own === false)
    return violation("runAsNonRoot != true", `${setters(own === false, refusing)} must not set securityContext.runAsNonRoot=false`);
  if (own === true || silent.length === 0) return undefined;
  return violation("runAsNonRoot != true", `pod or ${containers(silent)} must set securityContext.runAsNonRoot=true`);
};

const runAsUser: Check = (pod, minor) => {
  if (isApart(pod, minor)) return undefined;
  const own = pod.spec.securityContext?.runAsUser === 0;
  const names = named(pod, (context) => context.runAsUser === 0);
  return own || names.length > 0 ? violation("runAsUser=0", `${setters(own, names)} must not set runAsUser=0`) : undefined;
};

const seccompRestricted: Check = (pod, minor) => {
  if (isWindows(pod, minor)) return undefined;
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

/** In the order of upstream's identifiers. */
const baseline: readonly Row[] = [
  { check: appArmor },
  { check: addedCapabilities },
  { check: hostNamespaces },
  { check: hostPathVolumes },
  { check: hostPorts },
  { check: probeHosts, since: 34 },
  { check: privileged },
  { check: procMountOnHost },
  { check: seLinuxOptions },
  { check: seccompAnnotations, before: 19 },
  { check: seccompUnconfined, since: 19 },
  { check: sysctls },
  { check: hostProcess },
];
/** What restricted has beside baseline's. */
const restricted: readonly Row[] = [
  { check: allowPrivilegeEscalation, since: 8 },
  { check: droppedCapabilities, since: 22, replaces: addedCapabilities },
  { check: procMount, since: 35, replaces: procMountOnHost },
  { check: restrictedVolumes, replaces: hostPathVolumes },
  { check: runAsNonRoot },
  { check: runAsUser, since: 23 },
  { check: seccompRestricted, since: 19, replaces: seccompUnconfined },
];
