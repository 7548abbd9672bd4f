import { isReason } from "../api/errors.ts";
import { keyOf } from "../api/meta/object.ts";
import { now } from "../api/meta/time.ts";
import type { Node, Pod } from "../api/types/core.v1.ts";
import { Nodes, Pods } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { ignoreMissing } from "./ownership.ts";
import { isTerminal, isTerminating } from "./pod-state.ts";
import { indexByNode, podsOn } from "./settings.ts";

/** How many ended pods are kept, and how long a node has to be missing, in milliseconds, before its pods go. */
const limits = { ended: 12_500, quarantine: 40_000 };
const outOfService = "node.kubernetes.io/out-of-service";
/** The key under which the number of ended pods is looked at. */
const endedPods = "ended pods";

/** Why a pod has to go at once, without a kubelet; undefined when it may stay. */
export function whyCollected(pod: Pod, node: Node | undefined): "unscheduled" | "out-of-service" | "orphaned" | undefined {
  if (!pod.spec.nodeName) return isTerminating(pod) ? "unscheduled" : undefined;
  if (!node) return "orphaned";
  const ready = node.status?.conditions?.find((c) => c.type === "Ready")?.status === "True";
  return isTerminating(pod) && !ready && node.spec?.taints?.some((t) => t.key === outOfService) ? "out-of-service" : undefined;
}

/** Removes pods that no kubelet will ever remove. */
export const createPodGarbageCollector: ControllerFactory = ({ client, caches, clock }) => {
  const pods = caches.of(Pods);
  const nodes = caches.of(Nodes);
  indexByNode(pods);
  pods.addIndex("ended", (pod) => (isTerminal(pod) ? ["yes"] : []));
  const missingSince = new Map<string, number>();

  async function remove(pod: Pod, message?: string): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    if (!isTerminal(pod)) {
      const condition = { type: "DisruptionTarget", status: "True", reason: "DeletionByPodGC", message, lastTransitionTime: now(clock) };
      const body = { metadata: { uid }, status: { phase: "Failed", ...(message ? { conditions: [condition] } : {}) } };
      await client.patch(Pods, { namespace, name }, { type: "strategic", body }, { subresource: "status" });
    }
    await client.delete(Pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
  }

  async function collect(pod: Pod): Promise<number | void> {
    const nodeName = pod.spec.nodeName ?? "";
    switch (whyCollected(pod, nodes.byKey(nodeName))) {
      case "unscheduled":
        return remove(pod);
      case "out-of-service":
        return remove(pod, "PodGC: node out of service");
      case "orphaned": {
        const since = missingSince.get(nodeName) ?? clock.now();
        missingSince.set(nodeName, since);
        const left = since + limits.quarantine - clock.now();
        if (left > 0) return left;
        const live = await client.get(Nodes, { name: nodeName }).catch(ignoreMissing);
        if (!live) return remove(pod, "PodGC: node no longer exists");
      }
    }
  }

  async function collectEnded(): Promise<void> {
    const ended = pods.byIndex("ended", "yes").filter((pod) => !isTerminating(pod));
    const surplus = ended.length - limits.ended;
    if (surplus <= 0) return;
    ended.sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
    for (const pod of ended.slice(0, surplus)) await remove(pod).catch(ignoreMissing);
  }

  return {
    name: "pod-garbage-collector",
    watches: [
      watch(pods, (pod) => [
        ...(isTerminating(pod) || !nodes.byKey(pod.spec.nodeName ?? "") ? [keyOf(pod)] : []),
        ...(isTerminal(pod) ? [endedPods] : []),
      ]),
      watch(nodes, ({ metadata: { name }, spec }) => {
        if (nodes.byKey(name)) missingSince.delete(name);
        const concerned = !nodes.byKey(name) || spec?.taints?.some((t) => t.key === outOfService);
        return concerned ? podsOn(pods, name).map(keyOf) : [];
      }),
    ],
    async reconcile(key) {
      if (key === endedPods) return collectEnded();
      const pod = pods.byKey(key);
      if (!pod) return;
      try {
        return await collect(pod);
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
    },
  };
};
