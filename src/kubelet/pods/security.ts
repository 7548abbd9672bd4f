import type { AppArmorProfile, Container, Pod, SELinuxOptions } from "../../api/types/core.v1.ts";
import type { ImageInfo, LinuxSecurity } from "../runtime/runtime.ts";
import { ConfigError } from "./env.ts";
import { oomScoreAdjust } from "./resources.ts";

/** Who the container's processes are and what they may do: its own settings before the pod's. Throws ConfigError when it would break a promise. */
export function linuxSecurity(
  pod: Pod,
  container: Container,
  image: Pick<ImageInfo, "user">,
  node: { memory: number; localSeccomp: (profile: string) => string },
): LinuxSecurity {
  const podContext = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const runAsUser = own.runAsUser ?? podContext.runAsUser;
  const runAsGroup = own.runAsGroup ?? podContext.runAsGroup;
  if (own.runAsNonRoot ?? podContext.runAsNonRoot) requireNonRoot(pod, container, runAsUser, image.user);
  if (podContext.supplementalGroupsPolicy === "Strict")
    throw new ConfigError("SupplementalGroupsPolicy=Strict is not supported in this node");
  if (pod.spec.hostUsers === false) throw new ConfigError("user namespaces are not supported by the container runtime");
  const user = runAsUser === undefined ? image.user.split(":")[0] || (runAsGroup === undefined ? "" : "0") : String(runAsUser);
  const group = runAsGroup ?? (runAsUser === undefined ? image.user.split(":")[1] : undefined);
  const groups = new Set([...(podContext.supplementalGroups ?? []), ...(podContext.fsGroup === undefined ? [] : [podContext.fsGroup])]);
  const privileged = own.privileged ?? false;
  return {
    user: group === undefined ? user : `${user}:${group}`,
    groups: [...groups].map(String),
    privileged,
    readOnlyRootFilesystem: own.readOnlyRootFilesystem ?? false,
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    addCapabilities: own.capabilities?.add ?? [],
    dropCapabilities: own.capabilities?.drop ?? [],
    seccomp: privileged ? "unconfined" : seccomp(own.seccompProfile ?? podContext.seccompProfile, node.localSeccomp),
    appArmor: appArmor(own.appArmorProfile ?? podContext.appArmorProfile),
    seLinux: seLinux(own.seLinuxOptions ?? podContext.seLinuxOptions),
    unmaskedProc: own.procMount === "Unmasked",
    oomScoreAdj: oomScoreAdjust(pod, container, node.memory),
  };
}

/** Unset means unconfined in Kubernetes, unlike in Docker. */
function seccomp(profile: { type: string; localhostProfile?: string } | undefined, local: (profile: string) => string): string {
  if (profile?.type === "RuntimeDefault") return "runtime/default";
  if (profile?.type === "Localhost") return local(profile.localhostProfile ?? "");
  return "unconfined";
}

function appArmor(profile: AppArmorProfile | undefined): string {
  return profile?.type === "Localhost" ? (profile.localhostProfile ?? "") : profile?.type === "Unconfined" ? "unconfined" : "";
}

function seLinux({ user, role, type, level }: SELinuxOptions = {}): string[] {
  return Object.entries({ user, role, type, level }).flatMap(([key, value]) => (value ? [`${key}:${value}`] : []));
}

function requireNonRoot(pod: Pod, container: Container, runAsUser: number | undefined, imageUser: string): void {
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  if (runAsUser !== undefined) {
    if (runAsUser === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  const user = imageUser.split(":")[0] ?? "";
  if (user === "" || user === "0") throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  if (!/^\d+$/.test(user))
    throw new ConfigError(`container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root ${where}`);
}
