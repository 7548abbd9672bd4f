import type { KubeObject } from "../../../api/meta/object.ts";
import { Namespaces } from "../../../api/types/resources.ts";
import { notFound } from "../../../api/errors.ts";
import type { StoredObject } from "../../../store/store.ts";
import type { Objects } from "../../objects.ts";
import { copyOf } from "../../plain-data.ts";
import type { Registry } from "../../registry.ts";
import type { ResourceHandler } from "../../resource-handler.ts";
import type { AdmissionRequest } from "../admission.ts";
import type { Webhook } from "./configurations.ts";
import { type RuleTarget, ruleMatches } from "./rules.ts";

/** A webhook that is to be called, and the version of the resource that it wants to see. */
export interface Invocation {
  webhook: Webhook;
  /** The version in which the request came; undefined for a resource that the registry does not have. */
  from: ResourceHandler | undefined;
  to: ResourceHandler | undefined;
}

/** Configurations of admission are out of its reach: otherwise a broken one could not be removed. */
export function isExempt({ resource }: AdmissionRequest): boolean {
  return resource.group === "admissionregistration.k8s.io";
}

/** The call that the webhook wants to have for the request, if any. Throws notFound for a namespace that is not there. */
export function invocationOf(
  webhook: Webhook,
  request: AdmissionRequest,
  { objects, registry }: { objects: Objects; registry: Registry },
): Invocation | undefined {
  const { resource } = request;
  const from = registry.find(resource.groupVersion, resource.plural);
  const matches = (target: RuleTarget): boolean =>
    (webhook.spec.rules ?? []).some((rule) => ruleMatches(rule, target, { ...pick(request), namespaced: !!request.namespace }));
  let to: ResourceHandler | undefined = from;
  if (!matches({ group: resource.group, version: resource.version, resource: resource.plural })) {
    if (webhook.spec.matchPolicy !== "Equivalent" || !from) return undefined;
    const others = registry.equivalents(from).filter((other) => other !== from);
    to = others.find(({ info }) => matches({ group: info.group, version: info.version, resource: info.plural }));
    if (!to) return undefined;
  }
  if (!namespaceMatches(webhook, request, objects) || !objectMatches(webhook, request)) return undefined;
  return { webhook, from, to };
}

function pick({ operation, subresource }: AdmissionRequest): Pick<AdmissionRequest, "operation" | "subresource"> {
  return { operation, subresource };
}

function namespaceMatches({ namespaces }: Webhook, request: AdmissionRequest, objects: Objects): boolean {
  if (namespaces.everything) return true;
  const { resource, subresource, operation, object } = request;
  const isNamespace = resource.group === "" && resource.plural === "namespaces";
  if (!request.namespace && !isNamespace) return true;
  const writes = operation === "CREATE" || operation === "UPDATE";
  // A namespace that is being written is not there yet as it will be.
  if (isNamespace && subresource === "" && writes) return namespaces.matches(object?.metadata.labels);
  const name = isNamespace ? request.name : request.namespace;
  const namespace = objects.get(Namespaces, undefined, name);
  if (!namespace) throw notFound({ kind: "namespaces", name });
  return namespaces.matches(namespace.metadata.labels);
}

/** The object before or after: taking a label off does not take an object out of the webhook's sight. */
function objectMatches({ objects }: Webhook, { object, old, operation }: AdmissionRequest): boolean {
  if (objects.everything) return true;
  if (operation === "CONNECT") return false;
  return [object, old].some((one) => one !== undefined && objects.matches(one.metadata?.labels));
}

/** The object as the other handler's version shows it: a copy that may be changed. */
export function converted(object: Readonly<KubeObject>, from: ResourceHandler, to: ResourceHandler): KubeObject {
  const copy = copyOf<KubeObject>(object);
  if (from === to) return copy;
  const inStorage = from.toStorage(copy);
  const key = { resource: from.storage, namespace: copy.metadata.namespace ?? "", name: copy.metadata.name ?? "" };
  const stored: StoredObject = { key, revision: 0, text: "", object: inStorage };
  return copyOf<KubeObject>(to.view(stored).object);
}
