import { readFile } from "node:fs/promises";
import { mkdir } from "node:fs/promises";
import { totalmem } from "node:os";
import type { Node, Pod, Service, Taint } from "../api/types/core.v1.ts";
import { Nodes, Pods, Services } from "../api/types/resources.ts";
import type { Cache, Caches } from "../client/cache.ts";
import type { Client } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { KubeletContext } from "./context.ts";
import { ImageCollector } from "./images/image-collector.ts";
import { ImagePuller } from "./images/image-puller.ts";
import { parseResolvConf } from "./pods/resolv-conf.ts";
import { hasAppArmor } from "./node/machine.ts";
import { NodeRegistration } from "./node/node-registration.ts";
import { Backoff } from "./pods/backoff.ts";
import { PodManager } from "./pods/pod-manager.ts";
import { followStaticPods } from "./pods/static-pods.ts";
import { ProbeManager } from "./probes/probe-manager.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { KubeletServer, type ServingOptions } from "./server/kubelet-server.ts";
import { linuxMounts } from "./volumes/host-mounts.ts";
import { ReferencedObjects } from "./volumes/objects.ts";
import { PodTokens } from "./volumes/tokens.ts";
import { VolumeManager } from "./volumes/volume-manager.ts";

/** What a kubelet is made from. */
export interface KubeletOptions {
  client: Client;
  caches: Caches;
  events: EventRecorder;
  clock: Clock;
  log: Logger;
  nodeName: string;
  /** The address under which the node is reached. */
  nodeIP: string;
  /** Pods' files are in its folder "pods". */
  dataDir: string;
  runtime: Runtime;
  /** Beside those of every node; the role labels among them. */
  nodeLabels?: Readonly<Record<string, string>>;
  nodeTaints?: readonly Taint[];
  clusterDNS?: readonly string[];
  /** Default "cluster.local". */
  clusterDomain?: string;
  /** The HTTPS server for logs, exec and the rest; left out: none. */
  serving?: ServingOptions;
  /** A folder of manifests of static pods. */
  staticPodPath?: string;
  /** Instead of what the machine has. */
  capacity?: Readonly<Record<string, string>>;
}

/** The agent of one node. */
export interface Kubelet {
  /** Resolves when the node is registered and its server listens; it becomes Ready when it has its podCIDR. */
  start(): Promise<void>;
  /** Stops working; containers go on. */
  stop(): Promise<void>;
  /** Its server shows that certificate (PEM) from now on. */
  renew(key: string, certificate: string): void;
  /** The port of its server, 0 before it listens. */
  readonly port: number;
}

/** Builds a kubelet; nothing happens before start(). */
export function createKubelet(options: KubeletOptions): Kubelet {
  return new NodeAgent(options);
}

class NodeAgent implements Kubelet {
  private readonly options: KubeletOptions;
  private readonly nodes: Cache<Node>;
  private readonly services: Cache<Service>;
  private readonly pods: Cache<Pod>;
  private readonly context: KubeletContext;
  private readonly manager: PodManager;
  private readonly registration: NodeRegistration;
  private readonly server: KubeletServer | undefined;
  private readonly collector: ImageCollector;
  private networkReady = false;
  private makingNetwork = false;
  private readonly ends: (() => void)[] = [];
  private stopped = false;

  constructor(options: KubeletOptions) {
    this.options = options;
    const { caches, nodeName, client, clock, log, runtime } = options;
    this.nodes = caches.of(Nodes, { fieldSelector: `metadata.name=${nodeName}` });
    this.pods = caches.of(Pods, { fieldSelector: `spec.nodeName=${nodeName}` });
    this.services = caches.of(Services);
    this.context = this.makeContext();
    this.manager = new PodManager(this.context, this.pods);
    this.server =
      options.serving &&
      new KubeletServer(options.serving, {
        ...this.context,
        findPod: (ns, n) => this.manager.find(ns, n),
        pods: () => this.manager.pods(),
      });
    this.collector = new ImageCollector({ clock, log, runtime, dataDir: options.dataDir });
    this.registration = new NodeRegistration({
      ...{ client, clock, log, runtime, nodeName },
      nodeIP: options.nodeIP,
      dataDir: options.dataDir,
      labels: options.nodeLabels ?? {},
      taints: options.nodeTaints ?? [],
      ...(options.capacity ? { capacity: options.capacity } : {}),
      port: () => this.port,
      node: () => this.nodes.get(undefined, nodeName),
    });
  }

  private makeContext(): KubeletContext {
    const {
      client,
      clock,
      log,
      events,
      runtime,
      nodeName,
      dataDir,
      nodeIP,
      clusterDomain = "cluster.local",
      clusterDNS = [],
    } = this.options;
    const wake = (uid: string): void => this.manager.wake(uid);
    const objects = new ReferencedObjects(client.transport, clock, wake);
    const images = new ImagePuller(runtime, clock, () => this.imagesChanged());
    const tokens = new PodTokens(client, clock);
    const imageFolder: ConstructorParameters<typeof VolumeManager>[0]["imageFolder"] = async (
      pod,
      { reference = "", pullPolicy },
      signal,
    ) => {
      const wish = { image: reference, policy: pullPolicy ?? "IfNotPresent" };
      const image = await images.ensure(
        pod,
        wish,
        async () => undefined,
        (...event) => events.event(pod, ...event),
        signal,
      );
      return runtime.unpackImage(image.id);
    };
    return {
      ...{ client, clock, log, events, runtime, nodeName, dataDir, clusterDNS, clusterDomain, objects, images },
      memoryCapacity: totalmem(),
      hasAppArmor: () => !runtime.usesHost || hasAppArmor(),
      hostIPs: () => [nodeIP],
      hostResolvConf: async () => parseResolvConf(await readFile("/etc/resolv.conf", "utf8").catch(() => "")),
      node: () => this.nodes.get(undefined, nodeName),
      networkReady: () => this.networkReady,
      neighbours: (pod) => this.manager.neighbours(pod),
      servicesFor: (pod) => {
        const own = this.services.list(pod.metadata.namespace);
        const kubernetes = this.services.get("default", "kubernetes");
        return kubernetes && pod.metadata.namespace !== "default"
          ? [...own.filter((s) => s.metadata.name !== "kubernetes"), kubernetes]
          : own;
      },
      volumes: new VolumeManager({ client, clock, log, dataDir, objects, tokens, mounts: linuxMounts, imageFolder }),
      probes: new ProbeManager(runtime, clock, events, wake),
      backoff: new Backoff(),
    };
  }

  renew(key: string, certificate: string): void {
    this.server?.renew(key, certificate);
  }

  get port(): number {
    return this.server?.port ?? 0;
  }

  async start(): Promise<void> {
    const { runtime, dataDir, staticPodPath, clock, log, nodeName } = this.options;
    if (runtime.usesHost) await mkdir(dataDir, { recursive: true });
    await this.server?.start();
    await this.registration.start();
    await Promise.all([this.nodes.synced, this.pods.synced, this.services.synced]);
    if (this.stopped) return;
    this.ends.push(this.nodes.onChange(({ object }) => void this.nodeChanged(object)));
    this.manager.start(await runtime.pods());
    this.ends.push(
      runtime.watch((uid) => {
        this.manager.runtimeChanged(uid);
        if (uid === undefined) void this.checkRuntime();
      }),
    );
    if (staticPodPath)
      this.ends.push(followStaticPods({ folder: staticPodPath, nodeName, clock, log, changed: (pods) => this.manager.setStatics(pods) }));
    this.collector.start(() => this.manager.pods());
  }

  /** The node gets its address range from the control plane: then its network can be made. */
  private async nodeChanged(node: Node | undefined): Promise<void> {
    if (!node) return void this.registration.update();
    const { podCIDR } = node.spec;
    if (!podCIDR || this.networkReady || this.stopped || this.makingNetwork) return;
    this.makingNetwork = true;
    try {
      await this.options.runtime.network.setup(podCIDR);
      this.networkReady = true;
      this.registration.notReady = undefined;
      this.manager.runtimeChanged(undefined);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.registration.notReady = `container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:${message}`;
      this.options.log.error({ node: node.metadata.name, error: message }, "the pod network cannot be made");
      this.ends.push(this.options.clock.after(5000, () => void this.nodeChanged(this.context.node())));
    } finally {
      this.makingNetwork = false;
    }
    await this.registration.update();
  }

  /** The connection to the runtime broke or is back. */
  private async checkRuntime(): Promise<void> {
    if (!this.networkReady) return;
    try {
      await this.options.runtime.version();
      this.registration.notReady = undefined;
    } catch (error) {
      this.registration.notReady = `container runtime is down: ${error instanceof Error ? error.message : error}`;
    }
    if (!this.stopped) await this.registration.update();
  }

  private imagesChanged(): void {
    void this.registration.update();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const end of this.ends) end();
    this.registration.stop();
    this.manager.stop();
    this.collector.stop();
    this.context.probes.stop();
    this.context.objects.stop();
    await this.server?.stop();
    if (this.options.runtime.usesHost) await this.context.volumes.close();
    this.options.runtime.close();
  }
}
