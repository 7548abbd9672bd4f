import { PassThrough, Readable } from "node:stream";
import { AddressPool } from "../../../lib/address-pool.ts";
import type { Clock } from "../../../lib/clock.ts";
import {
  type ContainerSpec,
  type ContainerState,
  type ContainerStats,
  type ImageInfo,
  type LinuxResources,
  NotFoundError,
  type PodNetwork,
  type PodState,
  type Runtime,
  type SandboxSpec,
  type SandboxState,
  type Session,
} from "../runtime.ts";

/** What a simulated container does, by what its spec says. */
export interface Behaviour {
  /** Ends with this code by itself after so many milliseconds; undefined: it goes on. */
  exit?: { after: number; code: number };
  /** What its log says. */
  log?: string;
  /** Millicores and bytes that it uses. */
  cpuMillis?: number;
  memoryBytes?: number;
}

/** What a simulated runtime is made from. */
export interface SimulatedOptions {
  clock: Clock;
  /** Decides what a container does. Default: the annotation-free one: `sleep`-like, but a command of `true`, `false` or `exit N` ends. */
  behaviour?: (spec: ContainerSpec) => Behaviour;
  /** Names of images that cannot be had. Default: none. */
  missingImage?: (reference: string) => boolean;
}

/** A runtime that tests can steer. */
export interface SimulatedRuntime extends Runtime {
  /** Ends a running container with that code. */
  exit(podUid: string, container: string, code: number): void;
}

/** Of their specs only the pod is kept: there may be hundreds of thousands. */
interface Sandbox {
  pod: PodState["pod"];
  state: SandboxState;
}

interface Simulated {
  pod: PodState["pod"];
  state: ContainerState;
  behaviour: Behaviour;
  cancel: (() => void) | undefined;
  sessions: Set<() => void> | undefined;
}

/** What belongs to a pod, by id. */
interface Owned {
  sandboxes: string[];
  containers: string[];
}

const zeros = Buffer.alloc(64, "0").toString();

/** Pods in memory only: they "run" at once, use what they request, and end when told. Costs nothing while nothing happens. */
export function createSimulatedRuntime(options: SimulatedOptions): SimulatedRuntime {
  return new Simulation(options);
}

class Simulation implements SimulatedRuntime {
  readonly usesHost = false;
  readonly network: PodNetwork = {
    setup: async (podCIDR) => {
      this.addresses ??= new AddressPool(podCIDR);
    },
  };
  private readonly options: SimulatedOptions;
  private readonly sandboxes = new Map<string, Sandbox>();
  private readonly containers = new Map<string, Simulated>();
  private readonly watchers = new Set<(uid: string | undefined) => void>();
  /** By pod uid: what belongs to it, so that a look at one pod does not walk over all. */
  private readonly byPod = new Map<string, Owned>();
  private addresses: AddressPool | undefined;
  private readonly pulled = new Map<string, ImageInfo>();
  private counter = 0;

  constructor(options: SimulatedOptions) {
    this.options = options;
  }

  async version(): Promise<string> {
    return "simulated://1";
  }

  async pods(): Promise<PodState[]> {
    return [...this.byPod.keys()].map((uid) => this.stateOf(uid));
  }

  async pod(uid: string): Promise<PodState> {
    return this.stateOf(uid);
  }

  private stateOf(uid: string): PodState {
    const owned = this.byPod.get(uid);
    const sandboxes = [...(owned?.sandboxes ?? [])].flatMap((id) => this.sandboxes.get(id) ?? []);
    const containers = [...(owned?.containers ?? [])].flatMap((id) => this.containers.get(id) ?? []);
    const pod = (sandboxes[0] ?? containers[0])?.pod ?? { uid, name: "", namespace: "" };
    return {
      pod,
      sandboxes: sandboxes.map((s) => s.state).sort((a, b) => b.attempt - a.attempt),
      containers: containers.map((c) => c.state).sort((a, b) => b.attempt - a.attempt),
    };
  }

  watch(changed: (uid: string | undefined) => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  private changed(uid: string): void {
    for (const watcher of this.watchers) watcher(uid);
  }

  private newId(): string {
    const digits = (++this.counter).toString(16);
    // Joined, it is one string; padStart would keep dozens of parts.
    return [zeros.slice(digits.length), digits].join("");
  }

  private owned(uid: string): Owned {
    let owned = this.byPod.get(uid);
    if (!owned) this.byPod.set(uid, (owned = { sandboxes: [], containers: [] }));
    return owned;
  }

  private own(uid: string, list: keyof Owned, id: string): void {
    const owned = this.owned(uid);
    owned[list] = owned[list].concat(id); // a pushed one would leave room for sixteen more
  }

  async createSandbox(spec: SandboxSpec): Promise<string> {
    const id = this.newId();
    const ip = spec.hostNetwork ? undefined : this.reserve();
    const state = { id, attempt: spec.attempt, running: true, createdAt: this.options.clock.now(), ip, pid: 1 };
    this.sandboxes.set(id, { pod: spec.pod, state });
    this.own(spec.pod.uid, "sandboxes", id);
    return id;
  }

  private reserve(): string {
    if (!this.addresses) throw new Error("the node's pod network is not ready");
    return this.addresses.reserve();
  }

  async stopSandbox(id: string): Promise<void> {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox?.state.running) return;
    if (sandbox.state.ip) this.addresses?.release(sandbox.state.ip);
    sandbox.state = { ...sandbox.state, running: false, ip: undefined, pid: 0 };
  }

  async removeSandbox(id: string): Promise<void> {
    await this.stopSandbox(id);
    const uid = this.sandboxes.get(id)?.pod.uid;
    this.sandboxes.delete(id);
    if (uid) this.forget(uid, "sandboxes", id);
  }

  private forget(uid: string, list: keyof Owned, id: string): void {
    const owned = this.owned(uid);
    owned[list] = owned[list].filter((other) => other !== id);
    if (owned.sandboxes.length + owned.containers.length === 0) this.byPod.delete(uid);
  }

  async createContainer(spec: ContainerSpec): Promise<string> {
    const id = this.newId();
    const behaviour = (this.options.behaviour ?? defaultBehaviour)(spec);
    const state: ContainerState = {
      id,
      name: spec.name,
      attempt: spec.attempt,
      specHash: spec.specHash,
      sandboxId: spec.sandboxId,
      state: "created",
      createdAt: this.options.clock.now(),
      startedAt: 0,
      finishedAt: 0,
      exitCode: 0,
      oomKilled: false,
      error: "",
      image: spec.image,
      imageId: `docker://${spec.imageId}`,
      resources: spec.resources,
      pid: 0,
      annotations: spec.annotations,
    };
    this.containers.set(id, { pod: spec.pod, state, behaviour, cancel: undefined, sessions: undefined });
    this.own(spec.pod.uid, "containers", id);
    return id;
  }

  private find(id: string): Simulated {
    const found = this.containers.get(id);
    if (!found) throw new NotFoundError(`No such container: ${id}`);
    return found;
  }

  async startContainer(id: string): Promise<void> {
    const c = this.find(id);
    c.state = { ...c.state, state: "running", startedAt: this.options.clock.now(), pid: 1 };
    const { exit } = c.behaviour;
    if (exit) c.cancel = this.options.clock.after(exit.after, () => this.end(c, exit.code));
  }

  private end(c: Simulated, exitCode: number): void {
    if (c.state.state !== "running") return;
    c.cancel?.();
    c.state = { ...c.state, state: "exited", finishedAt: this.options.clock.now(), exitCode, pid: 0 };
    for (const close of c.sessions ?? []) close();
    this.changed(c.pod.uid);
  }

  exit(podUid: string, container: string, code: number): void {
    for (const id of this.byPod.get(podUid)?.containers ?? []) {
      const c = this.containers.get(id);
      if (c?.state.name === container) this.end(c, code);
    }
  }

  async stopContainer(id: string): Promise<void> {
    const c = this.containers.get(id);
    if (c) this.end(c, 0);
  }

  async killContainer(id: string): Promise<void> {
    const c = this.containers.get(id);
    if (c) this.end(c, 137);
  }

  async removeContainer(id: string): Promise<void> {
    await this.killContainer(id);
    const uid = this.containers.get(id)?.pod.uid;
    this.containers.delete(id);
    if (uid) this.forget(uid, "containers", id);
  }

  async updateResources(id: string, resources: LinuxResources): Promise<void> {
    const c = this.find(id);
    c.state = { ...c.state, resources };
  }

  /** `echo` prints its arguments, `cat` gives stdin back, `exit N` and `false` fail; everything else succeeds without a word. */
  async exec(id: string, command: string[]): Promise<Session> {
    const c = this.find(id);
    const [program, ...args] = command;
    const stdin = new PassThrough();
    const stdout = program === "cat" ? stdin : Readable.from(program === "echo" ? [Buffer.from(`${args.join(" ")}\n`)] : []);
    const code = program === "false" ? 1 : program === "exit" ? Number(args[0] ?? 0) : 0;
    return session(c, stdin, stdout, code);
  }

  async attach(id: string): Promise<Session> {
    const c = this.find(id);
    const stdout = new PassThrough();
    const joined = session(c, new PassThrough(), stdout, 0);
    (c.sessions ??= new Set()).add(() => stdout.end());
    return joined;
  }

  async logs(id: string): Promise<Readable> {
    return Readable.from([Buffer.from(this.find(id).behaviour.log ?? "")]);
  }

  async stats(id: string): Promise<ContainerStats | undefined> {
    const c = this.containers.get(id);
    const at = this.options.clock.now();
    if (!c) return this.sandboxes.has(id) ? idle(at) : undefined;
    if (c.state.state !== "running") return undefined;
    const { cpuMillis = 1, memoryBytes = 8 * 1024 * 1024 } = c.behaviour;
    return {
      ...idle(at),
      cpuNanoseconds: (at - c.state.startedAt) * cpuMillis * 1000,
      memoryUsageBytes: memoryBytes,
      memoryWorkingSetBytes: memoryBytes,
      memoryRssBytes: memoryBytes,
    };
  }

  async dial(): Promise<never> {
    throw new Error("a simulated pod listens on no port");
  }

  async images(): Promise<ImageInfo[]> {
    return [...this.pulled.values()];
  }

  async image(reference: string): Promise<ImageInfo | undefined> {
    if (this.options.missingImage?.(reference)) return undefined;
    return {
      id: `sha256:${reference}`,
      names: [reference],
      statusId: `docker://${reference}`,
      hasRepoDigest: false,
      sizeBytes: 0,
      user: "",
    };
  }

  async pull(reference: string): Promise<void> {
    throw new Error(`pull access denied for ${reference}, repository does not exist or may require 'docker login'`);
  }

  async removeImage(id: string): Promise<void> {
    this.pulled.delete(id);
  }

  async unpackImage(): Promise<string> {
    return "";
  }

  close(): void {
    for (const c of this.containers.values()) c.cancel?.();
    this.watchers.clear();
  }
}

function session(c: Simulated, stdin: PassThrough, stdout: Readable, code: number): Session {
  const done = new Promise<number>((resolve) => {
    stdout.once("end", () => resolve(code));
    stdout.once("close", () => resolve(code));
  });
  const close = (): void => void stdout.destroy();
  (c.sessions ??= new Set()).add(close);
  done.finally(() => c.sessions?.delete(close));
  return { stdin, stdout, stderr: undefined, done, resize: async () => {}, close };
}

const lasting: Behaviour = {};

/** A container that lasts, unless its command says that it ends at once. */
function defaultBehaviour({ command, args }: ContainerSpec): Behaviour {
  const [program, argument] = [...command, ...args];
  if (program === "echo") return { exit: { after: 0, code: 0 }, log: `${[...command, ...args].slice(1).join(" ")}\n` };
  if (program === "true") return { exit: { after: 0, code: 0 } };
  if (program === "false") return { exit: { after: 0, code: 1 } };
  if (program === "exit") return { exit: { after: 0, code: Number(argument ?? 0) } };
  return lasting;
}

function idle(at: number): ContainerStats {
  const none = { cpuNanoseconds: 0, memoryUsageBytes: 0, memoryWorkingSetBytes: 0, memoryRssBytes: 0, pageFaults: 0, majorPageFaults: 0 };
  return { at, ...none, network: { rxBytes: 0, rxErrors: 0, txBytes: 0, txErrors: 0 } };
}
