import type { Readable } from "node:stream";
import type Docker from "dockerode";
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
import { calling, connect, engineError, idempotent, label, statusOf } from "./engine.ts";
import { watchEngine } from "./events.ts";
import { ensurePauseImage, findImage, listImages, pauseImage, pullImage, unpackImage } from "./images.ts";
import { attach, exec } from "./sessions.ts";
import { type Owner, containerOptions, engineResources, ownerLabels, sandboxOptions } from "./specs.ts";
import { containerState, podOf, sandboxState, unlimitedMemory } from "./states.ts";
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
  private readonly docker: Docker;
  private readonly owner: Owner;
  private readonly clock: Clock;
  private readonly closing = new AbortController();
  private pause: Promise<void> | undefined;
  /** The addresses of sandboxes, by their ids. */
  private readonly addressOf = new Map<string, string>();
  /** What an image is called in a container's status, by image id: a container must keep it after the image is gone. */
  private readonly statusIds = new Map<string, string>();

  constructor({ nodeName, dataDir, clock, socketPath, network }: DockerRuntimeOptions) {
    this.docker = connect(socketPath);
    this.owner = { nodeName, dataDir };
    this.clock = clock;
    this.network = network;
  }

  async version(): Promise<string> {
    return `docker://${(await calling(this.docker.version())).Version}`;
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
    const found = await calling(this.docker.listContainers({ all: true, filters: { label: [...mine, ...labels] } }));
    const pods = new Map<string, PodState>();
    const infos = await Promise.all(found.filter((c) => c.Labels[label.podUid]).map((c) => this.inspect(c.Id)));
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

  private async inspect(id: string): Promise<Docker.ContainerInspectInfo | undefined> {
    try {
      return await this.docker.getContainer(id).inspect();
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw engineError(error);
    }
  }

  private async statusId(image: string): Promise<string> {
    let id = this.statusIds.get(image);
    if (!id) this.statusIds.set(image, (id = (await findImage(this.docker, image))?.statusId ?? `docker://${image}`));
    return id;
  }

  watch(changed: (uid: string | undefined) => void): () => void {
    return watchEngine(this.docker, this.owner, this.clock, changed);
  }

  async createSandbox(spec: SandboxSpec): Promise<string> {
    this.pause ??= ensurePauseImage(this.docker);
    await this.pause.catch((error) => {
      this.pause = undefined;
      throw engineError(error);
    });
    const ip = spec.hostNetwork ? "" : this.network.reserve();
    let container: Docker.Container | undefined;
    try {
      container = await this.create(sandboxOptions(spec, this.owner, { image: pauseImage, ip }));
      await calling(container.start());
      if (ip) await this.network.attach(ip, (await calling(container.inspect())).State.Pid);
    } catch (error) {
      await idempotent(container?.remove({ force: true }) ?? Promise.resolve());
      if (ip) this.network.release(ip);
      throw error;
    }
    return container.id;
  }

  /** A sandbox that was left between its start and its joining of the network does not count as running: it is made anew. */
  private sandboxOf(info: Docker.ContainerInspectInfo): SandboxState {
    const state = sandboxState(info);
    if (!state.ip) return state;
    this.network.take(state.ip);
    this.addressOf.set(state.id, state.ip);
    return state.running && this.network.isAttached(state.ip) ? state : { ...state, running: false, ip: undefined };
  }

  /** A name is taken when an earlier create went through without hue hearing of it: what has it was never started, and is removed. */
  private async create(options: Docker.ContainerCreateOptions & { name: string }): Promise<Docker.Container> {
    try {
      return await this.docker.createContainer(options);
    } catch (error) {
      if (statusOf(error) === 404 && options.Image === pauseImage) this.pause = undefined; // someone has removed it
      if (statusOf(error) !== 409) throw engineError(error);
      await idempotent(this.docker.getContainer(options.name).remove({ force: true }));
      return calling(this.docker.createContainer(options));
    }
  }

  async stopSandbox(id: string): Promise<void> {
    await idempotent(this.docker.getContainer(id).stop({ t: 2 }));
  }

  async removeSandbox(id: string): Promise<void> {
    await this.removeContainer(id);
    const ip = this.addressOf.get(id);
    this.addressOf.delete(id);
    if (ip) this.network.release(ip);
  }

  async createContainer(spec: ContainerSpec): Promise<string> {
    return (await this.create(containerOptions(spec, this.owner))).id;
  }

  async startContainer(id: string): Promise<void> {
    await calling(this.docker.getContainer(id).start());
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    if (graceSeconds <= 0) return this.killContainer(id);
    await idempotent(this.docker.getContainer(id).stop({ t: Math.ceil(graceSeconds) }));
  }

  async killContainer(id: string): Promise<void> {
    await idempotent(this.docker.getContainer(id).kill({ signal: "SIGKILL" }));
  }

  async removeContainer(id: string): Promise<void> {
    await idempotent(this.docker.getContainer(id).remove({ force: true, v: true }));
  }

  async updateResources(id: string, resources: LinuxResources): Promise<void> {
    const r = engineResources(resources);
    // 0 would mean "leave it". A quota is taken away by -1; a memory limit cannot be, but there may be so much that it is none.
    const unlimited = {
      CpuQuota: r["CpuQuota"] || -1,
      Memory: r["Memory"] || unlimitedMemory,
      MemorySwap: r["MemorySwap"] || unlimitedMemory,
    };
    await calling(this.docker.getContainer(id).update({ ...r, ...unlimited }));
  }

  exec: Runtime["exec"] = (id, command, options) => exec(this.docker, id, command, options);
  attach: Runtime["attach"] = (id, options) => attach(this.docker, id, options);
  stats: Runtime["stats"] = (id) => readStats(this.docker, id, this.clock.now());
  dial: Runtime["dial"] = dialPod;

  async logs(id: string, { follow, tail, since, timestamps, signal }: LogOptions): Promise<Readable> {
    const info = await this.inspect(id);
    if (!info) throw new NotFoundError(`No such container: ${id}`);
    const query = {
      ...{ stdout: true, stderr: true, follow, timestamps },
      ...(tail === undefined ? {} : { tail: String(tail) }),
      ...(since === undefined ? {} : { since: since / 1000 }),
    };
    const stream = await this.stream(`/containers/${id}/logs?`, query, signal);
    return info.Config.Tty ? stream : stream.pipe(withoutHeaders());
  }

  /** A reply as a stream: dockerode collects a log that is not followed, and it may be 50 MB. */
  private stream(path: string, query: object, signal: AbortSignal = this.closing.signal): Promise<Readable> {
    const statusCodes = { 200: true, 101: true, 404: "no such container", 500: "server error" };
    return new Promise((resolve, reject) => {
      const options = { path, options: query, method: "GET", isStream: true, abortSignal: signal, statusCodes };
      this.docker.modem.dial(options, (error: unknown, reply: unknown) => {
        if (error) reject(engineError(error));
        else resolve(reply as Readable); // isStream gives the reply itself
      });
    });
  }

  images: Runtime["images"] = () => listImages(this.docker);
  image: Runtime["image"] = (reference) => findImage(this.docker, reference);

  async pull(...[reference, credentials, signal]: Parameters<Runtime["pull"]>): Promise<void> {
    await pullImage(this.docker, reference, credentials, signal);
    this.statusIds.clear();
  }

  async removeImage(id: string): Promise<void> {
    await idempotent(this.docker.getImage(id).remove());
    this.statusIds.delete(id);
  }

  unpackImage: Runtime["unpackImage"] = (id) => unpackImage(this.docker, this.owner, id);

  close(): void {
    this.closing.abort();
  }
}
