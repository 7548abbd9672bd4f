import type { KubeObject } from "../../../api/meta/object.ts";
import type { ParamKind } from "../../../api/types/admissionregistration.v1.ts";
import type { Cluster } from "../matching.ts";
import type { ResourceHandler } from "../../resource-handler.ts";
import type { Binding } from "./policies.ts";

/** What serves a policy's parameters. Throws an Error when nothing does. */
export function paramHandler({ apiVersion = "", kind = "" }: ParamKind, { registry }: Cluster): ResourceHandler {
  const handler = registry.resources(apiVersion).find(({ info }) => info.kind === kind);
  if (handler) return handler;
  const name = apiVersion.includes("/") ? apiVersion : `/${apiVersion}`;
  throw new Error(`failed to find resource referenced by paramKind: '${name}, Kind=${kind}'`);
}

/** The parameters with which a binding has its policy evaluated, one after the other; null for none. Throws an Error for a wrong binding. */
export function paramsOf(
  handler: ResourceHandler | undefined,
  { spec: { paramRef }, params: selector }: Binding,
  namespace: string,
  { objects }: Cluster,
): (Readonly<KubeObject> | null)[] {
  if (!handler || !paramRef) return [null];
  const { info } = handler;
  const from = paramRef.namespace || namespace;
  if (info.namespaced && !from) throw new Error("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources");
  if (!info.namespaced && paramRef.namespace) throw new Error("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
  const where = info.namespaced ? from : undefined;
  const named = paramRef.name ? objects.get<KubeObject>(info, where, paramRef.name) : undefined;
  const found = paramRef.name
    ? named
      ? [named]
      : []
    : objects.list<KubeObject>(info, where).filter(({ metadata }) => selector.matches(metadata.labels));
  if (found.length === 0 && paramRef.parameterNotFoundAction === "Deny")
    throw new Error("no params found for policy binding with `Deny` parameterNotFoundAction");
  return found.map((object) => {
    const key = { resource: handler.storage, namespace: where ?? "", name: object.metadata.name ?? "" };
    return handler.view({ key, revision: 0, text: "", object }).object;
  });
}
