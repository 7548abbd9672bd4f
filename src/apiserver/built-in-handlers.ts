import { fromV1, toV1 } from "../api/autoscaling/conversion.ts";
import { fromCoreEvent, toCoreEvent } from "../api/core/events-event.ts";
import type { KindRules } from "../api/kind.ts";
import type { KubeObject } from "../api/meta/object.ts";
import { builtInResources, type ResourceInfo } from "../api/resource.ts";
import { compileType } from "../api/schema/compiled.ts";
import discovery from "../api/schema/discovery.json" with { type: "json" };
import type { StoredObject } from "../store/store.ts";
import type { ResourceHandler, ResourceHooks, Subresource, View, VirtualResource } from "./resource-handler.ts";
import { copyOf, typed, untyped } from "./plain-data.ts";
import { policyOf } from "./resource-policy.ts";
import { storageOf } from "./store-objects.ts";
import { viewOf } from "./resource-handler.ts";

/** What a resource adds to what the facts say of it, by "group/plural". */
export interface Special {
  hooks?: ResourceHooks;
  virtual?: VirtualResource;
  /** Made after the handler, which they may use. */
  subresources?: (handler: ResourceHandler) => Record<string, Subresource>;
}

/** How a version is made from the stored one and back, by "group/version plural". */
const conversions: Record<string, { show: (stored: Readonly<KubeObject>) => KubeObject; store: (object: KubeObject) => KubeObject }> = {
  "events.k8s.io/v1 events": {
    show: (stored) => copyOf(untyped(fromCoreEvent(typed(stored)))),
    store: (object) => untyped(toCoreEvent(typed(object))),
  },
  "autoscaling/v1 horizontalpodautoscalers": {
    show: (stored) => copyOf(untyped(toV1(typed(stored)))),
    store: (object) => untyped(fromV1(typed(object))),
  },
};

/** Kinds whose first status the creator gives. */
const keepsStatus = new Set(["/nodes"]);

/** The handlers of all built-in resources. */
export function builtInHandlers(rulesOf: (info: ResourceInfo) => KindRules, special: (id: string) => Special): ResourceHandler[] {
  return builtInResources().map((info) => builtInHandler(info, rulesOf(info), special(`${info.group}/${info.plural}`)));
}

function builtInHandler(info: ResourceInfo, rules: KindRules, special: Special): ResourceHandler {
  if (!info.type) throw new Error(`no type for ${info.groupVersion} ${info.kind}`);
  const id = `${info.group}/${info.plural}`;
  const subresources = new Map<string, Subresource>();
  const hasStatus = "status" in info.subresources;
  const handler: ResourceHandler = {
    info,
    storage: storageOf(info),
    listKind: `${info.kind}List`,
    rules,
    schema: compileType(info.type),
    policy: policyOf(info),
    hooks: special.hooks ?? {},
    target: { group: info.group, kind: info.plural },
    // Events of both groups are refused by the name that the older one has for them.
    kindTarget: { group: info.group === "events.k8s.io" ? "" : info.group, kind: info.kind },
    columns: discovery.columns[`${info.groupVersion} ${info.plural}`] ?? [],
    fields: rules.fields,
    hasStatus,
    clearsStatus: hasStatus && !keepsStatus.has(id),
    subresources,
    ...converted(info),
    ...(special.virtual ? { virtual: special.virtual } : {}),
  };
  for (const [name, subresource] of Object.entries(special.subresources?.(handler) ?? {})) subresources.set(name, subresource);
  return handler;
}

function converted(info: ResourceInfo): Pick<ResourceHandler, "view" | "toStorage"> {
  const conversion = conversions[`${info.groupVersion} ${info.plural}`];
  if (!conversion) return { view: (stored) => stored, toStorage: (object) => object };
  return { view: cachedView(conversion.show), toStorage: conversion.store };
}

/** Views of another version than the stored one, made once for everybody. */
export function cachedView(show: (stored: Readonly<KubeObject>) => KubeObject): (stored: StoredObject) => View {
  const views = new WeakMap<StoredObject, View>();
  return (stored) => {
    let view = views.get(stored);
    if (!view) views.set(stored, (view = viewOf(show(stored.object), stored.managed)));
    return view;
  };
}
