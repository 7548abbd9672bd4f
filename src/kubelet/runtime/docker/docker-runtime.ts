import type { Readable } from "node:stream";
import type { Clock } from "../../../lib/clock.ts";
import type {
  ContainerSpec,
  HostPodNetwork,
  LinuxResources,
  LogOptions,
  PodState,
  Runtime,
  SandboxSpec,
  SandboxState,
} from "../runtime.ts";
import { NotFoundError } from "../runtime.ts";
import { dialPod } from "./dial.ts";
import { Engine, EngineError, idempotent, ifFound, label } from "./engine.ts";
import { watchEngine } from "./events.ts";
import { ensurePauseImage, findImage, listImages, pauseImage, pullImage, unpackImage } from "./images.ts";
import { attach, exec, type ExecEnds } from "./sessions.ts";
import { type NewContainer, type Owner, containerOptions, engineResources, ownerLabels, sandboxOptions } from "./specs.ts";
import { type EngineContainer, containerState, podOf, sandboxState, unlimitedMemory } from "./states.ts";
import { readStats } from "./stats.ts";
import { withoutHeaders } from "./streams.ts";

/** What a runtime on Docker needs to know. */
export interface DockerRuntimeOptions extends Owner {
  clock: Clock;
  /** The network of the node's pods. */
  network: HostPodNetwork;
  /** Default: DOCKER_HOST, else /var/run/docker.sock. */
  socketPath?: string;
}

/** A runtime on a Docker Engine (20.10 or later), which several nodes and clusters may share. */
export function createDockerRuntime(options: DockerRuntimeOptions): Runtime {
  return new DockerRuntime(options);
}

class DockerRuntime implements Runtime {
  readonly usesHost = true;
  readonly network: HostPodNetwork;
  private readonly engine: Engine;
  private readonly owner: Owner;
  private readonly clock: Clock;
  private readonly closing = new AbortController();
  private readonly execEnds: ExecEnds = new Map();
  private pause: Promise<void> | undefined;
  /** The addresses of sandboxes, by their ids. */
  private readonly addressOf = new Map<string, string>();
  /** What an image is called in a container's status, by image id: a container must keep it after the image is gone. */
  private readonly statusIds = new Map<string, string>();

  constructor({ nodeName, dataDir, clock, socketPath, network }: DockerRuntimeOptions) {
    this.engine = new Engine(socketPath);
    this.owner = { nodeName, dataDir };
    this.clock = clock;
    this.network = network;
  }

  async version(): Promise<string> {
    return `docker://${(await this.engine.call<{ Version: string }>("GET", "/version")).Version}`;
  }

  pods(): Promise<PodState[]> {
    return this.list([]);
  }

  async pod(uid: string): Promise<PodState> {
    const [found] = await this.list([`${label.podUid}=${uid}`]);
    return found ?? { pod: { uid, name: "", namespace: "" }, sandboxes: [], containers: [] };
  }

  private async list(labels: string[]): Promise<PodState[]> {
    const mine = Object.entries(ownerLabels(this.owner)).map(([k, v]) => `${k}=${v}`);
    const query = { all: true, filters: { label: [...mine, ...labels] } };
    const found = await this.engine.call<{ Id: string; Labels: Record<string, string> }[]>("GET", "/containers/json", { query });
    const pods = new Map<string, PodState>();
    const infos = await Promise.all(found.filter((c) => c.Labels[label.podUid]).map((c) => ifFound(this.inspect(c.Id))));
    for (const info of infos) {
      if (!info) continue;
      const pod = podOf(info.Config.Labels);
      let state = pods.get(pod.uid);
      if (!state) pods.set(pod.uid, (state = { pod, sandboxes: [], containers: [] }));
      if (info.Config.Labels[label.kind] === "sandbox") state.sandboxes.push(this.sandboxOf(info));
      else state.containers.push(containerState(info, await this.statusId(info.Image)));
    }
    for (const state of pods.values()) {
      state.sandboxes.sort((a, b) => b.attempt - a.attempt);
      state.containers.sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt);
    }
    return [...pods.values()];
  }

  private inspect(id: string): Promise<EngineContainer> {
    return this.engine.call("GET", `/containers/${id}/json`);
  }

  private async statusId(image: string): Promise<string> {
    let id = this.statusIds.get(image);
    if (!id) this.statusIds.set(image, (id = (await findImage(this.engine, image))?.statusId ?? `docker://${image}`));
    return id;
  }

  watch(changed: (uid: string | undefined) => void): () => void {
    const execEnded = (id: string, exitCode: number): void => this.execEnds.get(id)?.(exitCode);
    return watchEngine(this.engine, this.owner, this.clock, { changed, execEnded });
  }

  async createSandbox(spec: SandboxSpec): Promise<string> {
    this.pause ??= ensurePauseImage(this.engine);
    await this.pause.catch((error) => {
      this.pause = undefined;
      throw error;
    });
    const ip = spec.hostNetwork ? "" : this.network.reserve();
    let id: string | undefined;
    try {
      id = await this.create(sandboxOptions(spec, this.owner, { image: pauseImage, ip }));
      await this.startContainer(id);
      if (ip) await this.network.attach(`${spec.pod.namespace}/${spec.pod.name}`, ip, (await this.inspect(id)).State.Pid);
      return id;
    } catch (error) {
      if (id) await this.remove(id, {});
      if (ip) this.network.release(ip);
      throw error;
    }
  }

  /** A sandbox that was left between its start and its joining of the network does not count as running: it is made anew. */
  private sandboxOf(info: EngineContainer): SandboxState {
    const state = sandboxState(info);
    if (!state.ip) return state;
    this.network.take(state.ip);
    this.addressOf.set(state.id, state.ip);
    return state.running && this.network.isAttached(state.ip) ? state : { ...state, running: false, ip: undefined };
  }

  /** A name is taken when an earlier create went through without hue hearing of it: what has it was never started, and is removed. */
  private async create({ name, ...body }: NewContainer): Promise<string> {
    const attempt = async (): Promise<string> =>
      (await this.engine.call<{ Id: string }>("POST", "/containers/create", { query: { name }, body })).Id;
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof NotFoundError && body.Image === pauseImage) this.pause = undefined; // someone has removed it
      if (!(error instanceof EngineError) || error.status !== 409) throw error;
      await this.remove(name, {});
      return attempt();
    }
  }

  private remove(id: string, query: object): Promise<void> {
    return idempotent(this.engine.call("DELETE", `/containers/${id}`, { query: { force: true, ...query } }));
  }

  async stopSandbox(id: string): Promise<void> {
    await this.stopContainer(id, 2);
  }

  async removeSandbox(id: string): Promise<void> {
    await this.removeContainer(id);
    const ip = this.addressOf.get(id);
    this.addressOf.delete(id);
    if (ip) this.network.release(ip);
  }

  async createContainer(spec: ContainerSpec): Promise<string> {
    return this.create(containerOptions(spec, this.owner));
  }

  async startContainer(id: string): Promise<void> {
    await this.engine.call("POST", `/containers/${id}/start`);
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    if (graceSeconds <= 0) return this.killContainer(id);
    await idempotent(this.engine.call("POST", `/containers/${id}/stop`, { query: { t: Math.ceil(graceSeconds) } }));
  }

  async killContainer(id: string): Promise<void> {
    await idempotent(this.engine.call("POST", `/containers/${id}/kill`, { query: { signal: "SIGKILL" } }));
  }

  async removeContainer(id: string): Promise<void> {
    await this.remove(id, { v: true });
  }

  async updateResources(id: string, resources: LinuxResources): Promise<void> {
    const r = engineResources(resources);
    // 0 would mean "leave it". A quota is taken away by -1; a memory limit cannot be, but there may be so much that it is none.
    const unlimited = {
      CpuQuota: r["CpuQuota"] || -1,
      Memory: r["Memory"] || unlimitedMemory,
      MemorySwap: r["MemorySwap"] || unlimitedMemory,
    };
    await this.engine.call("POST", `/containers/${id}/update`, { body: { ...r, ...unlimited } });
  }

  exec: Runtime["exec"] = (id, command, options) => exec(this.engine, this.execEnds, { id, command, options });
  attach: Runtime["attach"] = (id, options) => attach(this.engine, id, options);
  stats: Runtime["stats"] = (id) => readStats(this.engine, id, this.clock.now());
  dial: Runtime["dial"] = dialPod;

  async logs(id: string, { follow, tail, since, timestamps, signal }: LogOptions): Promise<Readable> {
    const info = await this.inspect(id);
    const query = { stdout: true, stderr: true, follow, timestamps, tail, since: since === undefined ? undefined : since / 1000 };
    const stream = await this.engine.stream("GET", `/containers/${id}/logs`, { query, signal: signal ?? this.closing.signal });
    return info.Config.Tty ? stream : stream.pipe(withoutHeaders());
  }

  images: Runtime["images"] = () => listImages(this.engine);
  image: Runtime["image"] = (reference) => findImage(this.engine, reference);

  async pull(...[reference, credentials, signal]: Parameters<Runtime["pull"]>): Promise<void> {
    await pullImage(this.engine, reference, credentials, signal);
    this.statusIds.clear();
  }

  async removeImage(id: string): Promise<void> {
    await idempotent(this.engine.call("DELETE", `/images/${id}`));
    this.statusIds.delete(id);
  }

  unpackImage: Runtime["unpackImage"] = (id) => unpackImage(this.engine, this.owner, id);

  close(): void {
    this.closing.abort();
    this.engine.close();
  }
}
