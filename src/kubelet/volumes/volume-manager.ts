import { chmod, chown, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { value } from "../../api/meta/quantity.ts";
import type { Pod, Volume } from "../../api/types/core.v1.ts";
import { ConfigMaps, Secrets } from "../../api/types/resources.ts";
import type { Client } from "../../client/client.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { podContainers } from "../pods/containers.ts";
import type { NodeFacts } from "../pods/fields.ts";
import { type Payload, samePayload, writeAtomically } from "./atomic-writer.ts";
import { claimFolder } from "./claims.ts";
import type { HostMounts } from "./host-mounts.ts";
import { checkHostPath } from "./host-path.ts";
import type { ReferencedObjects } from "./objects.ts";
import { giveToGroup } from "./ownership.ts";
import { VolumeError, volumePayload } from "./payload.ts";
import { resolveSubPath } from "./sub-path.ts";
import type { PodTokens } from "./tokens.ts";

/** A volume that is ready for containers. */
export interface MountedVolume {
  /** On the host. */
  path: string;
  readOnly: boolean;
}

/** What the volumes of a node are made with. */
export interface VolumeEnvironment {
  client: Client;
  clock: Clock;
  log: Logger;
  dataDir: string;
  objects: ReferencedObjects;
  tokens: PodTokens;
  mounts: HostMounts;
  /** The folder with an image's files, pulled when needed. */
  imageFolder(pod: Pod, volume: NonNullable<Volume["image"]>, signal: AbortSignal): Promise<string>;
}

/** The folder that a pod's files are in. */
export function podFolder(dataDir: string, uid: string): string {
  return join(dataDir, "pods", uid);
}

/** The node's folder for what must not come to a disk, a file system in memory: Secrets, tokens, and what else upstream keeps so. */
export function memoryFolder(dataDir: string): string {
  return join(dataDir, "memory");
}

const keptInMemory = new Set(["secret", "projected", "downward-api"]);

/** Makes the pods' volumes, keeps them current, and takes them away. */
export class VolumeManager {
  private readonly env: VolumeEnvironment;
  /** By pod uid and volume: those that need no second look, and the files of those that do. */
  private readonly done = new Map<string, Map<string, { volume: MountedVolume; payload: Payload | undefined }>>();
  private memory: Promise<string> | undefined;

  constructor(env: VolumeEnvironment) {
    this.env = env;
  }

  /**
   * Makes the volumes that the pod's containers use, or brings them up to date; cheap when nothing has changed. Throws a VolumeError
   * that names the volume which cannot be made.
   */
  async mount(pod: Pod, node: NodeFacts, signal: AbortSignal): Promise<Map<string, MountedVolume>> {
    const { uid } = pod.metadata;
    let done = this.done.get(uid);
    if (!done) this.done.set(uid, (done = new Map()));
    const used = usedVolumes(pod);
    const result = new Map<string, MountedVolume>();
    for (const volume of pod.spec.volumes ?? []) {
      if (!used.has(volume.name)) continue;
      try {
        const ready = await this.mountOne(pod, volume, node, done.get(volume.name), signal);
        done.set(volume.name, ready);
        result.set(volume.name, ready.volume);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${text}`);
      }
    }
    return result;
  }

  private async mountOne(
    pod: Pod,
    volume: Volume,
    node: NodeFacts,
    before: { volume: MountedVolume; payload: Payload | undefined } | undefined,
    signal: AbortSignal,
  ): Promise<{ volume: MountedVolume; payload: Payload | undefined }> {
    const kind = kindOf(volume);
    if (before && before.payload === undefined) return before;
    if (kind === "empty-dir") return { volume: { path: await this.emptyDir(pod, volume), readOnly: false }, payload: undefined };
    if (volume.hostPath) return { volume: { path: await checkHostPath(volume.hostPath), readOnly: false }, payload: undefined };
    if (volume.image)
      return { volume: { path: await this.env.imageFolder(pod, volume.image, signal), readOnly: true }, payload: undefined };
    if (volume.persistentVolumeClaim || volume.ephemeral) return { volume: await this.claim(pod, volume), payload: undefined };
    const payload = await volumePayload(pod, volume, this.sources(pod, node));
    if (!payload) throw new VolumeError("this kind of volume is not supported by this node");
    if (before?.payload && samePayload(before.payload, payload)) return before;
    const path = keptInMemory.has(kind)
      ? join(await (this.memory ??= this.mountMemory()), pod.metadata.uid, kind, volume.name)
      : this.folder(pod, kind, volume.name);
    await mkdir(path, { recursive: true, mode: 0o755 });
    const group = pod.spec.securityContext?.fsGroup;
    await chmod(path, group === undefined ? 0o755 : 0o2775);
    if (group !== undefined) await chown(path, 0, group);
    if (!before?.payload && (await isCurrent(path, payload))) return { volume: { path, readOnly: true }, payload };
    await writeAtomically(path, payload, group, this.env.clock.now());
    return { volume: { path, readOnly: true }, payload };
  }

  /** Mounted once for all pods: a mount of its own for each would cost every pod's start. */
  private async mountMemory(): Promise<string> {
    const { dataDir, log, mounts } = this.env;
    const folder = memoryFolder(dataDir);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await mounts
      .mountMemory(folder, 0)
      .catch((error: unknown) =>
        log.warn({ folder, error: String(error) }, "no file system in memory can be mounted: Secrets of pods come to the disk"),
      );
    return folder;
  }

  private folder(pod: Pod, kind: string, name: string): string {
    return join(podFolder(this.env.dataDir, pod.metadata.uid), "volumes", `kubernetes.io~${kind}`, name);
  }

  private async emptyDir(pod: Pod, volume: Volume): Promise<string> {
    const path = this.folder(pod, "empty-dir", volume.name);
    await mkdir(path, { recursive: true });
    const { medium = "", sizeLimit } = volume.emptyDir ?? {};
    if (medium === "Memory") await this.env.mounts.mountMemory(path, sizeLimit ? value(sizeLimit) : 0);
    const group = pod.spec.securityContext?.fsGroup;
    if (group !== undefined) await chown(path, 0, group);
    await chmod(path, group === undefined ? 0o777 : 0o3777); // explicitly: the umask would take rights away
    return path;
  }

  private async claim(pod: Pod, volume: Volume): Promise<MountedVolume> {
    const name = volume.persistentVolumeClaim?.claimName ?? `${pod.metadata.name}-${volume.name}`;
    const { path, readOnly } = await claimFolder(this.env.client, pod, name, this.env.dataDir);
    const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
    if (fsGroup !== undefined && !readOnly) await giveToGroup(path, fsGroup, fsGroupChangePolicy === "OnRootMismatch");
    return { path, readOnly: readOnly || (volume.persistentVolumeClaim?.readOnly ?? false) };
  }

  private sources(pod: Pod, node: NodeFacts): Parameters<typeof volumePayload>[2] {
    const { objects, tokens } = this.env;
    const { namespace, uid } = pod.metadata;
    return {
      node,
      configMap: (name) => objects.get(ConfigMaps, namespace, name, uid),
      secret: (name) => objects.get(Secrets, namespace, name, uid),
      token: (audience, seconds) => tokens.get(pod, audience, seconds),
    };
  }

  /** A subPath of a mounted volume, on the host. */
  subPath(volume: MountedVolume, subPath: string): Promise<string> {
    return resolveSubPath(volume.path, subPath, volume.readOnly);
  }

  /** When a file of the pod's volumes wants renewing by itself (a token), in milliseconds since 1970. */
  nextRefresh(uid: string): number | undefined {
    return this.env.tokens.nextRenewal(uid);
  }

  /** Takes all volumes of a pod away and removes its folder. Repeatable; claims' folders stay. */
  async unmount(uid: string): Promise<void> {
    this.done.delete(uid);
    this.env.objects.release(uid);
    this.env.tokens.forget(uid);
    const folder = podFolder(this.env.dataDir, uid);
    await this.env.mounts.unmountBelow(folder);
    await rm(folder, { recursive: true, force: true });
    await rm(join(memoryFolder(this.env.dataDir), uid), { recursive: true, force: true });
  }

  /** At the end: a node without pods leaves no mount behind. */
  async close(): Promise<void> {
    const folder = memoryFolder(this.env.dataDir);
    const left = await readdir(folder).catch(() => undefined);
    if (left?.length === 0) await this.env.mounts.unmountBelow(folder);
  }
}

/** The volumes that a container mounts or reads variables from; others are not made. */
function usedVolumes(pod: Pod): Set<string> {
  const names = new Set<string>();
  for (const { container } of podContainers(pod)) {
    for (const mount of container.volumeMounts ?? []) names.add(mount.name);
    for (const variable of container.env ?? []) if (variable.valueFrom?.fileKeyRef) names.add(variable.valueFrom.fileKeyRef.volumeName);
  }
  return names;
}

/** As upstream names the folders of a volume's kind. */
function kindOf(volume: Volume): string {
  if (volume.configMap) return "configmap";
  if (volume.secret) return "secret";
  if (volume.downwardAPI) return "downward-api";
  if (volume.projected) return "projected";
  const source = Object.keys(volume).find((key) => key !== "name");
  return source === undefined || source === "emptyDir" ? "empty-dir" : source;
}

/** After a restart of hue: whether the folder holds those files already, so that nothing is swapped under running programs. */
async function isCurrent(folder: string, payload: Payload): Promise<boolean> {
  for (const [path, { data }] of payload) {
    const found = await readFile(join(folder, path)).catch(() => undefined);
    if (!found?.equals(data)) return false;
  }
  return payload.size > 0;
}
