import { conflict, type FieldError, notFound } from "../../api/errors.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import type { ManagedFields } from "../../api/meta/apply/managed-fields.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { validateMetadataUpdate } from "../../api/meta/metadata.ts";
import type { Stage } from "../../api/schema/defaults.ts";
import { PreconditionFailed, type StoredObject } from "../../store/store.ts";
import { Reservations } from "../admission-chain.ts";
import type { Call } from "../call.ts";
import { type ResourceHandler, type View, viewOf } from "../resource-handler.ts";
import { admissionRequest, keyOfCall, type VerbContext } from "./context.ts";
import type { Live, Owned } from "./apply.ts";
import { managedAfterUpdate, managedSent } from "./ownership.ts";
import { inStorage, viewWhenReady } from "./ready.ts";
import { refuseIfAny, showWarnings } from "./validation.ts";

/** The text that every client knows for a lost race. */
export const modified = "the object has been modified; please apply your changes to the latest version and try again";
const maxAttempts = 100;

/** One change of an existing object, as update, patch and the subresources make it. */
export interface Change {
  /** The wanted state, mutable and the change's own, from the current one, which is frozen. Runs again when a race was lost. */
  next(old: Readonly<KubeObject>, managed: ManagedFields | undefined): KubeObject | Owned;
  /** What this change may not touch is carried over here, and what follows from it is set; after admission. */
  finish(object: KubeObject, old: Readonly<KubeObject>): void;
  /** The problems of the result, metadata left out. */
  validate(object: KubeObject, old: Readonly<KubeObject>): FieldError[];
  /** Whose change it is, for managedFields: by default the caller's; "nobody" where the server completes objects by itself. */
  owner?: "nobody";
  /** What `next` gives is not the main resource's to complete and to warn of: it has its defaults, and shares with the old object what it leaves as it was. */
  isComplete?: boolean;
  /** Admission has seen what was sent to make this change, and does not see the change itself. */
  isAdmitted?: boolean;
  /** The main resource changes: addresses and ports may have to be given. */
  allocates?: boolean;
}

/**
 * Changes an object: next, admission, validation, store; again from the start when another write came between. Writes nothing when
 * nothing changes. An object marked as deleted that loses its last finalizer goes. Throws notFound, conflict, invalid, ...
 */
export async function changeObject(context: VerbContext, call: Call, change: Change): Promise<View> {
  const key = keyOfCall(call);
  for (let attempt = 1; ; attempt++) {
    const current = context.store.latest(key);
    if (!current) throw notFound({ ...call.handler.target, name: call.name });
    const reservations = new Reservations();
    try {
      return await attemptChange(context, call, change, current, reservations);
    } catch (error) {
      reservations.release();
      if (!(error instanceof PreconditionFailed)) throw error;
      if (attempt >= maxAttempts) throw conflict({ ...call.handler.target, name: call.name }, modified);
    }
  }
}

async function attemptChange(
  context: VerbContext,
  call: Call,
  change: Change,
  current: StoredObject,
  reservations: Reservations,
): Promise<View> {
  const { handler } = call;
  const shown = viewWhenReady(handler, current);
  const { object: old, managed: before } = shown instanceof Promise ? await shown : shown;
  const { object, managed } = nextState(context, call, change, { old, managed: before });
  const request = change.isAdmitted ? undefined : admissionRequest(call, "UPDATE", { object, old }, reservations);
  const admitted = request && context.admission.admit(request);
  if (admitted) await admitted;
  if (!change.isComplete) complete(handler, object, "stored");
  change.finish(object, old);
  if (change.allocates) reservations.add(handler.hooks.allocate?.(object, old, call));
  refuseIfAny(handler, call.name, [
    ...validateMetadataUpdate(object.metadata, old.metadata, handler.info),
    ...change.validate(object, old),
  ]);
  if (!change.isComplete) showWarnings(call, object, old);
  const validated = request && context.admission.validate(request);
  if (validated) await validated;
  // What is still on its way to the disk must not be acknowledged as it is: it is written once more instead.
  // When somebody wrote what was there already is not worth a write either. What is encrypted with an old key is.
  const isSame = (managed === before || managed?.isSameButForTimes(before)) && deepEqual(object, old);
  if (isSame && current.revision <= context.store.revision && !context.store.isStale(current)) {
    reservations.release();
    return handler.view(current);
  }
  if (call.dryRun) {
    reservations.release();
    return viewOf(object, managed);
  }
  const goes = !!old.metadata.deletionTimestamp && mayGo(handler, object);
  const stored = await context.store.write({
    key: current.key,
    expect: current.revision,
    object: goes ? undefined : await inStorage(handler, object),
    managed,
  });
  return goes ? viewOf(object, managed) : viewWhenReady(handler, stored);
}

function complete({ schema, rules }: ResourceHandler, object: KubeObject, stage?: Stage): void {
  schema.applyDefaults(object, stage);
  rules.default?.(object);
}

/** What the change makes of the object, with its defaults, and who owns its fields then: nothing of it is admission's doing. */
function nextState(context: VerbContext, call: Call, change: Change, live: Live): Owned {
  const { handler } = call;
  const { old } = live;
  const next = change.next(old, live.managed);
  const isOwned = !("kind" in next);
  const object = isOwned ? next.object : next;
  const sent = object.metadata?.managedFields;
  carryIdentity(object, old);
  if (!change.isComplete) complete(handler, object);
  if (isOwned) return next;
  // Subresources do not change what their main resource says of owners.
  const before = call.subresource ? live.managed : managedSent(live.managed, sent);
  return { object, managed: change.owner === "nobody" ? before : managedAfterUpdate(context, call, { object, old }, before) };
}

/** Whether an object marked as deleted has nothing left that keeps it. */
export function mayGo(handler: ResourceHandler, object: Readonly<KubeObject>): boolean {
  const { finalizers, deletionGracePeriodSeconds } = object.metadata;
  return !finalizers?.length && !deletionGracePeriodSeconds && (handler.hooks.mayGo?.(object) ?? true);
}

/** Metadata that no client can change. */
function carryIdentity(object: KubeObject, old: Readonly<KubeObject>): void {
  const metadata = (object.metadata ??= {});
  const from = old.metadata;
  metadata.name = from.name;
  if (from.namespace) metadata.namespace = from.namespace;
  metadata.uid ||= from.uid;
  metadata.creationTimestamp = from.creationTimestamp;
  metadata.resourceVersion = from.resourceVersion;
  setOrDelete(metadata, "generation", from.generation);
  setOrDelete(metadata, "generateName", metadata.generateName ?? from.generateName);
  setOrDelete(metadata, "deletionTimestamp", from.deletionTimestamp);
  setOrDelete(metadata, "deletionGracePeriodSeconds", from.deletionGracePeriodSeconds);
  delete metadata.managedFields;
  delete metadata.selfLink;
}

function setOrDelete<T extends object, N extends keyof T>(target: T, name: N, value: T[N] | undefined): void {
  if (value === undefined) delete target[name];
  else target[name] = value;
}

/** Counts the generation up when something other than metadata and status differs (for some kinds annotations or labels count too). */
export function countGeneration(handler: ResourceHandler, object: KubeObject, old: Readonly<KubeObject>): void {
  if (!handler.policy.generation || handler.rules.fixedGeneration) return;
  const { metadata: newMeta, status: _s, ...rest } = object as KubeObject & { status?: unknown };
  const { metadata: oldMeta, status: _o, ...oldRest } = old as KubeObject & { status?: unknown };
  const ignoresStatus = handler.hasStatus || handler.info.type !== undefined;
  const counted = handler.policy.generationCounts;
  const changed =
    !deepEqual(rest, oldRest) ||
    (!ignoresStatus && !deepEqual(_s, _o)) ||
    (counted && !deepEqual(newMeta[counted] ?? {}, oldMeta[counted] ?? {}));
  newMeta.generation = (oldMeta.generation ?? 0) + (changed ? 1 : 0) || 1;
}
