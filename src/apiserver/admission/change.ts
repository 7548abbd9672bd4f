import { deepEqual } from "../../api/meta/equality.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { copyOf, untyped } from "../plain-data.ts";
import type { AdmissionRequest } from "./admission.ts";
import { converted, type Match } from "./matching.ts";

/** Makes what was changed, in the version that was shown, the request's object: pruned and with defaults. Gives whether it is another now. */
export async function changeObject(request: AdmissionRequest, { from, to }: Match, changed: KubeObject): Promise<boolean> {
  const subresource = from?.subresources.get(request.subresource);
  let next = changed;
  if (from && to && request.operation !== "CONNECT" && subresource?.shape !== "call") {
    // A Scale is only a window on the object: what it says of replicas is what can be changed through it.
    if (subresource && subresource.kind !== from.info.kind) return false;
    if (from !== to) to.schema.applyDefaults(changed);
    next = untyped(from.schema.prune(await converted(changed, to, from)).value);
    from.schema.applyDefaults(next);
    from.rules.default?.(next);
  }
  if (!request.object || deepEqual(next, request.object)) return false;
  replaceContent(request.object, copyOf<KubeObject>(next));
  return true;
}

/** Verbs hold on to the object that they gave: it becomes another in place. */
function replaceContent(object: KubeObject, next: KubeObject): void {
  for (const name of Object.keys(object)) if (!Object.hasOwn(next, name)) Reflect.deleteProperty(object, name);
  Object.assign(object, next);
}
