import { methodNotAllowed, notFound } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Call, ListOptions } from "../call.ts";
import { type View, type VirtualResource, viewOf } from "../resource-handler.ts";
import type { ReadContext } from "./context.ts";
import type { Listed } from "./list.ts";

/** One object of a resource that is not stored. Throws notFound. */
export function getVirtual(call: Call, virtual: VirtualResource): View | Promise<View> {
  if (!virtual.list) throw methodNotAllowed();
  const find = (objects: readonly KubeObject[]): View => {
    const found = objects.find(({ metadata }) => metadata.name === call.name);
    if (!found) throw notFound({ ...call.handler.target, name: call.name });
    return viewOf(found);
  };
  const objects = virtual.list(call, {});
  return objects instanceof Promise ? objects.then(find) : find(objects);
}

/** All objects of a resource that is not stored. */
export function listVirtual(context: ReadContext, call: Call, virtual: VirtualResource, options: ListOptions): Listed | Promise<Listed> {
  const { listKind: kind, info } = call.handler;
  const listed = (objects: readonly KubeObject[]): Listed => ({
    kind,
    apiVersion: info.groupVersion,
    items: objects.map((object) => viewOf(object)),
    metadata: { resourceVersion: String(context.store.revision) },
  });
  const objects = virtual.list?.(call, options) ?? [];
  return objects instanceof Promise ? objects.then(listed) : listed(objects);
}
