import { notFound } from "../../api/errors.ts";
import { type Selector, selectorOfLabelSelector } from "../../api/meta/labels.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { MatchResources, NamedRuleWithOperations } from "../../api/types/admissionregistration.v1.ts";
import { Namespaces } from "../../api/types/resources.ts";
import type { StoredObject } from "../../store/store.ts";
import type { Objects } from "../objects.ts";
import { copyOf } from "../plain-data.ts";
import type { Registry } from "../registry.ts";
import type { ResourceHandler } from "../resource-handler.ts";
import type { AdmissionRequest } from "./admission.ts";
import { type RuleTarget, ruleMatches } from "./rules.ts";

/** Which requests a webhook, a policy or a binding is about. */
export interface Criteria {
  rules: readonly NamedRuleWithOperations[];
  /** Whether all requests are meant, as of a binding without rules. */
  all: boolean;
  excluded: readonly NamedRuleWithOperations[];
  /** Whether a rule for another version of the resource counts as well. */
  equivalent: boolean;
  namespaces: Selector;
  objects: Selector;
}

/** How a request is seen by what matches it. */
export interface Match {
  /** The version in which the request came; undefined for a resource that the registry does not have. */
  from: ResourceHandler | undefined;
  /** The version that the rule names. */
  to: ResourceHandler | undefined;
}

/** What matching needs to know of the cluster. */
export interface Cluster {
  objects: Objects;
  registry: Registry;
}

/** The criteria of a configuration, made ready. */
export function criteriaOf(match: MatchResources, all = false): Criteria {
  const { resourceRules, excludeResourceRules, matchPolicy, namespaceSelector, objectSelector } = match;
  return {
    rules: resourceRules ?? [],
    all: all && !resourceRules?.length,
    excluded: excludeResourceRules ?? [],
    equivalent: matchPolicy === "Equivalent",
    namespaces: selectorOfLabelSelector(namespaceSelector ?? {}),
    objects: selectorOfLabelSelector(objectSelector ?? {}),
  };
}

/** Configurations of admission are out of their own reach: otherwise a broken one could not be removed. */
export function isExempt({ resource }: AdmissionRequest): boolean {
  return resource.group === "admissionregistration.k8s.io";
}

/** Whether and how the request is meant. Throws notFound for a namespace that is not there. */
export function matchOf(criteria: Criteria, request: AdmissionRequest, { objects, registry }: Cluster): Match | undefined {
  const match = ruleMatchOf(criteria, request, registry, true);
  if (!match) return undefined;
  return namespaceMatches(criteria.namespaces, request, objects) && objectMatches(criteria.objects, request) ? match : undefined;
}

/** As matchOf, by the rules alone; without names also those count that name certain objects. */
export function ruleMatchOf(criteria: Criteria, request: AdmissionRequest, registry: Registry, byName: boolean): Match | undefined {
  const { resource } = request;
  const from = registry.find(resource.groupVersion, resource.plural);
  const any = (rules: readonly NamedRuleWithOperations[], target: RuleTarget): boolean =>
    rules.some(
      (rule) =>
        ruleMatches(rule, target, { operation: request.operation, subresource: request.subresource, namespaced: !!request.namespace }) &&
        (!rule.resourceNames?.length || (byName ? rule.resourceNames.includes(request.name) : rules === criteria.rules)),
    );
  const named = (rules: readonly NamedRuleWithOperations[]): Match | undefined => {
    if (any(rules, { group: resource.group, version: resource.version, resource: resource.plural })) return { from, to: from };
    if (!criteria.equivalent || !from || rules.length === 0) return undefined;
    const others = registry.equivalents(from).filter((other) => other !== from);
    const to = others.find(({ info }) => any(rules, { group: info.group, version: info.version, resource: info.plural }));
    return to && { from, to };
  };
  const match = criteria.all ? { from, to: from } : named(criteria.rules);
  return match && !named(criteria.excluded) ? match : undefined;
}

function namespaceMatches(namespaces: Selector, request: AdmissionRequest, objects: Objects): boolean {
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
function objectMatches(objects: Selector, { object, old, operation }: AdmissionRequest): boolean {
  if (objects.everything) return true;
  if (operation === "CONNECT") return false;
  return [object, old].some((one) => one !== undefined && objects.matches(one.metadata?.labels));
}

/** The object as the other handler's version shows it: a copy that may be changed. Rejects with what its conversion webhook does not do. */
export async function converted(object: Readonly<KubeObject>, from: ResourceHandler, to: ResourceHandler): Promise<KubeObject> {
  if (from !== to && from.conversion) return from.conversion.convert(object, to.info.groupVersion);
  const copy = copyOf<KubeObject>(object);
  if (from === to) return copy;
  const inStorage = from.toStorage(copy);
  const key = { resource: from.storage, namespace: copy.metadata.namespace ?? "", name: copy.metadata.name ?? "" };
  const stored: StoredObject = { key, revision: 0, text: "", object: inStorage };
  return copyOf<KubeObject>(to.view(stored).object);
}
