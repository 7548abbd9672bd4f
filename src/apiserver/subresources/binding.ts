import { badRequest, conflict, forbidden, invalid, StatusError } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { compileType } from "../../api/schema/compiled.ts";
import type { Binding, Pod } from "../../api/types/core.v1.ts";
import type { Call } from "../call.ts";
import { typed, untyped } from "../plain-data.ts";
import { type CallSubresource, type Reply, type ResourceHandler, viewOf } from "../resource-handler.ts";
import { changeObject } from "../verbs/change.ts";
import { timestamp, type VerbContext } from "../verbs/context.ts";
import { createSubresource } from "./call-subresource.ts";

/** pods/NAME/binding: gives a pod its node. What the scheduler does in the end. */
export function bindingSubresource(context: VerbContext): CallSubresource {
  return {
    shape: "call",
    schema: compileType("core.v1.Binding"),
    type: "core.v1.Binding",
    apiVersion: "v1",
    kind: "Binding",
    async create(call, sent) {
      if (sent.metadata?.name !== call.name) throw badRequest("name in URL does not match name in Binding object");
      return bind(context, call, typed<Binding>(sent));
    },
  };
}

/** POST bindings: the same, with the pod's name in the body. */
export function bindPod(context: VerbContext, pods: () => ResourceHandler, call: Call, sent: KubeObject): Promise<Reply> {
  const bound = { ...call, handler: pods(), name: sent.metadata?.name ?? "", subresource: "binding" };
  return createSubresource(context, bound, bindingSubresource(context), sent);
}

async function bind(context: VerbContext, call: Call, binding: Binding): Promise<Reply> {
  const { metadata } = binding;
  const target: Partial<Binding["target"]> = binding.target ?? {};
  if (target.kind && target.kind !== "Node") {
    const message = `Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`;
    throw invalid({ kind: "Binding", name: call.name }, [{ reason: "FieldValueNotSupported", field: "target.kind", message }]);
  }
  if (!target.name) throw new StatusError({ code: 400, message: "target.name: Required value" });
  const node = target.name;
  await changeObject(context, call, {
    next(old) {
      const before = typed<Pod>(old);
      refuseIfTaken(before, metadata);
      const pod: Pod = { ...before, metadata: { ...before.metadata }, spec: { ...before.spec, nodeName: node } };
      if (metadata.annotations) pod.metadata.annotations = { ...pod.metadata.annotations, ...metadata.annotations };
      if (metadata.labels) pod.metadata.labels = { ...pod.metadata.labels, ...metadata.labels };
      pod.status = scheduled(before, timestamp(context.clock.now()));
      call.handler.schema.applyDefaults({ status: pod.status });
      return untyped(pod);
    },
    owner: "nobody",
    isComplete: true,
    isAdmitted: true,
    finish: () => {},
    validate: () => [],
  });
  return { view: viewOf(success), code: 201 };
}

function refuseIfTaken(pod: Pod, { uid }: Binding["metadata"]): void {
  const { name } = pod.metadata;
  const target = { kind: "pods/binding", name };
  if (uid && uid !== pod.metadata.uid)
    throw conflict(target, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`);
  if (pod.metadata.deletionTimestamp) throw conflict(target, `pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec.nodeName) throw conflict(target, `pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  if (pod.spec.schedulingGates?.length) throw forbidden({ kind: "pods", name }, `pod ${name} has non-empty .spec.schedulingGates`);
}

function scheduled({ metadata, status }: Pod, now: string): Pod["status"] {
  const before = status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (before?.status === "True") return status;
  const others = status?.conditions?.filter(({ type }) => type !== "PodScheduled") ?? [];
  const observed = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };
  return { ...status, conditions: [...others, { type: "PodScheduled", status: "True", lastTransitionTime: now, ...observed }] };
}

/** The Status of an action that worked. */
export const success: KubeObject & { status: string } = Object.freeze({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Success",
});
