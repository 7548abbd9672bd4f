import { deepEqual } from "../api/meta/equality.ts";
import { now } from "../api/meta/time.ts";
import type { Node, NodeCondition, Taint } from "../api/types/core.v1.ts";
import { Leases, Nodes, Pods } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { ignoreMissing } from "./ownership.ts";
import { isReady } from "./pod-state.ts";
import { indexByNode, podsOn } from "./settings.ts";

/** How long a node may be silent, in milliseconds: a running one, and one that has never said anything. */
const grace = { silent: 40_000, starting: 60_000 };
const leaseNamespace = "kube-node-lease";
const conditionTypes = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
const notReady = "node.kubernetes.io/not-ready";
const unreachable = "node.kubernetes.io/unreachable";

/** The taints that follow from conditions with that status: no new pods. */
const conditionTaints: readonly { type: string; status: string; key: string }[] = [
  { type: "Ready", status: "False", key: notReady },
  { type: "Ready", status: "Unknown", key: unreachable },
  { type: "MemoryPressure", status: "True", key: "node.kubernetes.io/memory-pressure" },
  { type: "DiskPressure", status: "True", key: "node.kubernetes.io/disk-pressure" },
  { type: "PIDPressure", status: "True", key: "node.kubernetes.io/pid-pressure" },
  { type: "NetworkUnavailable", status: "True", key: "node.kubernetes.io/network-unavailable" },
];
const unschedulable = "node.kubernetes.io/unschedulable";
const managed = new Set([...conditionTaints.map((c) => c.key), unschedulable]);

function statusOf(node: Node, type: string): string | undefined {
  return node.status?.conditions?.find((c) => c.type === type)?.status;
}

/** The taints that the node should have: its own, and those its conditions call for; `evict` also removes pods from nodes that are not ready. */
export function wantedTaints(node: Node, evict: boolean, time: string): Taint[] {
  const has = node.spec?.taints ?? [];
  const wanted: Taint[] = [];
  for (const { type, status, key } of conditionTaints) {
    if (statusOf(node, type) !== status) continue;
    wanted.push({ key, effect: "NoSchedule" });
    if (type === "Ready" && evict) wanted.push({ key, effect: "NoExecute" });
  }
  if (node.spec?.unschedulable) wanted.push({ key: unschedulable, effect: "NoSchedule" });
  const same = (a: Taint) => (b: Taint) => a.key === b.key && a.effect === b.effect;
  // A taint that somebody else has put on for a purpose of his own is only known by its key; the order stays, so that nothing is written in vain.
  const kept = has.filter(
    (taint) => !managed.has(taint.key) || wanted.some(same(taint)) || (taint.key === notReady && !statusOf(node, "Ready")),
  );
  return [...kept, ...wanted.filter((taint) => !kept.some(same(taint))).map((taint) => ({ ...taint, timeAdded: time }))];
}

/** The conditions of a node that has been silent for too long; undefined when they say so already. */
export function silentConditions(node: Node, time: string): NodeCondition[] | undefined {
  const conditions = [...(node.status?.conditions ?? [])];
  let changed = false;
  for (const type of conditionTypes) {
    const i = conditions.findIndex((c) => c.type === type);
    const old = conditions[i];
    if (old?.status === "Unknown") continue;
    changed = true;
    const next = old
      ? {
          ...old,
          status: "Unknown",
          reason: "NodeStatusUnknown",
          message: "Kubelet stopped posting node status.",
          lastTransitionTime: time,
        }
      : {
          type,
          status: "Unknown",
          reason: "NodeStatusNeverUpdated",
          message: "Kubelet never posted node status.",
          lastHeartbeatTime: node.metadata.creationTimestamp,
          lastTransitionTime: time,
        };
    if (old) conditions[i] = next;
    else conditions.push(next);
  }
  return changed ? conditions : undefined;
}

/** Watches over the nodes' signs of life (lease and status), and taints those that are not well. */
export const createNodeLifecycleController: ControllerFactory = ({ client, caches, clock, events }) => {
  const nodes = caches.of(Nodes);
  const leases = caches.of(Leases);
  const pods = caches.of(Pods);
  indexByNode(pods);
  /** The last sign of life, and when it was seen by this process's clock: clocks of nodes may differ. */
  const signs = new Map<string, { sign: string; at: number }>();
  const ready = new Set<string>();

  /** When no node at all is well, the fault is probably here: then nothing is evicted. Returns the nodes concerned by a change of that. */
  function noteReady({ metadata: { name } }: Node): string[] {
    const before = ready.size > 0;
    const node = nodes.byKey(name);
    if (node && statusOf(node, "Ready") === "True") ready.add(name);
    else ready.delete(name);
    return before === ready.size > 0 ? [name] : nodes.list().map((n) => n.metadata.name);
  }

  /** In how many milliseconds the node has been silent for too long, if it stays silent; 0 or less: it is. */
  function patience(node: Node): number {
    const { name } = node.metadata;
    const heartbeat = node.status?.conditions?.find((c) => c.type === "Ready")?.lastHeartbeatTime ?? "";
    const sign = `${heartbeat} ${leases.get(leaseNamespace, name)?.spec.renewTime ?? ""}`;
    let seen = signs.get(name);
    if (seen?.sign !== sign) signs.set(name, (seen = { sign, at: clock.now() }));
    return seen.at + (heartbeat ? grace.silent : grace.starting) - clock.now();
  }

  async function markSilent(node: Node): Promise<Node> {
    const conditions = silentConditions(node, now(clock));
    let written = node;
    if (conditions) {
      const { name, resourceVersion } = node.metadata;
      written = await client.patch(
        Nodes,
        { name },
        { type: "merge", body: { metadata: { resourceVersion }, status: { conditions } } },
        { subresource: "status" },
      );
      events.event(node, "Normal", "NodeNotReady", `Node ${name} status is now: NodeNotReady`);
    }
    // A status that the kubelet wrote a moment before it went silent would stay for ever: its pods serve nobody.
    for (const pod of podsOn(pods, node.metadata.name).filter(isReady)) {
      const condition = { type: "Ready", status: "False", lastTransitionTime: now(clock) };
      const body = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
      await client.patch(Pods, pod.metadata, { type: "strategic", body }, { subresource: "status" }).catch(ignoreMissing);
      events.event(pod, "Warning", "NodeNotReady", "Node is not ready");
    }
    return written;
  }

  return {
    name: "node-lifecycle",
    watches: [
      watch(nodes, noteReady),
      watch(leases, ({ metadata }) => (metadata.namespace === leaseNamespace ? [metadata.name] : [])),
      watch(pods, () => []),
    ],
    async reconcile(name) {
      let node = nodes.byKey(name);
      if (!node) {
        signs.delete(name);
        return;
      }
      if (!signs.has(name)) events.event(node, "Normal", "RegisteredNode", `Node ${name} event: Registered Node ${name} in Controller`);
      const left = patience(node);
      if (left <= 0) node = await markSilent(node);
      const taints = wantedTaints(node, ready.size > 0, now(clock));
      if (!deepEqual(taints, node.spec?.taints ?? [])) {
        const body = { metadata: { resourceVersion: node.metadata.resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } };
        await client.patch(Nodes, { name }, { type: "merge", body });
      }
      return left > 0 ? left : undefined;
    },
  };
};
