import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from "../../api/types/flowcontrol.v1.ts";
import type { UserInfo } from "../../api/user.ts";
import type { RequestPath } from "../request-path.ts";
import { serviceAccountUser } from "../authentication/index.ts";

/** Whether a user's request belongs to the flows of a schema; see "API Priority and Fairness". */
export function matches({ spec }: FlowSchema, path: RequestPath, user: UserInfo): boolean {
  return (spec.rules ?? []).some((rule) => rule.subjects.some((subject) => isMeant(subject, user)) && isAbout(rule, path));
}

/** What tells the flows of a schema apart: the user, the namespace, or nothing. */
export function distinguisherOf({ spec }: FlowSchema, path: RequestPath, user: UserInfo): string {
  const method = spec.distinguisherMethod?.type;
  return method === "ByUser" ? user.name : method === "ByNamespace" ? path.namespace : "";
}

/** The order in which schemas are tried. */
export function byPrecedence(a: FlowSchema, b: FlowSchema): number {
  const [first = 0, second = 0] = [a.spec.matchingPrecedence, b.spec.matchingPrecedence];
  return first - second || (a.metadata.name < b.metadata.name ? -1 : 1);
}

function isMeant({ kind, user: named, group, serviceAccount }: Subject, user: UserInfo): boolean {
  if (kind === "User") return named !== undefined && (named.name === "*" || named.name === user.name);
  if (kind === "Group") return group !== undefined && (group.name === "*" || user.groups.includes(group.name));
  if (!serviceAccount) return false;
  const { namespace, name } = serviceAccount;
  return name === "*" ? user.name.startsWith(serviceAccountUser(namespace, "")) : user.name === serviceAccountUser(namespace, name);
}

function isAbout({ resourceRules, nonResourceRules }: PolicyRulesWithSubjects, path: RequestPath): boolean {
  return path.isResource
    ? (resourceRules ?? []).some((rule) => isOfResource(rule, path))
    : (nonResourceRules ?? []).some((rule) => isOfPath(rule, path));
}

function isOfResource(rule: ResourcePolicyRule, { verb, group, resource, subresource, namespace }: RequestPath): boolean {
  return (
    has(rule.verbs, verb) &&
    has(rule.resources, subresource ? `${resource}/${subresource}` : resource) &&
    has(rule.apiGroups, group) &&
    (namespace === "" ? rule.clusterScope === true : has(rule.namespaces, namespace))
  );
}

function isOfPath({ verbs, nonResourceURLs }: NonResourcePolicyRule, { verb, path }: RequestPath): boolean {
  return has(verbs, verb) && nonResourceURLs.some((url) => url === "*" || url === path || path.startsWith(url.replace(/\/?\*?$/, "/")));
}

function has(values: readonly string[] | undefined, value: string): boolean {
  return values !== undefined && (values[0] === "*" || values.includes(value));
}
