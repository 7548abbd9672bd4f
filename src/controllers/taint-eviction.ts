import { tolerates } from "../api/core/tolerations.ts";
import { keyOf } from "../api/meta/object.ts";
import { now } from "../api/meta/time.ts";
import type { Node, Pod, Taint } from "../api/types/core.v1.ts";
import { Nodes, Pods } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { ignoreMissing } from "./ownership.ts";
import { indexByNode, podsOn } from "./settings.ts";

function evictingTaints(node: Node | undefined): Taint[] {
  return (node?.spec?.taints ?? []).filter((taint) => taint.effect === "NoExecute");
}

/** How many milliseconds the pod may stay with these NoExecute taints: 0 when it does not tolerate one, Infinity when it tolerates all for ever. */
export function toleratedFor(pod: Pod, taints: readonly Taint[]): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const accepting = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (accepting.length === 0) return 0;
    for (const { tolerationSeconds } of accepting)
      if (tolerationSeconds !== undefined) shortest = Math.min(shortest, Math.max(0, tolerationSeconds * 1000));
  }
  return shortest;
}

/** Removes pods from nodes with NoExecute taints that they do not tolerate (any more). */
export const createTaintEvictionController: ControllerFactory = ({ client, caches, clock, events }) => {
  const nodes = caches.of(Nodes);
  const pods = caches.of(Pods);
  indexByNode(pods);
  /** When each pod's time is over; counted from when the taint was first seen, so that nobody is surprised by a restart. */
  const deadlines = new Map<string, { since: number; uid: string }>();

  const taintsOf = (pod: Pod): Taint[] => evictingTaints(nodes.byKey(pod.spec.nodeName ?? ""));

  async function evict(pod: Pod): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    events.event(pod, "Normal", "TaintManagerEviction", `Marking for deletion Pod ${namespace}/${name}`);
    const condition = {
      type: "DisruptionTarget",
      status: "True",
      reason: "DeletionByTaintManager",
      message: "Taint manager: deleting due to NoExecute taint",
      lastTransitionTime: now(clock),
    };
    await client.patch(
      Pods,
      { namespace, name },
      { type: "strategic", body: { metadata: { uid }, status: { conditions: [condition] } } },
      { subresource: "status" },
    );
    await client.delete(Pods, { namespace, name }, { preconditions: { uid } });
  }

  return {
    name: "taint-eviction",
    watches: [
      watch(pods, (pod) => (deadlines.has(keyOf(pod)) || taintsOf(pod).length > 0 ? [keyOf(pod)] : [])),
      watch(nodes, (node) => (evictingTaints(node).length > 0 ? podsOn(pods, node.metadata.name).map(keyOf) : [])),
    ],
    async reconcile(key) {
      const pod = pods.byKey(key);
      const taints = pod ? taintsOf(pod) : [];
      if (!pod || pod.metadata.deletionTimestamp || taints.length === 0) {
        if (deadlines.delete(key) && pod && !pod.metadata.deletionTimestamp)
          events.event(pod, "Normal", "TaintManagerEviction", `Cancelling deletion of Pod ${key}`);
        return;
      }
      const time = toleratedFor(pod, taints);
      if (time === Number.POSITIVE_INFINITY) {
        deadlines.delete(key);
        return;
      }
      let started = deadlines.get(key);
      if (started?.uid !== pod.metadata.uid) deadlines.set(key, (started = { since: clock.now(), uid: pod.metadata.uid }));
      const left = started.since + time - clock.now();
      if (left > 0) return left;
      await evict(pod).catch(ignoreMissing);
      deadlines.delete(key);
    },
  };
};
