import { conflict, type FieldError, invalid, notFound } from "../../api/errors.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Status } from "../../api/types/meta.v1.ts";
import { PreconditionFailed, type StoredObject } from "../../store/store.ts";
import { Reservations } from "../admission-chain.ts";
import type { Call, DeleteOptions } from "../call.ts";
import { copyOf } from "../plain-data.ts";
import { type Reply, type ResourceHandler, type View, viewOf } from "../resource-handler.ts";
import { mayGo, modified } from "./change.ts";
import { admissionRequest, keyOfCall, timestamp, type VerbContext } from "./context.ts";
import { inStorage, viewWhenReady } from "./ready.ts";

const maxAttempts = 100;
const foregroundFinalizer = "foregroundDeletion";
const orphanFinalizer = "orphan";

/** What became of a delete. */
export interface Deleted {
  view: View;
  /** False: marked as deleted only, because of finalizers or a grace period. */
  gone: boolean;
}

/**
 * Deletes the object, or marks it as deleted where a grace period or finalizers keep it. Answers the object or a Status, as the kind does.
 */
export async function deleteObject(context: VerbContext, call: Call, options: DeleteOptions): Promise<Reply> {
  const { view, gone } = await removeObject(context, call, options);
  const { handler } = call;
  const code = !gone && options.orphanDependents === false ? 202 : 200;
  if (!gone || handler.policy.returnsDeleted) return { view, code };
  const { uid } = view.object.metadata;
  const details = { name: call.name, ...(handler.info.group ? { group: handler.info.group } : {}), kind: handler.info.plural, uid };
  const status: Status & KubeObject = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
  return { view: viewOf(status), code };
}

/** As deleteObject, but tells what became of the object. */
export async function removeObject(context: VerbContext, call: Call, options: DeleteOptions): Promise<Deleted> {
  validateDeleteOptions(options);
  warnOfOrphans(call, options);
  for (let attempt = 1; ; attempt++) {
    const current = context.store.latest(keyOfCall(call));
    if (!current) throw notFound({ ...call.handler.target, name: call.name });
    const reservations = new Reservations();
    try {
      return await attemptRemove(context, call, options, current, reservations);
    } catch (error) {
      reservations.release();
      if (!(error instanceof PreconditionFailed)) throw error;
      if (attempt >= maxAttempts) throw conflict({ ...call.handler.target, name: call.name }, modified);
    }
  }
}

async function attemptRemove(
  context: VerbContext,
  call: Call,
  options: DeleteOptions,
  current: StoredObject,
  reservations: Reservations,
): Promise<Deleted> {
  const { handler } = call;
  const { object: old, managed } = await viewWhenReady(handler, current);
  checkPreconditions(call, options, old);
  const request = admissionRequest(call, "DELETE", { object: undefined, old }, reservations);
  await context.admission.admit(request);
  await context.admission.validate(request);
  const next = markDeleted(handler, options, old, context.clock.now());
  const gone = mayGo(handler, next);
  if (call.dryRun) {
    reservations.release();
    return { view: viewOf(next, managed), gone };
  }
  if (gone) {
    const stored = await context.store.write({ key: current.key, expect: current.revision, object: undefined });
    return { view: await viewWhenReady(handler, stored), gone };
  }
  if (deepEqual(next, old) && current.revision <= context.store.revision) return { view: handler.view(current), gone };
  const stored = await context.store.write({ key: current.key, expect: current.revision, object: await inStorage(handler, next), managed });
  return { view: await viewWhenReady(handler, stored), gone };
}

/** The object as a delete at that time leaves it: its deletionTimestamp, grace period and finalizers set. */
export function markDeleted(handler: ResourceHandler, options: DeleteOptions, old: Readonly<KubeObject>, now: number): KubeObject {
  const object = copyOf<KubeObject>(old);
  const { metadata } = object;
  const finalizers = finalizersFor(handler, options, metadata.finalizers ?? []);
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
  const grace = gracePeriod(handler, options, old);
  if (metadata.deletionTimestamp === undefined) {
    metadata.deletionTimestamp = timestamp(now + grace * 1000);
    metadata.deletionGracePeriodSeconds = grace;
    if (handler.hooks.beginDelete) handler.hooks.beginDelete(object);
    else if (metadata.generation) metadata.generation++;
  } else if (grace < (metadata.deletionGracePeriodSeconds ?? 0)) {
    const asked = Date.parse(metadata.deletionTimestamp) - (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
    metadata.deletionTimestamp = timestamp(Math.max(asked + grace * 1000, grace === 0 ? 0 : now));
    metadata.deletionGracePeriodSeconds = grace;
  }
  return object;
}

/** Seconds. Zero for kinds without graceful deletion, for pods that no node has, and for those that have ended. */
function gracePeriod(handler: ResourceHandler, options: DeleteOptions, old: Readonly<KubeObject>): number {
  const byDefault = handler.rules.defaultGracePeriodSeconds?.(old);
  if (byDefault === undefined) return 0;
  const asked = options.gracePeriodSeconds ?? byDefault;
  return asked < 0 ? 1 : asked;
}

function finalizersFor(handler: ResourceHandler, options: DeleteOptions, before: readonly string[]): string[] {
  let policy = options.propagationPolicy;
  if (options.orphanDependents !== undefined) policy = options.orphanDependents ? "Orphan" : "Background";
  if (policy === undefined) {
    if (before.includes(orphanFinalizer)) policy = "Orphan";
    else if (before.includes(foregroundFinalizer)) policy = "Foreground";
    else if (handler.policy.orphansByDefault) policy = "Orphan";
  }
  const finalizers = before.filter((finalizer) => finalizer !== orphanFinalizer && finalizer !== foregroundFinalizer);
  if (policy === "Orphan") finalizers.push(orphanFinalizer);
  if (policy === "Foreground") finalizers.push(foregroundFinalizer);
  // The same ones in another order are no change.
  return finalizers.length === before.length && finalizers.every((finalizer) => before.includes(finalizer)) ? [...before] : finalizers;
}

function checkPreconditions(call: Call, { preconditions }: DeleteOptions, old: Readonly<KubeObject>): void {
  const { uid, resourceVersion } = old.metadata;
  const target = { ...call.handler.kindTarget, name: call.name };
  if (preconditions?.uid !== undefined && preconditions.uid !== uid)
    throw conflict(
      target,
      `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). ` +
        "The object might have been deleted and then recreated",
    );
  if (preconditions?.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion)
    throw conflict(
      target,
      `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record ` +
        `(${resourceVersion}). The object might have been modified`,
    );
}

function validateDeleteOptions({ propagationPolicy, orphanDependents }: DeleteOptions): void {
  const errors: FieldError[] = [];
  const field = "propagationPolicy";
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    const message = `Invalid value: ${JSON.stringify(propagationPolicy)}: orphanDependents and deletionPropagation cannot be both set`;
    errors.push({ reason: "FieldValueInvalid", field, message });
  } else if (propagationPolicy !== undefined && !["Foreground", "Background", "Orphan"].includes(propagationPolicy)) {
    const supported = 'supported values: "Foreground", "Background", "Orphan", "nil"';
    errors.push({
      reason: "FieldValueNotSupported",
      field,
      message: `Unsupported value: ${JSON.stringify(propagationPolicy)}: ${supported}`,
    });
  }
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, errors);
}

function warnOfOrphans(call: Call, { propagationPolicy, orphanDependents }: DeleteOptions): void {
  if (call.handler.storage !== "batch/jobs" || propagationPolicy !== undefined || orphanDependents !== undefined) return;
  call.warn(
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or " +
      "set propagationPolicy=Orphan to suppress this warning",
  );
}
