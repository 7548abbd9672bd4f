import type { Duplex, Readable } from "node:stream";

/** Which pod a sandbox or container belongs to. */
export interface PodRef {
  uid: string;
  name: string;
  namespace: string;
}

/** What a pod's sandbox is made from: the namespaces that its containers share. */
export interface SandboxSpec {
  pod: PodRef;
  /** Counts the pod's sandboxes from 0. */
  attempt: number;
  /** "" with hostNetwork. */
  hostname: string;
  hostNetwork: boolean;
  hostPID: boolean;
  hostIPC: boolean;
  sysctls: Record<string, string>;
}

/** A sandbox as it is now. */
export interface SandboxState {
  id: string;
  attempt: number;
  running: boolean;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** The pod's address; undefined with hostNetwork or when not running. */
  ip: string | undefined;
  /** Process id on the host, 0 when not running. */
  pid: number;
}

/** A folder or file of the host inside a container. */
export interface Mount {
  source: string;
  target: string;
  readOnly: boolean;
  propagation: "rprivate" | "rslave" | "rshared";
}

/** What the kernel enforces for a container. 0 is "no limit" for quota and memory. */
export interface LinuxResources {
  cpuShares: number;
  /** Microseconds of CPU a period. */
  cpuQuota: number;
  cpuPeriod: number;
  /** Bytes. */
  memory: number;
}

/** Who and what a container's processes may be. */
export interface LinuxSecurity {
  /** "uid", "uid:gid", or "" for the image's user. */
  user: string;
  groups: string[];
  privileged: boolean;
  readOnlyRootFilesystem: boolean;
  noNewPrivileges: boolean;
  addCapabilities: string[];
  dropCapabilities: string[];
  /** "unconfined", "runtime/default", or the profile's JSON text. */
  seccomp: string;
  /** The name of an AppArmor profile that the machine knows, "unconfined", or "" for the runtime's own. */
  appArmor: string;
  /** Parts of the SELinux label that are not the runtime's own, as "level:s0:c1,c2". */
  seLinux: readonly string[];
  /** No masked or read-only paths below /proc. */
  unmaskedProc: boolean;
  oomScoreAdj: number;
}

/** What a container is made from. Everything is resolved: no references, no expansion left to do. */
export interface ContainerSpec {
  pod: PodRef;
  sandboxId: string;
  name: string;
  /** Counts the container's incarnations from 0. */
  attempt: number;
  /** Says whether a running container is still what the pod asks for. */
  specHash: string;
  /** The image by its id in the runtime, and by the name that the pod gave. */
  imageId: string;
  image: string;
  /** Empty: the image's own. */
  command: string[];
  args: string[];
  workingDir: string;
  env: { name: string; value: string }[];
  mounts: Mount[];
  resources: LinuxResources;
  security: LinuxSecurity;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  /** "" is the image's own, else SIGTERM. */
  stopSignal: string;
  /** "host", "sandbox" (the sandbox's process 1), a container's id, or "" for one of its own. */
  pidNamespace: string;
  hostNetwork: boolean;
  /** Kept with the container and given back in its state: what the kubelet has to know after a restart. */
  annotations: Record<string, string>;
}

/** A container as it is now. Times in milliseconds since 1970, 0 when not reached. */
export interface ContainerState {
  id: string;
  name: string;
  attempt: number;
  specHash: string;
  sandboxId: string;
  state: "created" | "running" | "exited";
  createdAt: number;
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  oomKilled: boolean;
  /** Why it could not be started. */
  error: string;
  /** The image's name as the pod gave it. */
  image: string;
  /** "docker-pullable://name@digest" or "docker://sha256:...". */
  imageId: string;
  resources: LinuxResources;
  pid: number;
  annotations: Record<string, string>;
}

/** All that the runtime has of one pod, newest attempt first in both lists. */
export interface PodState {
  pod: PodRef;
  sandboxes: SandboxState[];
  containers: ContainerState[];
}

/** An image on the node. */
export interface ImageInfo {
  id: string;
  /** Tags and digests. */
  names: string[];
  /** As in ContainerState.imageId. */
  statusId: string;
  /** Whether a registry is known to have it. */
  hasRepoDigest: boolean;
  sizeBytes: number;
  /** As the image's author wrote it: "", "1000", "web:web". */
  user: string;
}

/** Name and password for a registry. */
export interface RegistryCredentials {
  username: string;
  password: string;
  /** Instead of name and password. */
  identityToken?: string;
  serverAddress?: string;
}

/** A process in a container, or the container's own one, joined to streams. */
export interface Session {
  /** Undefined when no stdin was asked for. Ending it ends the process's stdin. */
  stdin: NodeJS.WritableStream | undefined;
  stdout: Readable;
  /** Without a tty only. */
  stderr: Readable | undefined;
  resize(width: number, height: number): Promise<void>;
  /** Resolves when the output has ended; with the exit code of an exec, 0 for an attach. */
  readonly done: Promise<number>;
  /** Lets go; an exec's process is killed. */
  close(): void;
}

/** What to join in an exec or attach. */
export interface SessionOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** Which part of a container's log to read. */
export interface LogOptions {
  follow: boolean;
  /** Lines from the end; undefined: all. */
  tail?: number;
  /** Milliseconds since 1970. */
  since?: number;
  timestamps: boolean;
  signal?: AbortSignal;
}

/** What a container uses. */
export interface ContainerStats {
  /** Milliseconds since 1970 of the reading. */
  at: number;
  cpuNanoseconds: number;
  memoryUsageBytes: number;
  /** Without the page cache that the kernel can drop at once. */
  memoryWorkingSetBytes: number;
  memoryRssBytes: number;
  pageFaults: number;
  majorPageFaults: number;
  network: { rxBytes: number; rxErrors: number; txBytes: number; txErrors: number } | undefined;
}

/** "There is no such container or image", whatever the runtime calls it. */
export class NotFoundError extends Error {}

/** The network that a node's pods are in. */
export interface PodNetwork {
  /** Makes it for that address range, or finds it. */
  setup(podCIDR: string): Promise<void>;
}

/** A pod network that pods are joined to by their sandbox's process. */
export interface HostPodNetwork extends PodNetwork {
  /** An address that no pod of the node has. Throws before setup() and when there is none left. */
  reserve(): string;
  /** Marks the address of a pod that was there before. */
  take(ip: string): void;
  /** Gives the address of a pod that is gone back. */
  release(ip: string): void;
  /** Whether the pod with that address is joined. */
  isAttached(ip: string): boolean;
  /** Joins the network namespace of that process of the pod ("namespace/name") under that address. */
  attach(pod: string, ip: string, pid: number): Promise<void>;
}

/**
 * What runs containers. Docker Engine and the simulation implement it and pass one contract test. A runtime sees only
 * what it made itself for this node and data directory. Objects are found by id; a missing one gives NotFoundError from
 * reads, and nothing from stop and remove, which are idempotent.
 */
export interface Runtime {
  /** False: pods exist in memory only, so that no file, mount or network is prepared for them. */
  readonly usesHost: boolean;
  /** The runtime's own pod network. */
  readonly network: PodNetwork;
  /** "docker://20.10.24". Throws when the runtime does not answer. */
  version(): Promise<string>;
  /** All pods. */
  pods(): Promise<PodState[]>;
  pod(uid: string): Promise<PodState>;
  /** Calls with a pod's uid after a change of one of its containers that may be news, with undefined after changes may have been missed. */
  watch(changed: (uid: string | undefined) => void): () => void;

  /** Creates and starts. */
  createSandbox(spec: SandboxSpec): Promise<string>;
  stopSandbox(id: string): Promise<void>;
  removeSandbox(id: string): Promise<void>;

  createContainer(spec: ContainerSpec): Promise<string>;
  /** Throws with the runtime's reason when the process cannot be started. */
  startContainer(id: string): Promise<void>;
  /** The stop signal, and SIGKILL after that many seconds; resolves when it has ended. */
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  killContainer(id: string): Promise<void>;
  removeContainer(id: string): Promise<void>;
  updateResources(id: string, resources: LinuxResources): Promise<void>;

  exec(id: string, command: string[], options: SessionOptions): Promise<Session>;
  attach(id: string, options: SessionOptions): Promise<Session>;
  /** The log as lines, stdout and stderr mixed, each with its RFC 3339 time in front when asked for. */
  logs(id: string, options: LogOptions): Promise<Readable>;
  /** Undefined for a container that does not run. */
  stats(id: string): Promise<ContainerStats | undefined>;
  /** A connection to a port on the pod's loopback or own address. */
  dial(sandbox: SandboxState, port: number): Promise<Duplex>;

  images(): Promise<ImageInfo[]>;
  /** By name or id. */
  image(reference: string): Promise<ImageInfo | undefined>;
  pull(reference: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<void>;
  removeImage(id: string): Promise<void>;
  /** A folder of the host with the image's files. */
  unpackImage(id: string): Promise<string>;
  close(): void;
}
