import type {
  Namespace,
  Node,
  NodeSpec,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodSpec,
  Service,
} from "../../../src/api/types/core.v1.ts";
import type { LabelSelector } from "../../../src/api/types/meta.v1.ts";
import type { PodDisruptionBudget } from "../../../src/api/types/policy.v1.ts";
import type { StorageClass } from "../../../src/api/types/storage.v1.ts";
import type { Lookups } from "../../../src/scheduler/framework.ts";
import { unavailable, withPreemption } from "../../../src/scheduler/messages.ts";
import { podInfo } from "../../../src/scheduler/pod-info.ts";
import { plugins } from "../../../src/scheduler/plugins/list.ts";
import { type Preemption, preempt } from "../../../src/scheduler/preemption.ts";
import { type Framework, schedule } from "../../../src/scheduler/schedule.ts";
import { World } from "../../../src/scheduler/world.ts";

const stored = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" });

/** A Ready node with 4 CPUs, 8 GiB and room for 110 pods, unless said otherwise. */
export function node(
  name: string,
  options: { labels?: Record<string, string>; allocatable?: Record<string, string>; spec?: NodeSpec } = {},
): Node {
  const labels = { "kubernetes.io/hostname": name, ...options.labels };
  const allocatable = { cpu: "4", memory: "8Gi", pods: "110", ...options.allocatable };
  return { apiVersion: "v1", kind: "Node", metadata: { ...stored(name), labels }, spec: options.spec ?? {}, status: { allocatable } };
}

/** A pod of one container. */
export function pod(
  name: string,
  options: {
    labels?: Record<string, string>;
    namespace?: string;
    requests?: Record<string, string>;
    spec?: Partial<PodSpec>;
    status?: Pod["status"];
  } = {},
): Pod {
  const { namespace = "default", labels = {}, requests = {}, spec = {}, status = {} } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...stored(name), namespace, labels, generation: 1 },
    spec: { containers: [{ name: "c", image: "app", resources: { requests } }], ...spec },
    status,
  };
}

/** The rest of the cluster as plain data. */
export interface Surroundings {
  namespaces?: Record<string, Record<string, string>>;
  claims?: PersistentVolumeClaim[];
  volumes?: PersistentVolume[];
  classes?: StorageClass[];
  services?: Service[];
  controller?: LabelSelector;
}

function lookups({ namespaces = {}, claims = [], volumes = [], classes = [], services = [], controller }: Surroundings): Lookups {
  return {
    namespace: (name): Namespace => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { ...stored(name), labels: namespaces[name] ?? {} },
      spec: {},
      status: {},
    }),
    claim: (namespace, name) => claims.find((c) => c.metadata.namespace === namespace && c.metadata.name === name),
    volume: (name) => volumes.find((v) => v.metadata.name === name),
    volumes: () => volumes,
    storageClass: (name) => classes.find((c) => c.metadata.name === name),
    services: (namespace) => services.filter((s) => s.metadata.namespace === namespace),
    controllerSelector: () => controller,
  };
}

/** A scheduler's decisions without an API: nodes and pods that are there, then questions. */
export function cluster(nodes: Node[], pods: Pod[] = [], surroundings: Surroundings = {}) {
  const world = new World(lookups(surroundings));
  for (const n of nodes) world.setNode(n);
  for (const p of pods) world.setPod(p);
  const writer = { reserve: async () => {}, provision: async () => {}, untilBound: async () => {} };
  const framework: Framework = { plugins: plugins(writer), world, random: () => 0, offset: 0 };
  return {
    world,
    /** The node's name, or the message that the user sees. */
    place(p: Pod): string {
      const { node: chosen, failure } = schedule(podInfo(p), framework);
      return chosen?.name ?? unavailable(world.nodes.length, failure?.rejections.values() ?? [], failure?.refusal);
    },
    /** What preemption would do. */
    preempt(p: Pod, budgets: PodDisruptionBudget[] = []): Preemption {
      const info = podInfo(p);
      const { failure } = schedule(info, framework);
      if (!failure) throw new Error("the pod fits without preemption");
      return preempt(info, failure, world, budgets, () => 0);
    },
    /** The whole text of the FailedScheduling event. */
    message(p: Pod): string {
      const info = podInfo(p);
      const { failure } = schedule(info, framework);
      if (!failure) throw new Error("the pod fits");
      const text = unavailable(world.nodes.length, failure.rejections.values(), failure.refusal);
      return withPreemption(text, preempt(info, failure, world, [], () => 0).message);
    },
  };
}

/** Selects by labels. */
export const selector = (matchLabels: Record<string, string>): LabelSelector => ({ matchLabels });
