import { badRequest, conflict, invalid, isReason } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { dropRepeatedOwners } from "../../api/meta/owners.ts";
import type { Call } from "../call.ts";
import { copyOf } from "../plain-data.ts";
import type { Reply } from "../resource-handler.ts";
import { type Change, changeObject, countGeneration, modified } from "./change.ts";
import type { VerbContext } from "./context.ts";
import { createObject } from "./create.ts";

/** Replaces the object by the one sent, which is given away. A few old kinds are created when they are not there. */
export async function updateObject(context: VerbContext, call: Call, sent: KubeObject): Promise<Reply> {
  const { handler } = call;
  checkSent(call, sent);
  dropRepeatedOwners(sent.metadata, call.warn);
  const change: Change = {
    ...mainChange(call),
    next(old) {
      checkVersion(call, sent, old);
      return copyOf(sent);
    },
  };
  try {
    return { view: await changeObject(context, call, change), code: 200 };
  } catch (error) {
    if (!handler.policy.createOnUpdate || !isReason(error, "NotFound")) throw error;
    if (sent.metadata.resourceVersion && sent.metadata.resourceVersion !== "0")
      throw conflict({ ...handler.target, name: call.name }, modified);
    delete sent.metadata.resourceVersion;
    return createObject(context, call, sent);
  }
}

/** What every change of the main resource does beside making the next state. */
export function mainChange(call: Call): Omit<Change, "next"> {
  const { handler } = call;
  return {
    allocates: true,
    finish(object, old) {
      if (handler.hasStatus) carryMember(object, old, "status");
      handler.rules.prepareForUpdate?.(object, old);
      countGeneration(handler, object, old);
    },
    validate: (object, old) => [
      ...(handler.schema.validate?.(object, old, call.warn) ?? []),
      ...(handler.rules.validate?.(object, old) ?? []),
      ...(handler.rules.validateUpdate?.(object, old) ?? []),
    ],
  };
}

/** Makes one top-level member what it was before. */
export function carryMember(object: KubeObject, old: Readonly<KubeObject>, name: string): void {
  const before = new Map<string, unknown>(Object.entries(old)).get(name);
  if (before === undefined) Reflect.deleteProperty(object, name);
  else Reflect.set(object, name, before);
}

/** Names and namespace of what was sent must be those of the request. */
export function checkSent(call: Call, sent: KubeObject): void {
  const metadata = (sent.metadata ??= {});
  if (metadata.name && metadata.name !== call.name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${call.name})`);
  if (!metadata.name) throw badRequest(`the name of the object (${call.name} based on URL) was undeterminable: name must be provided`);
  if (metadata.namespace && metadata.namespace !== call.namespace)
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
}

/** Throws conflict when the object was read at another version than the current one, or is another one of the same name. */
export function checkVersion(call: Call, sent: KubeObject, old: Readonly<KubeObject>): void {
  const { handler } = call;
  const { uid } = sent.metadata;
  if (uid && uid !== old.metadata.uid) {
    const key = `/registry/${handler.info.plural}/${call.namespace ? `${call.namespace}/` : ""}${call.name}`;
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`;
    throw conflict(
      { ...handler.target, name: call.name },
      `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`,
    );
  }
  checkResourceVersion(call, sent, old);
}

/** The part of checkVersion that holds for patches too. */
export function checkResourceVersion({ handler, name }: Call, sent: KubeObject, old: Readonly<KubeObject>): void {
  const { resourceVersion } = sent.metadata;
  if (!resourceVersion || resourceVersion === "0") {
    if (!handler.policy.needsResourceVersion) return;
    const message = "Invalid value: 0: must be specified for an update";
    throw invalid({ ...handler.target, name }, [{ reason: "FieldValueInvalid", field: "metadata.resourceVersion", message }]);
  }
  if (resourceVersion !== old.metadata.resourceVersion) throw conflict({ ...handler.target, name }, modified);
}
