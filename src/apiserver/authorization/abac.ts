import { boolean, object, parseShape, text } from "../configuration/shape.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import type { PolicyRule } from "../../api/types/rbac.v1.ts";
import type { Authorizer } from "./authorizer.ts";
import { pathMatches } from "./rules.ts";

const spec = { user: text, group: text, readonly: boolean, apiGroup: text, resource: text, namespace: text, nonResourcePath: text };
const policyShape = object({ apiVersion: text, kind: text, spec: object(spec) });
const unversionedShape = object({ user: text, group: text, readonly: boolean, resource: text, namespace: text });

type Policy = NonNullable<ReturnType<typeof policyShape.read>["spec"]>;

const reading = ["get", "list", "watch"];
const everybody = "system:authenticated";

/** The policies of an --authorization-policy-file, one in JSON a line ("ABAC mode"). Throws an Error that names the line. */
export function abacAuthorizer(file: string): Authorizer {
  const policies = file.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === "" || line.trim().startsWith("#")) return [];
    try {
      return [policyOf(line)];
    } catch (error) {
      throw new Error(`line ${index + 1}: ${error instanceof Error ? error.message : error}`);
    }
  });
  return {
    name: "ABAC",
    authorize: (attributes) =>
      policies.some((policy) => allows(policy, attributes))
        ? { verdict: "allow", reason: "" }
        : { verdict: "no-opinion", reason: "No policy matched." },
    rulesFor: (user, namespace) => ({ rules: policies.flatMap((policy) => rulesOf(policy, user, namespace)), errors: [] }),
  };
}

function policyOf(line: string): Policy {
  const value: unknown = JSON.parse(line);
  if (typeof value === "object" && value !== null && !("kind" in value)) {
    // A line of before there were versions: what is left out means everything.
    const { user = "", group = "", readonly = false, resource = "", namespace = "" } = parseShape(unversionedShape, value);
    const nonResourcePath = resource || namespace ? "" : "*";
    const rest = { readonly, apiGroup: "*", resource: resource || "*", namespace: namespace || "*", nonResourcePath };
    return { ...subjectOf(user || group ? { user, group } : { group: "*" }), ...rest };
  }
  const { apiVersion, kind, spec: given = {} } = parseShape(policyShape, value);
  if (apiVersion !== "abac.authorization.kubernetes.io/v1beta1" || kind !== "Policy")
    throw new Error(`expected abac.authorization.kubernetes.io/v1beta1, Kind=Policy, got ${apiVersion}, Kind=${kind}`);
  return { ...given, ...subjectOf(given) };
}

/** "*" means all who have been authenticated. */
function subjectOf({ user = "", group = "" }: Policy): Pick<Policy, "user" | "group"> {
  return user === "*" || group === "*" ? { user: "", group: everybody } : { user, group };
}

function isSubject({ user, group }: Policy, { name, groups }: UserInfo): boolean {
  if (!user && !group) return false;
  return (!user || user === name) && (!group || groups.includes(group));
}

function allows(policy: Policy, attributes: RequestAttributes): boolean {
  if (!isSubject(policy, attributes.user) || (policy.readonly && !reading.includes(attributes.verb))) return false;
  if (!attributes.isResource) return !!policy.nonResourcePath && pathMatches(policy.nonResourcePath, attributes.path);
  const is = (wanted: string | undefined, value: string): boolean => wanted === "*" || (wanted ?? "") === value;
  return is(policy.namespace, attributes.namespace) && is(policy.resource, attributes.resource) && is(policy.apiGroup, attributes.group);
}

function rulesOf(policy: Policy, user: UserInfo, namespace: string): PolicyRule[] {
  const { apiGroup = "", resource, nonResourcePath, readonly } = policy;
  if (!isSubject(policy, user) || (policy.namespace !== "*" && (policy.namespace ?? "") !== namespace)) return [];
  const verbs = readonly ? reading : ["*"];
  return [
    ...(resource ? [{ verbs, apiGroups: [apiGroup], resources: [resource] }] : []),
    ...(nonResourcePath ? [{ verbs, nonResourceURLs: [nonResourcePath] }] : []),
  ];
}
