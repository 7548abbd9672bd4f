import type { Node, Pod, Service } from "../api/types/core.v1.ts";
import type { Client } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { ImagePuller } from "./images/image-puller.ts";
import type { ResolvConf } from "./pods/resolv-conf.ts";
import type { Backoff } from "./pods/backoff.ts";
import type { NodeFacts } from "./pods/fields.ts";
import type { ProbeManager } from "./probes/probe-manager.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { ReferencedObjects } from "./volumes/objects.ts";
import type { VolumeManager } from "./volumes/volume-manager.ts";

/** What the parts of one kubelet share. */
export interface KubeletContext {
  client: Client;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  runtime: Runtime;
  nodeName: string;
  dataDir: string;
  clusterDNS: readonly string[];
  clusterDomain: string;
  /** Bytes of memory that the node has. */
  memoryCapacity: number;
  /** Whether the machine can keep to AppArmor profiles; simulated ones can. */
  hasAppArmor(): boolean;
  hostIPs(): readonly string[];
  /** The node's own resolv.conf. */
  hostResolvConf(): Promise<ResolvConf>;
  /** The node's object, once registered. */
  node(): Node | undefined;
  /** Whether the pod network is made. */
  networkReady(): boolean;
  /** The other pods that the node's room is given to. */
  neighbours(pod: Pod): Pod[];
  /** Services whose variables a pod gets. */
  servicesFor(pod: Pod): Service[];
  objects: ReferencedObjects;
  volumes: VolumeManager;
  images: ImagePuller;
  probes: ProbeManager;
  backoff: Backoff;
}

/** The node's part of the downward API, for a pod with those addresses. */
export function nodeFacts(context: KubeletContext, pod: Pod, podIP: string | undefined): NodeFacts {
  const hostIPs = context.hostIPs();
  const own = pod.spec.hostNetwork ? hostIPs : podIP ? [podIP] : [];
  return { nodeName: context.nodeName, hostIPs, podIPs: own, allocatable: context.node()?.status.allocatable ?? {} };
}
