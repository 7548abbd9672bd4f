import { forbidden, notFound } from "../../api/errors.ts";
import type { ClusterRole, PolicyRule, Role, RoleBinding } from "../../api/types/rbac.v1.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission/admission.ts";
import { aggregate, type Rbac } from "./rbac.ts";

const group = "rbac.authorization.k8s.io";

/** What the check needs: the user's rules, and whether a verb is allowed. */
export interface EscalationOptions {
  rbac: Rbac;
  isAllowed(attributes: RequestAttributes): boolean | Promise<boolean>;
}

/**
 * Nobody can grant rights that they do not hold: checked at each write of a role or binding ("Privilege escalation prevention and
 * bootstrapping"). The verbs escalate (on roles) and bind (on the role bound) lift it.
 */
export function escalationPrevention(options: EscalationOptions): AdmissionPlugin {
  return {
    name: "RBACEscalation",
    resources: ["roles", "clusterroles", "rolebindings", "clusterrolebindings"].map((plural) => `${plural}.${group}`),
    validate(request) {
      if (request.resource.group !== group || request.subresource !== "" || !request.object) return;
      if (request.operation !== "CREATE" && request.operation !== "UPDATE") return;
      if (request.user.groups.includes("system:masters") || isUnchanged(request)) return;
      switch (request.resource.plural) {
        case "roles":
        case "clusterroles":
          return checkRole(options, request, request.object as Role | ClusterRole); // The resource says which kind it is.
        case "rolebindings":
        case "clusterrolebindings":
          return checkBinding(options, request, request.object as RoleBinding); // The same fields in both kinds.
      }
    },
  };
}

/** Only what the garbage collector or a label changes: no rights are granted by it. */
function isUnchanged({ object, old }: AdmissionRequest): boolean {
  if (!object || !old) return false;
  const granted = ({ metadata: _metadata, ...rest }: object & { metadata: unknown }): string => JSON.stringify(rest, sorted);
  return granted(object) === granted(old);
}

function sorted(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function checkRole(options: EscalationOptions, request: AdmissionRequest, role: Role | ClusterRole): Promise<void> | void {
  const name = request.name || role.metadata.name;
  const everything = [
    { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    { verbs: ["*"], nonResourceURLs: ["*"] },
  ];
  const rules = "aggregationRule" in role && role.aggregationRule ? everything : (role.rules ?? []);
  return unlessAllowed(options, attributesFor(request, "escalate", request.resource.plural, name), () => confirm(options, request, rules));
}

/** Checks only who has not been allowed to go beyond his own rights. */
function unlessAllowed({ isAllowed }: EscalationOptions, attributes: RequestAttributes, check: () => void): Promise<void> | void {
  const allowed = isAllowed(attributes);
  if (allowed instanceof Promise) return allowed.then((yes) => (yes ? undefined : check()));
  if (!allowed) check();
}

function checkBinding(options: EscalationOptions, request: AdmissionRequest, { roleRef }: RoleBinding): Promise<void> | void {
  const plural = roleRef.kind === "Role" ? "roles" : "clusterroles";
  return unlessAllowed(options, attributesFor(request, "bind", plural, roleRef.name), () => {
    const rules = options.rbac.rulesOf(roleRef, request.namespace);
    if (!rules) throw notFound({ group, kind: plural, name: roleRef.name });
    const wanted = rules.map(({ rule }) => rule);
    confirm(options, request, wanted);
  });
}

function attributesFor(request: AdmissionRequest, verb: string, plural: string, name: string): RequestAttributes {
  const { user, namespace } = request;
  return { user, verb, isResource: true, path: "", group, version: "v1", resource: plural, subresource: "", namespace, name };
}

function confirm({ rbac }: EscalationOptions, request: AdmissionRequest, wanted: readonly PolicyRule[]): void {
  const { user } = request;
  const held = rbac.rulesFor(user, request.namespace);
  const missing = missingRules(held.rules, wanted);
  if (missing.length === 0) return;
  const errors = held.errors.length > 0 ? `; resolution errors: ${aggregate(held.errors)}` : "";
  const why = `user ${JSON.stringify(user.name)} (groups=${quoted(groupsOf(user))}) is attempting to grant RBAC permissions not currently held:`;
  const name = request.name || request.object?.metadata.name;
  throw forbidden({ group, kind: request.resource.plural, name }, `${why}\n${describeRules(missing).join("\n")}${errors}`);
}

function groupsOf(user: UserInfo): readonly string[] {
  return user.groups;
}

/** The parts of the wanted rules, one verb, group and resource each, that the held ones do not cover. */
export function missingRules(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakdown).filter((part) => !held.some((rule) => covers(rule, part)));
}

function breakdown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) parts.push({ nonResourceURLs: [url], verbs: [verb] });
    for (const apiGroup of rule.apiGroups ?? [])
      for (const resource of rule.resources ?? [])
        for (const name of rule.resourceNames?.length ? rule.resourceNames : [undefined])
          parts.push({
            apiGroups: [apiGroup],
            resources: [resource],
            ...(name === undefined ? {} : { resourceNames: [name] }),
            verbs: [verb],
          });
  }
  return parts;
}

function covers(held: PolicyRule, part: PolicyRule): boolean {
  const has = (list: readonly string[] | undefined, value: string | undefined): boolean =>
    value === undefined || (list ?? []).includes("*") || (list ?? []).includes(value);
  if (!has(held.verbs, part.verbs[0])) return false;
  const url = part.nonResourceURLs?.[0];
  if (url !== undefined)
    return (held.nonResourceURLs ?? []).some(
      (own) => own === url || own === "*" || (own.endsWith("*") && url.startsWith(own.slice(0, -1))),
    );
  const resource = part.resources?.[0] ?? "";
  const slash = resource.indexOf("/");
  const byResource = has(held.resources, resource) || (slash > 0 && (held.resources ?? []).includes(`*${resource.slice(slash)}`));
  const byName = !held.resourceNames?.length || held.resourceNames.includes(part.resourceNames?.[0] ?? "");
  return has(held.apiGroups, part.apiGroups?.[0]) && byResource && byName;
}

/** Rules as kubectl users read them, those that differ only in verbs joined. */
function describeRules(parts: readonly PolicyRule[]): string[] {
  const joined = new Map<string, { rule: PolicyRule; verbs: Set<string> }>();
  for (const rule of parts) {
    const { verbs, ...rest } = rule;
    const id = JSON.stringify(rest);
    const entry = joined.get(id) ?? { rule, verbs: new Set<string>() };
    for (const verb of verbs) entry.verbs.add(verb);
    joined.set(id, entry);
  }
  return [...joined.values()].map(({ rule, verbs }) => describeRule({ ...rule, verbs: [...verbs] })).sort();
}

function describeRule(rule: PolicyRule): string {
  const lists: [string, string[] | undefined][] = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["ResourceNames", rule.resourceNames],
    ["Verbs", rule.verbs],
  ];
  return `{${lists.flatMap(([name, values]) => (values?.length ? `${name}:${quoted(values)}` : [])).join(", ")}}`;
}

function quoted(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(" ")}]`;
}
