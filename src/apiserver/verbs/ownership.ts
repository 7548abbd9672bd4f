import { isReason } from "../../api/errors.ts";
import { compareObjects } from "../../api/meta/apply/comparison.ts";
import { Comparison } from "../../api/meta/apply/difference.ts";
import { intersection, isEmptySet } from "../../api/meta/apply/field-set.ts";
import { ManagedFields, type Manager, managerOf } from "../../api/meta/apply/managed-fields.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { type SchemaNode, schemaOf } from "../../api/schema/node.ts";
import { isJsonObject } from "../../api/schema/struct.ts";
import type { ManagedFieldsEntry } from "../../api/types/meta.v1.ts";
import type { Call } from "../call.ts";
import type { ResourceHandler } from "../resource-handler.ts";
import { timestamp, type VerbContext } from "./context.ts";

/** The schema by which fields of a resource's objects have owners; undefined where nobody owns any. */
export function nodeOf({ info, schema }: ResourceHandler): SchemaNode | undefined {
  return info.type ? schemaOf(info.type) : schema.node;
}

/** Who makes the call: the field manager that the client names, the server itself when nobody is named. */
export function writerOf({ fieldManager = "kube-apiserver", handler, subresource }: Call, operation: Manager["operation"]): Manager {
  return managerOf(fieldManager, operation, handler.info.groupVersion, subresource);
}

let lastSecond = { of: 0, text: "" };

/** The time as managedFields has it; in one second the same text. */
export function ownershipTime({ clock }: VerbContext): string {
  const second = Math.floor(clock.now() / 1000);
  if (second !== lastSecond.of) lastSecond = { of: second, text: timestamp(second * 1000) };
  return lastSecond.text;
}

const newObjects = new WeakMap<ResourceHandler, object>();
const status: readonly string[] = ["status"];
const spec: readonly string[] = ["spec"];

/** The part of the object that the call does not write, whatever was sent. */
function unwritten({ handler, subresource }: Call): readonly string[] | undefined {
  if (subresource === "status") return spec;
  if (!subresource && handler.info.plural === "certificatesigningrequests") return [...spec, ...status];
  return !subresource && handler.hasStatus ? status : undefined;
}

/** What Go has before anything is set: structs in it are no fields that a creator adds. */
function newObject(handler: ResourceHandler): object {
  let object = newObjects.get(handler);
  if (!object) {
    newObjects.set(handler, (object = {}));
    if (handler.info.type) handler.schema.applyDefaults(object, "bare");
  }
  return object;
}

/** How two states differ; undefined where a list has items that cannot be told apart: nobody owns anything of such an object. */
function compared(call: Call, before: object, after: object, node: SchemaNode): Comparison | undefined {
  try {
    return compareObjects(before, after, node, unwritten(call));
  } catch (error) {
    if (isReason(error, "BadRequest")) return undefined;
    throw error;
  }
}

/** Who owns the fields of an object as its creator sent it, with the schema's defaults; before anybody else adds to it. */
export function managedAfterCreate(context: VerbContext, call: Call, object: KubeObject): ManagedFields | undefined {
  const { handler } = call;
  const node = nodeOf(handler);
  if (!node) return undefined;
  const changed = compared(call, newObject(handler), object, node)?.changed;
  return !changed || changed.isEmpty
    ? undefined
    : ManagedFields.of([{ by: writerOf(call, "Update"), time: ownershipTime(context), set: changed }]);
}

/** Who owns the fields after a change that is no apply. Where nobody owned anything, nobody does: only creating and applying begin it. */
export function managedAfterUpdate(
  context: VerbContext,
  call: Call,
  states: { object: KubeObject; old: Readonly<KubeObject> },
  managed: ManagedFields | undefined,
): ManagedFields | undefined {
  const node = managed && nodeOf(call.handler);
  if (!node) return managed;
  const comparison = compared(call, states.old, states.object, node);
  if (!comparison) return undefined;
  if (call.subresource === "scale") return managedAfterScale(call, states.object, managed, comparison);
  return managed.afterUpdate(comparison, writerOf(call, "Update"), ownershipTime(context));
}

/**
 * As upstream's Scale has it: no replicas are like none, which nobody owns; who scales what nobody owns does not begin to own it; and
 * there is no time.
 */
function managedAfterScale(call: Call, object: KubeObject, managed: ManagedFields, comparison: Comparison): ManagedFields | undefined {
  const { changed } = comparison;
  const scale = call.handler.subresources.get("scale");
  const shown = scale?.shape === "object" ? Reflect.get(scale.show(object), "spec") : undefined;
  const replicas = changed.fields;
  if (managed.owners.every(({ set }) => isEmptySet(intersection(set.fields, replicas)))) return managed;
  const isNone = isJsonObject(shown) && shown["replicas"] === undefined;
  return managed.afterUpdate(isNone ? Comparison.removing(changed) : comparison, writerOf(call, "Update"), undefined);
}

/** What the ownership is before a change: mostly what it was, but clients may migrate it, or forget it by an empty list or entry. */
export function managedSent(live: ManagedFields | undefined, sent: readonly ManagedFieldsEntry[] | undefined): ManagedFields | undefined {
  if (!sent) return live;
  const [first] = sent;
  if (sent.length <= 1 && (!first || Object.keys(first).length === 0)) return undefined;
  return JSON.stringify(sent) === live?.text ? live : ManagedFields.fromEntries(sent);
}
