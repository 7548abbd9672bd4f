import { alreadyExists, badRequest, methodNotAllowed, StatusError } from "../../api/errors.ts";
import type { ManagedFields } from "../../api/meta/apply/managed-fields.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { validateMetadata } from "../../api/meta/metadata.ts";
import { dropRepeatedOwners } from "../../api/meta/owners.ts";
import { PreconditionFailed } from "../../store/store.ts";
import { Reservations } from "../admission-chain.ts";
import type { Call } from "../call.ts";
import { type Reply, viewOf } from "../resource-handler.ts";
import type { Owned } from "./apply.ts";
import { admissionRequest, keyOfCall, timestamp, type VerbContext } from "./context.ts";
import { managedAfterCreate } from "./ownership.ts";
import { inStorage, viewWhenReady } from "./ready.ts";
import { refuseIfAny, showWarnings } from "./validation.ts";

/** Names made from generateName that are taken already are tried again this often (KEP-4420). */
const generateNameAttempts = 8;
const maxGeneratedNameBase = 63 - 5;

/**
 * Creates the object, which is given away: defaults, admission, validation, store. Throws alreadyExists, invalid, forbidden, ...
 * `owners`: who owns which fields of the object with its defaults; what admission adds belongs to nobody.
 */
export async function createObject(
  context: VerbContext,
  call: Call,
  object: KubeObject,
  owners: () => ManagedFields | undefined = () => managedAfterCreate(context, call, object),
): Promise<Reply> {
  const { handler } = call;
  if (handler.virtual) {
    if (!handler.virtual.create) throw methodNotAllowed();
    handler.schema.applyDefaults(object);
    return handler.virtual.create(call, object);
  }
  prepareMetadata(call, object);
  const reservations = new Reservations();
  try {
    handler.schema.applyDefaults(object);
    handler.rules.default?.(object);
    const managed = owners();
    const request = admissionRequest(call, "CREATE", { object, old: undefined }, reservations);
    const admitted = context.admission.admit(request);
    if (admitted) await admitted;
    fillSystemFields(context, call, object);
    const named: Call = { ...call, name: nameOf(context, call, object) };
    handler.schema.applyDefaults(object, "stored");
    handler.rules.default?.(object);
    handler.rules.prepareForCreate?.(object);
    named.name ||= object.metadata.name ?? "";
    return await checkAndStore(context, named, { object, managed }, reservations);
  } catch (error) {
    reservations.release();
    throw error;
  }
}

async function checkAndStore(context: VerbContext, call: Call, { object, managed }: Owned, reservations: Reservations): Promise<Reply> {
  const { handler } = call;
  const key = keyOfCall(call);
  reservations.add(handler.hooks.allocate?.(object, undefined, call));
  refuseIfAny(handler, call.name, [
    ...validateMetadata(object.metadata, handler.info),
    ...(handler.schema.validate?.(object) ?? []),
    ...(handler.rules.validate?.(object) ?? []),
  ]);
  showWarnings(call, object, undefined);
  const request = admissionRequest(call, "CREATE", { object, old: undefined }, reservations);
  const validated = context.admission.validate(request);
  if (validated) await validated;
  if (context.store.latest(key)) throw alreadyExists({ ...handler.target, name: call.name });
  if (call.dryRun) {
    reservations.release();
    return { view: viewOf(object, managed), code: 201 };
  }
  try {
    const kept = inStorage(handler, object);
    const stored = await context.store.write({ key, expect: 0, object: kept instanceof Promise ? await kept : kept, managed });
    const view = viewWhenReady(handler, stored);
    return { view: view instanceof Promise ? await view : view, code: 201 };
  } catch (error) {
    if (error instanceof PreconditionFailed) throw alreadyExists({ ...handler.target, name: call.name });
    throw error;
  }
}

/** Checks the name and namespace that the object carries against the request's, and fills them in. */
function prepareMetadata(call: Call, object: KubeObject): void {
  const { info } = call.handler;
  const metadata = (object.metadata ??= {});
  if (info.namespaced) {
    if (metadata.namespace && metadata.namespace !== call.namespace)
      throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
    metadata.namespace = call.namespace;
  } else if (metadata.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (call.name) {
    if (metadata.name && metadata.name !== call.name)
      throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${call.name})`);
    metadata.name = call.name;
  }
  dropRepeatedOwners(metadata, call.warn);
  if (metadata.resourceVersion) throw new StatusError({ code: 400, message: "resourceVersion should not be set on objects to be created" });
  call.name ||= metadata.name ?? "";
}

/** What only the server sets on a new object. */
function fillSystemFields(context: VerbContext, call: Call, object: KubeObject): void {
  const { metadata } = object;
  metadata.uid = context.newUid();
  metadata.creationTimestamp = timestamp(context.clock.now());
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.managedFields;
  delete metadata.resourceVersion;
  if (call.handler.policy.generation) metadata.generation = 1;
  if (call.handler.clearsStatus) Reflect.deleteProperty(object, "status");
}

/** The object's name, made from generateName where it has none: one that is free, if that many attempts find one. */
function nameOf({ store, nameSuffix }: VerbContext, call: Call, { metadata }: KubeObject): string {
  const base = metadata.name ? undefined : metadata.generateName?.slice(0, maxGeneratedNameBase);
  for (let attempt = 1; base && attempt <= generateNameAttempts; attempt++) {
    metadata.name = base + nameSuffix();
    if (!store.latest(keyOfCall({ ...call, name: metadata.name }))) break;
  }
  return metadata.name ?? "";
}
