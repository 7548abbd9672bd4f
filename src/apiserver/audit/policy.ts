import type { RequestAttributes } from "../../api/user.ts";
import { anything, boolean, list, object, readConfiguration, text } from "../configuration/shape.ts";

/** How much of a request is told, from nothing to both bodies. */
export const levels = ["None", "Metadata", "Request", "RequestResponse"] as const;
/** When an event is made. */
export const stages = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] as const;

export type Level = (typeof levels)[number];
export type Stage = (typeof stages)[number];

/** What the policy wants to be told of a request. */
export interface Verdict {
  level: Level;
  omitStages: ReadonlySet<string>;
  omitManagedFields: boolean;
}

/** What a rule is compared with; nobody is known to send it when authentication has failed. */
export type AuditedAttributes = Omit<RequestAttributes, "user"> & { user: RequestAttributes["user"] | undefined };

/** Decides about requests by an audit policy. */
export type Policy = (attributes: AuditedAttributes) => Verdict;

const groupResources = object({ group: text, resources: list(text), resourceNames: list(text) });
const rule = object({
  level: text,
  ...{ users: list(text), userGroups: list(text), verbs: list(text), namespaces: list(text) },
  resources: list(groupResources),
  ...{ nonResourceURLs: list(text), omitStages: list(text), omitManagedFields: boolean },
});
const file = {
  versions: ["audit.k8s.io/v1"],
  kind: "Policy",
  fields: { metadata: anything, rules: list(rule), omitStages: list(text), omitManagedFields: boolean },
};

type Rule = ReturnType<typeof rule.read>;
type GroupResources = ReturnType<typeof groupResources.read>;

/** Reads a Policy (audit.k8s.io/v1, see "Auditing"). Throws an Error with the field's path and upstream's words. */
export function readPolicy(yaml: string): Policy {
  const { rules = [], omitStages = [], omitManagedFields = false } = readConfiguration(yaml, file);
  if (rules.length === 0) throw new Error("loaded illegal policy with 0 rules");
  checkStages(omitStages, "omitStages");
  const compiled = rules.map((one, i) => {
    checkRule(one, `rules[${i}]`);
    const level = levels.find((known) => known === one.level) ?? "None";
    const verdict: Verdict = {
      level,
      omitStages: new Set([...omitStages, ...(one.omitStages ?? [])]),
      omitManagedFields: one.omitManagedFields ?? omitManagedFields,
    };
    return { rule: one, verdict };
  });
  const otherwise: Verdict = { level: "None", omitStages: new Set(omitStages), omitManagedFields };
  return (attributes) => compiled.find((one) => matches(one.rule, attributes))?.verdict ?? otherwise;
}

function matches({ users, userGroups, verbs, namespaces, resources, nonResourceURLs }: Rule, attributes: AuditedAttributes): boolean {
  const { user } = attributes;
  if (users?.length && !(user && users.includes(user.name))) return false;
  if (userGroups?.length && !user?.groups.some((group) => userGroups.includes(group))) return false;
  if (verbs?.length && !verbs.includes(attributes.verb)) return false;
  if (namespaces?.length || resources?.length) {
    if (!attributes.isResource || (namespaces?.length && !namespaces.includes(attributes.namespace))) return false;
    return !resources?.length || resources.some((one) => matchesResource(one, attributes));
  }
  if (nonResourceURLs?.length) return !attributes.isResource && nonResourceURLs.some((spec) => matchesPath(spec, attributes.path));
  return true;
}

function matchesResource({ group = "", resources, resourceNames }: GroupResources, attributes: AuditedAttributes): boolean {
  const { resource, subresource, name } = attributes;
  if (group !== "*" && group !== attributes.group) return false;
  if (!resources?.length) return true;
  if (resourceNames?.length && !resourceNames.includes(name)) return false;
  const whole = subresource ? `${resource}/${subresource}` : resource;
  return resources.some((one) => one === "*" || one === whole || one === `${resource}/*` || (subresource && one === `*/${subresource}`));
}

function matchesPath(spec: string, path: string): boolean {
  return spec === path || (spec.endsWith("*") && path.startsWith(spec.replace(/\*+$/, "")));
}

function checkRule(one: Rule, at: string): void {
  const { level = "", nonResourceURLs = [], resources = [], namespaces = [] } = one;
  if (!level) throw new Error(`${at}.level: Required value`);
  if (!levels.some((known) => known === level)) {
    const known = levels.map((name) => JSON.stringify(name)).join(", ");
    throw new Error(`${at}.level: Unsupported value: ${JSON.stringify(level)}: supported values: ${known}`);
  }
  for (const [i, url] of nonResourceURLs.entries()) {
    const path = `${at}.nonResourceURLs[${i}]`;
    if (url !== "*" && !url.startsWith("/")) throw invalid(path, url, "non-resource URL rules must begin with a '/' character");
    if (url.slice(0, -1).includes("*")) throw invalid(path, url, "non-resource URL wildcards '*' must be the final character of the rule");
  }
  for (const { resources: names, resourceNames } of resources)
    if (resourceNames?.length && !names?.length)
      throw invalid(`${at}.resources.resourceNames`, resourceNames, "using resourceNames requires at least one resource");
  checkStages(one.omitStages ?? [], `${at}.omitStages`);
  if (nonResourceURLs.length > 0 && (resources.length > 0 || namespaces.length > 0))
    throw invalid(`${at}.nonResourceURLs`, nonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs");
}

function checkStages(given: readonly string[], at: string): void {
  for (const [i, stage] of given.entries())
    if (!stages.some((known) => known === stage)) throw invalid(`${at}[${i}]`, stage, `allowed stages are ${stages.join(",")}`);
}

function invalid(path: string, value: unknown, why: string): Error {
  return new Error(`${path}: Invalid value: ${JSON.stringify(value)}: ${why}`);
}
