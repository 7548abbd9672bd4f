import { badRequest, forbidden, internalError, isReason, notFound, StatusError } from "../../api/errors.ts";
import { matchesLabelSelector } from "../../api/meta/labels.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { compileType } from "../../api/schema/compiled.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import type { Eviction, PodDisruptionBudget } from "../../api/types/policy.v1.ts";
import type { UserInfo } from "../../api/user.ts";
import type { Call, DeleteOptions } from "../call.ts";
import { copyOf, typed } from "../plain-data.ts";
import { type CallSubresource, type Reply, type ResourceHandler, viewOf } from "../resource-handler.ts";
import { changeObject } from "../verbs/change.ts";
import { keyOfCall, timestamp, type VerbContext } from "../verbs/context.ts";
import { removeObject } from "../verbs/delete.ts";
import { success } from "./binding.ts";

/** The server itself. */
export const systemUser: UserInfo = { name: "system:apiserver", groups: ["system:masters", "system:authenticated"] };

/** pods/NAME/eviction: deletes a pod when its PodDisruptionBudget lets it go. See "API-initiated Eviction". */
export function evictionSubresource(context: VerbContext, budgets: () => ResourceHandler): CallSubresource {
  return {
    shape: "call",
    schema: compileType("policy.v1.Eviction"),
    type: "policy.v1.Eviction",
    apiVersion: "policy/v1",
    kind: "Eviction",
    create: (call, sent) => evict(context, call, typed<Eviction>(sent), budgets()),
  };
}

async function evict(context: VerbContext, call: Call, eviction: Eviction, budgets: ResourceHandler): Promise<Reply> {
  if (eviction.metadata?.name !== call.name) throw badRequest("name in URL does not match name in Eviction object");
  const options: DeleteOptions = { ...eviction.deleteOptions };
  const stored = context.store.get(keyOfCall(call));
  if (!stored) throw notFound({ ...call.handler.target, name: call.name });
  const pod = typed<Pod>(call.handler.view(stored).object);
  if (!isDisruption(pod)) return remove(context, call, options);
  const matching = context.store
    .list({ resource: budgets.storage, namespace: call.namespace })
    .objects.map(({ object }) => typed<PodDisruptionBudget>(object))
    .filter(({ spec }) => matchesLabelSelector(spec?.selector, pod.metadata.labels));
  if (matching.length > 1)
    throw internalError("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
  const [budget] = matching;
  if (budget && !evictableWhileUnhealthy(pod, budget)) await takeDisruption(context, call, budgets, budget.metadata.name ?? "");
  if (!call.dryRun) await markDisrupted(context, call);
  return remove(context, call, { ...options, preconditions: { uid: pod.metadata.uid, ...options.preconditions } });
}

async function remove(context: VerbContext, call: Call, options: DeleteOptions): Promise<Reply> {
  await removeObject(context, { ...call, subresource: "" }, options);
  return { view: viewOf(success), code: 201 };
}

/** Pods that have not begun, have ended, or end already may go without asking. */
function isDisruption({ status, metadata }: Pod): boolean {
  const phase = status?.phase;
  return phase !== "Pending" && phase !== "Succeeded" && phase !== "Failed" && !metadata.deletionTimestamp;
}

/** A pod that is not ready counts for nothing; it may go when the policy, or enough other healthy pods, let it (KEP-3017). */
function evictableWhileUnhealthy(pod: Pod, { spec, status }: PodDisruptionBudget): boolean {
  if (pod.status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True")) return false;
  if (spec?.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const desired = status?.desiredHealthy ?? 0;
  return desired > 0 && (status?.currentHealthy ?? 0) >= desired;
}

/** Takes one of the budget's allowed disruptions, or throws the 429 that drains wait for. */
async function takeDisruption(context: VerbContext, call: Call, budgets: ResourceHandler, name: string): Promise<void> {
  const budgetCall: Call = { ...call, handler: budgets, name, subresource: "status", user: systemUser };
  try {
    await changeObject(context, budgetCall, {
      next(old) {
        const budget = typed<PodDisruptionBudget>(copyOf<KubeObject>(old));
        refuseIfExhausted(budget);
        const status = budget.status;
        if (!status) return budget;
        status.disruptionsAllowed = (status.disruptionsAllowed ?? 0) - 1;
        status.disruptedPods = { ...status.disruptedPods, [call.name]: timestamp(context.clock.now()) };
        return budget;
      },
      finish: () => {},
      validate: () => [],
    });
  } catch (error) {
    // The budget went meanwhile: nothing holds the pod any more.
    if (!isReason(error, "NotFound")) throw error;
  }
}

function refuseIfExhausted({ metadata, status }: PodDisruptionBudget): void {
  const { name } = metadata;
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0))
    throw tooManyDisruptions(`The disruption budget ${name} is still being processed by the server.`);
  const allowed = status?.disruptionsAllowed ?? 0;
  if (allowed < 0) throw forbidden({ group: "policy", kind: "poddisruptionbudgets", name }, "pdb disruptions allowed is negative");
  if (allowed === 0)
    throw tooManyDisruptions(
      `The disruption budget ${name} needs ${status?.desiredHealthy ?? 0} healthy pods and has ${status?.currentHealthy ?? 0} currently`,
    );
}

function tooManyDisruptions(why: string): StatusError {
  return new StatusError({
    code: 429,
    reason: "TooManyRequests",
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: { causes: [{ reason: "DisruptionBudget", message: why }] },
  });
}

/** Says on the pod why it ends, for Jobs that tell failures from disruptions (KEP-3329). */
async function markDisrupted(context: VerbContext, call: Call): Promise<void> {
  await changeObject(
    context,
    { ...call, subresource: "status", user: systemUser },
    {
      next(old) {
        const pod = typed<Pod>(copyOf<KubeObject>(old));
        const status = (pod.status ??= {});
        const others = status.conditions?.filter(({ type }) => type !== "DisruptionTarget") ?? [];
        const condition = {
          type: "DisruptionTarget",
          status: "True",
          reason: "EvictionByEvictionAPI",
          message: "Eviction API: evicting",
          lastTransitionTime: timestamp(context.clock.now()),
        };
        status.conditions = [...others, condition];
        return pod;
      },
      owner: "nobody",
      finish: () => {},
      validate: () => [],
    },
  );
}
