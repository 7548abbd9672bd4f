import { readdirSync, statSync } from "node:fs";
import type { ContainerSpec, LinuxResources, Mount, PodRef, SandboxSpec } from "../runtime.ts";
import { label } from "./engine.ts";
import { type HostCapabilities, hostCapabilities } from "./host-capabilities.ts";

/** Whose things these are: written on all of them. */
export interface Owner {
  nodeName: string;
  dataDir: string;
}

/** What the engine is asked to create: a name, and the rest as its API documents it. */
export interface NewContainer {
  name: string;
  Image: string;
  [field: string]: unknown;
}

/** The labels that say whose a thing is. */
export function ownerLabels(owner: Owner): Record<string, string> {
  return { [label.node]: owner.nodeName, [label.dataDir]: owner.dataDir };
}

function podLabels(pod: PodRef): Record<string, string> {
  return { [label.podUid]: pod.uid, [label.podName]: pod.name, [label.podNamespace]: pod.namespace };
}

/** A name no other attempt has: "k8s_web_mypod_default_<uid>_0", as Docker-based nodes have always had it. */
export function containerName(pod: PodRef, container: string, attempt: number): string {
  return `k8s_${container}_${pod.name}_${pod.namespace}_${pod.uid}_${attempt}`;
}

/** Kept small on every node: 5 files of 10 MiB a container. */
const logConfig = { Type: "json-file", Config: { "max-size": "10m", "max-file": "5" } };

/** What the engine is asked to create for a sandbox. */
export function sandboxOptions(
  spec: SandboxSpec,
  owner: Owner,
  { image, ip }: { image: string; ip: string },
  host = hostCapabilities(),
): NewContainer {
  return {
    name: containerName(spec.pod, "POD", spec.attempt),
    Image: image,
    // A network namespace of its own, and nothing of the engine in it: the program that the engine runs for a network doubles a start's time.
    ...(spec.hostNetwork ? {} : { Hostname: spec.hostname, NetworkDisabled: true }),
    Labels: {
      ...ownerLabels(owner),
      ...podLabels(spec.pod),
      [label.kind]: "sandbox",
      [label.attempt]: String(spec.attempt),
      [label.ip]: ip,
    },
    HostConfig: {
      NetworkMode: spec.hostNetwork ? "host" : "none",
      UTSMode: spec.hostNetwork ? "host" : "",
      IpcMode: spec.hostIPC ? "host" : "shareable",
      PidMode: spec.hostPID ? "host" : "",
      Sysctls: spec.sysctls,
      OomScoreAdj: oomScore(-998, host),
      CpuShares: 2,
      SecurityOpt: ["seccomp=unconfined"],
      LogConfig: { Type: "none", Config: {} },
      RestartPolicy: { Name: "no" },
    },
  };
}

/** What the engine is asked to create for a container. */
export function containerOptions(spec: ContainerSpec, owner: Owner, host = hostCapabilities()): NewContainer {
  const { security, resources } = spec;
  const annotations = Object.entries(spec.annotations).map(([k, v]) => [label.annotation + k, v]);
  return {
    name: containerName(spec.pod, spec.name, spec.attempt),
    Image: spec.imageId,
    Labels: {
      ...ownerLabels(owner),
      ...podLabels(spec.pod),
      [label.kind]: "container",
      [label.container]: spec.name,
      [label.attempt]: String(spec.attempt),
      [label.specHash]: spec.specHash,
      [label.sandbox]: spec.sandboxId,
      [label.image]: spec.image,
      ...Object.fromEntries(annotations),
    },
    ...(spec.command.length > 0 ? { Entrypoint: spec.command } : {}),
    ...(spec.args.length > 0 ? { Cmd: spec.args } : {}),
    WorkingDir: spec.workingDir,
    Env: spec.env.map((e) => `${e.name}=${e.value}`),
    User: security.user,
    Tty: spec.tty,
    OpenStdin: spec.stdin,
    StdinOnce: spec.stdinOnce,
    ...(spec.stopSignal ? { StopSignal: spec.stopSignal } : {}),
    // An image's own health check would run processes that nobody asked for.
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      NetworkMode: `container:${spec.sandboxId}`,
      IpcMode: `container:${spec.sandboxId}`,
      UTSMode: spec.hostNetwork ? "host" : "",
      PidMode: pidMode(spec),
      Mounts: spec.mounts.map(mountOf),
      ...engineResources(resources),
      OomScoreAdj: oomScore(security.oomScoreAdj, host),
      ...(security.privileged ? privileges(host) : { CapAdd: capabilities(security.addCapabilities, host) }),
      ReadonlyRootfs: security.readOnlyRootFilesystem,
      CapDrop: security.dropCapabilities,
      GroupAdd: security.groups,
      SecurityOpt: [
        ...(security.noNewPrivileges ? ["no-new-privileges"] : []),
        ...(security.seccomp === "runtime/default" ? [] : [`seccomp=${security.seccomp}`]),
        ...(security.appArmor ? [`apparmor=${security.appArmor}`] : []),
        ...security.seLinux.map((part) => `label=${part}`),
      ],
      ...(security.unmaskedProc || security.privileged ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
      LogConfig: logConfig,
      RestartPolicy: { Name: "no" },
    },
  };
}

/** Limits in the engine's words. Swap is what memory allows and no more. */
export function engineResources(r: LinuxResources): Record<string, number> {
  return { CpuShares: r.cpuShares, CpuQuota: r.cpuQuota, CpuPeriod: r.cpuPeriod, Memory: r.memory, MemorySwap: r.memory };
}

/** Only who has SYS_RESOURCE may ask for a score below its own. */
function oomScore(score: number, host: HostCapabilities): number {
  return host.available.includes("SYS_RESOURCE") ? score : Math.max(score, 0);
}

function capabilities(add: string[], host: HostCapabilities): string[] {
  return add.flatMap((name) => (name.toUpperCase() === "ALL" && !host.complete ? host.available : [name]));
}

/** All that the machine has to give: where it withholds capabilities, the engine's own flag would fail. */
function privileges(host: HostCapabilities): object {
  if (host.complete) return { Privileged: true };
  return {
    CapAdd: [...host.available],
    DeviceCgroupRules: ["a *:* rwm"],
    Devices: hostDevices().map((path) => ({ PathOnHost: path, PathInContainer: path, CgroupPermissions: "rwm" })),
  };
}

function hostDevices(): string[] {
  const own = new Set(["console", "full", "null", "ptmx", "random", "tty", "urandom", "zero"]); // every container has them
  const isDevice = (name: string): boolean => {
    const stat = statSync(`/dev/${name}`, { throwIfNoEntry: false });
    return stat !== undefined && (stat.isBlockDevice() || stat.isCharacterDevice());
  };
  return readdirSync("/dev")
    .filter((name) => !own.has(name) && isDevice(name))
    .map((name) => `/dev/${name}`);
}

function pidMode(spec: ContainerSpec): string {
  if (spec.pidNamespace === "host" || spec.pidNamespace === "") return spec.pidNamespace;
  return `container:${spec.pidNamespace === "sandbox" ? spec.sandboxId : spec.pidNamespace}`;
}

function mountOf(mount: Mount): object {
  return {
    Type: "bind",
    Source: mount.source,
    Target: mount.target,
    ReadOnly: mount.readOnly,
    BindOptions: { Propagation: mount.propagation },
  };
}
