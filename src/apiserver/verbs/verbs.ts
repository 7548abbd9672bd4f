import { methodNotAllowed, unknownResource } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Call, DeleteOptions, ListOptions, WatchOptions } from "../call.ts";
import type { ObjectSchema, Reply, Subresource, View } from "../resource-handler.ts";
import { createSubresource } from "../subresources/call-subresource.ts";
import { getSubresource, patchSubresource, updateSubresource } from "../subresources/object-subresource.ts";
import { prepareWatch, type Watch } from "../watch/watch.ts";
import type { VerbContext } from "./context.ts";
import { createObject } from "./create.ts";
import { deleteObject } from "./delete.ts";
import { deleteCollection } from "./delete-collection.ts";
import { getObject } from "./get.ts";
import { type Listed, listObjects } from "./list.ts";
import { type PatchInput, patchObject } from "./patch.ts";
import { updateObject } from "./update.ts";
import { getVirtual, listVirtual } from "./virtual.ts";

/** What the body of a write has to be. */
export interface BodyKind {
  schema: ObjectSchema;
  type: string | undefined;
  apiVersion: string;
  kind: string;
}

/** All verbs on resources and their subresources, for requests that are authorised already. Objects given are given away. */
export class Verbs {
  readonly context: VerbContext;

  constructor(context: VerbContext) {
    this.context = context;
  }

  get(call: Call): View | Promise<View> {
    const subresource = subresourceOf(call);
    const context = call.past ?? this.context;
    if (subresource) {
      if (subresource.shape !== "object") throw methodNotAllowed();
      return getSubresource(context, call, subresource);
    }
    return call.handler.virtual ? getVirtual(call, call.handler.virtual) : getObject(context, call);
  }

  list(call: Call, options: ListOptions): Listed | Promise<Listed> {
    needVerb(call, "list");
    const context = call.past ?? this.context;
    return call.handler.virtual ? listVirtual(context, call, call.handler.virtual, options) : listObjects(context, call, options);
  }

  watch(call: Call, options: WatchOptions): Watch {
    needVerb(call, "watch");
    return prepareWatch(this.context, call, options);
  }

  create(call: Call, sent: KubeObject): Promise<Reply> {
    const subresource = subresourceOf(call);
    if (subresource) {
      if (subresource.shape !== "call") throw methodNotAllowed();
      return createSubresource(this.context, call, subresource, sent);
    }
    needVerb(call, "create");
    return createObject(this.context, call, sent);
  }

  update(call: Call, sent: KubeObject): Promise<Reply> {
    const subresource = subresourceOf(call);
    if (!subresource) {
      needVerb(call, "update");
      return updateObject(this.context, call, sent);
    }
    if (subresource.shape !== "object") throw methodNotAllowed();
    return updateSubresource(this.context, call, subresource, sent);
  }

  patch(call: Call, patch: PatchInput): Promise<Reply> {
    const subresource = subresourceOf(call);
    if (!subresource) {
      needVerb(call, "patch");
      return patchObject(this.context, call, patch);
    }
    if (subresource.shape !== "object") throw methodNotAllowed();
    return patchSubresource(this.context, call, subresource, patch);
  }

  delete(call: Call, options: DeleteOptions): Promise<Reply> {
    needVerb(call, "delete");
    if (call.subresource) throw methodNotAllowed();
    return deleteObject(this.context, call, options);
  }

  deleteCollection(call: Call, options: DeleteOptions, selection: ListOptions): Promise<Listed> {
    needVerb(call, "deletecollection");
    return deleteCollection(this.context, call, options, selection);
  }

  /** What a create or update of the call's target takes as its body. */
  bodyKind(call: Call): BodyKind {
    const subresource = subresourceOf(call);
    const { info, schema } = call.handler;
    if (!subresource) return { schema, type: info.type, apiVersion: info.groupVersion, kind: info.kind };
    return { schema: subresource.schema, type: subresource.type, apiVersion: subresource.apiVersion, kind: subresource.kind };
  }
}

function subresourceOf(call: Call): Subresource | undefined {
  if (!call.subresource) return undefined;
  const subresource = call.handler.subresources.get(call.subresource);
  if (!subresource) throw unknownResource();
  return subresource;
}

function needVerb(call: Call, verb: string): void {
  if (!call.handler.info.verbs.includes(verb)) throw methodNotAllowed();
}
