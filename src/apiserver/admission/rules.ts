import type { RuleWithOperations } from "../../api/types/admissionregistration.v1.ts";
import type { AdmissionRequest } from "./admission.ts";

/** What of a request rules look at. */
export interface RuleTarget {
  group: string;
  version: string;
  resource: string;
}

/** The request, as far as it is the same for every version of the resource. */
export type RuleRequest = Pick<AdmissionRequest, "operation" | "subresource"> & { namespaced: boolean };

/** Whether the rule is about such requests. */
export function ruleMatches(rule: RuleWithOperations, { group, version, resource }: RuleTarget, request: RuleRequest): boolean {
  return (
    scopeMatches(rule.scope, request.namespaced) &&
    has(rule.operations, request.operation) &&
    has(rule.apiGroups, group) &&
    has(rule.apiVersions, version) &&
    (rule.resources ?? []).some((one) => resourceMatches(one, resource, request.subresource))
  );
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return !!list && (list.includes("*") || list.includes(value));
}

/** "pods", "pods/log", "pods/*", "*", "*\/scale", "*\/*": a name alone means no subresource. */
function resourceMatches(wanted: string, resource: string, subresource: string): boolean {
  const [name, sub = ""] = wanted.split("/", 2);
  return (name === "*" || name === resource) && (sub === "*" || sub === subresource);
}

/** Namespaces themselves are of the cluster, though they are asked for by a namespace's name. */
function scopeMatches(scope: string | undefined, namespaced: boolean): boolean {
  return !scope || scope === "*" || (scope === "Namespaced") === namespaced;
}
