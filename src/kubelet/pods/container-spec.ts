import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Container, Pod, VolumeMount } from "../../api/types/core.v1.ts";
import { ConfigMaps, Secrets } from "../../api/types/resources.ts";
import { type KubeletContext, nodeFacts } from "../context.ts";
import { hostnameOf, hostsFile } from "./hosts.ts";
import { formatResolvConf, podResolvConf } from "./resolv-conf.ts";
import type { ContainerSpec, ImageInfo, Mount, PodState, SandboxState } from "../runtime/runtime.ts";
import { type MountedVolume, podFolder } from "../volumes/volume-manager.ts";
import type { PodContainer } from "./containers.ts";
import { ConfigError, type EnvSources, environment, expand, expandStrictly } from "./env.ts";
import { currentContainer } from "./plan.ts";
import { linuxResources } from "./resources.ts";
import { linuxSecurity } from "./security.ts";
import { specHash } from "./spec-hash.ts";

/** What a container is made from, beside its pod. */
export interface ContainerParts {
  sandbox: SandboxState;
  state: PodState;
  attempt: number;
  image: ImageInfo;
  volumes: ReadonlyMap<string, MountedVolume>;
}

/** Where on the host a container writes its last words. */
export function terminationLog(dataDir: string, podUid: string, container: string, attempt: number): string {
  return join(podFolder(dataDir, podUid), "containers", container, `termination-log.${attempt}`);
}

/** Resolves all that a container's spec refers to. Throws ConfigError when something is missing. */
export async function containerSpec(context: KubeletContext, pod: Pod, c: PodContainer, parts: ContainerParts): Promise<ContainerSpec> {
  const { container } = c;
  const { name, namespace, uid } = pod.metadata;
  const sources = await envSources(context, pod, container, parts);
  const env = environment(pod, container, sources);
  const value = (variable: string): string | undefined => env.get(variable);
  const mounts = context.runtime.usesHost ? await allMounts(context, pod, container, parts, value) : [];
  return {
    pod: { uid, name, namespace },
    sandboxId: parts.sandbox.id,
    name: container.name,
    attempt: parts.attempt,
    specHash: specHash(container),
    imageId: parts.image.id,
    image: container.image ?? "",
    command: (container.command ?? []).map((text) => expand(text, value)),
    args: (container.args ?? []).map((text) => expand(text, value)),
    workingDir: container.workingDir ?? "",
    env: [...env].map(([variable, text]) => ({ name: variable, value: text })),
    mounts,
    resources: linuxResources(container.resources),
    security: linuxSecurity(pod, container, parts.image, { memory: context.memoryCapacity, localSeccomp: noLocalSeccomp }),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    stopSignal: container.lifecycle?.stopSignal ?? "",
    pidNamespace: pidNamespace(pod, c, parts),
    hostNetwork: pod.spec.hostNetwork ?? false,
    annotations: terminationAnnotations(container),
  };
}

/** How to read the last words of a container, kept with it: its spec may be gone by then. */
function terminationAnnotations(container: Container): Record<string, string> {
  return { terminationMessagePolicy: container.terminationMessagePolicy ?? "File" };
}

function noLocalSeccomp(profile: string): string {
  throw new ConfigError(`cannot load seccomp profile "${profile}": this node has no folder of local profiles`);
}

function pidNamespace(pod: Pod, c: PodContainer, { state, sandbox }: ContainerParts): string {
  if (c.target) {
    const target = currentContainer(state, c.target, sandbox.id);
    if (target?.state !== "running") throw new ConfigError(`target container "${c.target}" is not running`);
    return target.id;
  }
  return pod.spec.hostPID ? "host" : pod.spec.shareProcessNamespace ? "sandbox" : "";
}

async function envSources(context: KubeletContext, pod: Pod, container: Container, parts: ContainerParts): Promise<EnvSources> {
  const { namespace, uid } = pod.metadata;
  const names = { configMap: new Set<string>(), secret: new Set<string>() };
  const files = new Map<string, string>();
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef?.name) names.configMap.add(configMapRef.name);
    if (secretRef?.name) names.secret.add(secretRef.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name) names.configMap.add(valueFrom.configMapKeyRef.name);
    if (valueFrom?.secretKeyRef?.name) names.secret.add(valueFrom.secretKeyRef.name);
    const file = valueFrom?.fileKeyRef;
    const folder = parts.volumes.get(file?.volumeName ?? "")?.path;
    if (!file || folder === undefined) continue;
    const text = await readFile(join(folder, file.path), "utf8").catch(() => undefined);
    if (text !== undefined) files.set(`${file.volumeName}/${file.path}`, text);
  }
  const configMaps = new Map(
    await Promise.all([...names.configMap].map(async (n) => [n, await context.objects.get(ConfigMaps, namespace, n, uid)] as const)),
  );
  const secrets = new Map(
    await Promise.all([...names.secret].map(async (n) => [n, await context.objects.get(Secrets, namespace, n, uid)] as const)),
  );
  return {
    node: nodeFacts(context, pod, parts.sandbox.ip),
    configMap: (n) => configMaps.get(n),
    secret: (n) => secrets.get(n),
    file: (volume, path) => files.get(`${volume}/${path}`),
    services: context.servicesFor(pod),
  };
}

async function allMounts(
  context: KubeletContext,
  pod: Pod,
  container: Container,
  parts: ContainerParts,
  value: (name: string) => string | undefined,
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) mounts.push(await volumeMount(context, mount, parts.volumes, value));
  const taken = new Set(mounts.map((m) => m.target));
  const add = (source: string, target: string): void => {
    if (!taken.has(target))
      mounts.push({ source, target, readOnly: container.securityContext?.readOnlyRootFilesystem ?? false, propagation: "rprivate" });
  };
  const files = await podFiles(context, pod, parts.sandbox);
  add(files.hosts, "/etc/hosts");
  add(files.resolvConf, "/etc/resolv.conf");
  const log = terminationLog(context.dataDir, pod.metadata.uid, container.name, parts.attempt);
  await mkdir(dirname(log), { recursive: true });
  await writeFile(log, "");
  await chmod(log, 0o666);
  mounts.push({
    source: log,
    target: container.terminationMessagePath || "/dev/termination-log",
    readOnly: false,
    propagation: "rprivate",
  });
  return mounts;
}

const propagations = { None: "rprivate", HostToContainer: "rslave", Bidirectional: "rshared" } as const;

async function volumeMount(
  context: KubeletContext,
  mount: VolumeMount,
  volumes: ReadonlyMap<string, MountedVolume>,
  value: (name: string) => string | undefined,
): Promise<Mount> {
  const volume = volumes.get(mount.name);
  if (!volume) throw new ConfigError(`cannot find volume "${mount.name}" to mount into container`);
  const subPath = mount.subPathExpr ? expandStrictly(mount.subPathExpr, value) : (mount.subPath ?? "");
  return {
    source: subPath ? await context.volumes.subPath(volume, subPath) : volume.path,
    target: mount.mountPath.startsWith("/") ? mount.mountPath.replace(/(.)\/+$/, "$1") : `/${mount.mountPath}`,
    readOnly: (mount.readOnly ?? false) || volume.readOnly,
    propagation: propagations[mount.mountPropagation ?? "None"],
  };
}

/** The pod's own /etc/hosts and /etc/resolv.conf, shared by its containers. Written anew for each container: the address may be another. */
async function podFiles(context: KubeletContext, pod: Pod, sandbox: SandboxState): Promise<{ hosts: string; resolvConf: string }> {
  const folder = podFolder(context.dataDir, pod.metadata.uid);
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const files = { hosts: join(folder, "etc-hosts"), resolvConf: join(folder, "resolv.conf") };
  const names = hostnameOf(pod, context.clusterDomain);
  const hostHosts = pod.spec.hostNetwork ? await readFile("/etc/hosts", "utf8").catch(() => "") : "";
  const conf = podResolvConf(pod, await context.hostResolvConf(), { dns: context.clusterDNS, domain: context.clusterDomain });
  await writeIfChanged(files.hosts, hostsFile(pod, sandbox.ip ?? "", names, hostHosts));
  await writeIfChanged(files.resolvConf, formatResolvConf(conf));
  return files;
}

/** In place, as bind mounts follow the file and not its name; and not over what a container has written itself. */
async function writeIfChanged(path: string, text: string): Promise<void> {
  const old = await readFile(path, "utf8").catch(() => undefined);
  if (old === text) return;
  await writeFile(path, text);
  await chmod(path, 0o644);
}
