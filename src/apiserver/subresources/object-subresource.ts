import { methodNotAllowed, notFound } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { mergeValues } from "../../api/meta/apply/typed-values.ts";
import { schemaOf } from "../../api/schema/node.ts";
import { isJsonObject } from "../../api/schema/struct.ts";
import type { Call } from "../call.ts";
import { copyOf, untyped } from "../plain-data.ts";
import { type ObjectSubresource, type Reply, type View, viewOf } from "../resource-handler.ts";
import { applyNode, appliedToSubresource, configurationOf } from "../verbs/apply.ts";
import { type Change, changeObject, countGeneration } from "../verbs/change.ts";
import { keyOfCall, type ReadContext, type VerbContext } from "../verbs/context.ts";
import { type PatchInput, patched } from "../verbs/patch.ts";
import { viewWhenReady } from "../verbs/ready.ts";
import { carryMember, checkSent, checkVersion } from "../verbs/update.ts";

/** Shows a subresource of the newest committed state, or of a past one. */
export function getSubresource(context: ReadContext, call: Call, subresource: ObjectSubresource): View | Promise<View> {
  if (!subresource.verbs.includes("get")) throw methodNotAllowed();
  const stored = context.store.get(keyOfCall(call));
  if (!stored) throw notFound({ ...call.handler.target, name: call.name });
  const view = viewWhenReady(call.handler, stored);
  return view instanceof Promise ? view.then((ready) => shown(ready, subresource)) : shown(view, subresource);
}

/** Replaces a subresource by what was sent, which is given away. */
export async function updateSubresource(
  context: VerbContext,
  call: Call,
  subresource: ObjectSubresource,
  sent: KubeObject,
): Promise<Reply> {
  checkSent(call, sent);
  const view = await changeObject(context, call, {
    ...subresourceChange(call, subresource),
    next(old) {
      checkVersion(call, sent, old);
      return subresource.merge(old, copyOf(sent), call);
    },
  });
  return { view: shown(view, subresource), code: 200 };
}

/** Patches a subresource as it is shown. */
export async function patchSubresource(
  context: VerbContext,
  call: Call,
  subresource: ObjectSubresource,
  patch: PatchInput,
): Promise<Reply> {
  if (!subresource.verbs.includes("patch")) throw methodNotAllowed();
  if (patch.type === "apply") return applySubresource(context, call, subresource, patch);
  const view = await changeObject(context, call, {
    ...subresourceChange(call, subresource),
    next(old) {
      const sent = patched(call.handler, subresource, patchable(subresource, old, patch), patch);
      checkSent(call, sent);
      checkVersion(call, sent, old);
      return subresource.merge(old, sent, call);
    },
  });
  return { view: shown(view, subresource), code: 200 };
}

async function applySubresource(context: VerbContext, call: Call, subresource: ObjectSubresource, patch: PatchInput): Promise<Reply> {
  const node = subresource.type ? schemaOf(subresource.type) : applyNode(call.handler);
  const config = configurationOf(patch, subresource, node);
  config.metadata ??= {};
  if (subresource.kind === "Scale") config.metadata.name ||= call.name;
  checkSent(call, config);
  const view = await changeObject(context, call, {
    ...subresourceChange(call, subresource),
    next(old, managed) {
      const shownOne = subresource.show(old);
      const sent = untyped(subresource.schema.prune(mergeValues(shownOne, config, node)).value);
      checkVersion(call, sent, old);
      return appliedToSubresource(context, call, subresource, { old, managed, sent, config }, patch.force === true);
    },
  });
  return { view: shown(view, subresource), code: 200 };
}

/** What a patch has to be made on: what is shown, or the part of it that the patch speaks of. */
function patchable(subresource: ObjectSubresource, old: Readonly<KubeObject>, { type, body }: PatchInput): KubeObject {
  const all = subresource.show(old);
  const { writes } = subresource;
  if (!writes || type === "json" || !isJsonObject(body) || !Object.keys(body).every((name) => writes.includes(name))) return all;
  const part: KubeObject = { apiVersion: all.apiVersion, kind: all.kind, metadata: all.metadata };
  for (const name of writes) Reflect.set(part, name, Reflect.get(all, name));
  return part;
}

function subresourceChange(call: Call, subresource: ObjectSubresource): Omit<Change, "next"> {
  const isComplete = subresource.writes !== undefined;
  return {
    isComplete,
    finish(object, old) {
      if (isComplete) carryMember(object, old, "spec");
      if (call.subresource !== "status") countGeneration(call.handler, object, old);
    },
    validate: subresource.validate,
  };
}

function shown(view: View, subresource: ObjectSubresource): View {
  const object = subresource.show(view.object);
  return object === view.object ? view : viewOf(object);
}
