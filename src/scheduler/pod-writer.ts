import { isReason } from "../api/errors.ts";
import { findCondition } from "../api/meta/conditions.ts";
import { now } from "../api/meta/time.ts";
import type { PodCondition } from "../api/types/core.v1.ts";
import { Pods } from "../api/types/resources.ts";
import type { ControllerContext } from "../client/controller.ts";
import { schedulerName } from "./events.ts";
import type { PodInfo } from "./pod-info.ts";

/** What the scheduler writes to pods, and what it tells users about them. */
export class PodWriter {
  private readonly context: ControllerContext;

  constructor(context: ControllerContext) {
    this.context = context;
  }

  /** Binds the pod to the node. */
  async bind({ pod, namespace }: PodInfo, nodeName: string): Promise<void> {
    const { name, uid } = pod.metadata;
    const body = { apiVersion: "v1", kind: "Binding", metadata: { namespace, name, uid }, target: { kind: "Node", name: nodeName } };
    await this.context.client.createSub(Pods, { namespace, name }, "binding", body);
    this.context.events.event(pod, "Normal", "Scheduled", `Successfully assigned ${namespace}/${name} to ${nodeName}`);
  }

  /** Says why the pod has no node yet, by an event and in its status; `nominated`: the node that is being cleared for it. Never fails. */
  async unschedulable({ pod }: PodInfo, reason: string, message: string, nominated: string | undefined): Promise<void> {
    this.context.events.event(pod, "Warning", "FailedScheduling", message);
    const old = findCondition(pod.status?.conditions, "PodScheduled");
    const known = old?.status === "False" && old.reason === reason && old.message === message;
    if (known && (nominated ?? pod.status?.nominatedNodeName) === pod.status?.nominatedNodeName) return;
    const condition = { type: "PodScheduled", status: "False", reason, message, lastProbeTime: null };
    await this.patchStatus(pod.metadata, old, condition, nominated === undefined ? {} : { nominatedNodeName: nominated }).catch(
      (error: unknown) => {
        if (!isReason(error, "NotFound")) this.context.log.warn({ pod: pod.metadata.name, error: String(error) }, "pod status not written");
      },
    );
  }

  /** Deletes a victim with its own grace period, after saying in its status why. */
  async evict({ pod }: PodInfo, preemptor: PodInfo, nodeName: string): Promise<void> {
    const { metadata } = pod;
    if (metadata.deletionTimestamp) return;
    try {
      const condition = {
        type: "DisruptionTarget",
        status: "True",
        reason: "PreemptionByScheduler",
        message: `${schedulerName}: preempting to accommodate a higher priority pod`,
      };
      await this.patchStatus(metadata, findCondition(pod.status?.conditions, condition.type), condition, {});
      await this.context.client.delete(Pods, metadata, { preconditions: { uid: metadata.uid } });
      this.context.events.event(pod, "Normal", "Preempted", `Preempted by pod ${preemptor.uid} on node ${nodeName}`);
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }

  /** A pod of higher priority has taken over the node that was being cleared for this one. */
  async clearNomination({ pod: { metadata } }: PodInfo): Promise<void> {
    const body = { status: { nominatedNodeName: null } };
    await this.context.client.patch(Pods, metadata, { type: "merge", body }, { subresource: "status" });
  }

  private async patchStatus(
    metadata: PodInfo["pod"]["metadata"],
    old: PodCondition | undefined,
    condition: Omit<PodCondition, "lastProbeTime"> & { lastProbeTime?: null },
    status: object,
  ): Promise<void> {
    const lastTransitionTime =
      old?.status === condition.status && old.lastTransitionTime ? old.lastTransitionTime : now(this.context.clock);
    const conditions = [{ ...condition, lastTransitionTime, observedGeneration: metadata.generation }];
    const { namespace, name, uid } = metadata;
    const body = { metadata: { uid }, status: { ...status, conditions } };
    await this.context.client.patch(Pods, { namespace, name }, { type: "strategic", body }, { subresource: "status" });
  }
}
