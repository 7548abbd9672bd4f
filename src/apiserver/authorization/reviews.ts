import { type FieldError, invalid } from "../../api/errors.ts";
import type {
  NonResourceRule,
  ResourceRule,
  SelfSubjectAccessReviewSpec,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
  SubjectRulesReviewStatus,
} from "../../api/types/authorization.v1.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import type { Decision, GrantedRules } from "./authorizer.ts";
import { aggregate } from "./rbac.ts";

/** The access that a review asks about. Throws Invalid where it asks about none or two. `namespace`: a LocalSubjectAccessReview's. */
export function attributesOf(user: UserInfo, spec: SelfSubjectAccessReviewSpec): RequestAttributes {
  const resource = spec.resourceAttributes;
  if (resource)
    return {
      user,
      verb: resource.verb ?? "",
      isResource: true,
      path: "",
      group: resource.group ?? "",
      version: resource.version ?? "",
      resource: resource.resource ?? "",
      subresource: resource.subresource ?? "",
      namespace: resource.namespace ?? "",
      name: resource.name ?? "",
      ...(resource.fieldSelector ? { fieldSelector: fieldSelectorText(resource.fieldSelector) } : {}),
    };
  const { verb = "", path = "" } = spec.nonResourceAttributes ?? {};
  return { user, verb, isResource: false, path, group: "", version: "", resource: "", subresource: "", namespace: "", name: "" };
}

type FieldSelector = NonNullable<NonNullable<SelfSubjectAccessReviewSpec["resourceAttributes"]>["fieldSelector"]>;

function fieldSelectorText({ rawSelector, requirements = [] }: FieldSelector): string {
  const terms = requirements.flatMap(({ key, operator, values = [] }) =>
    values.length === 1 && (operator === "In" || operator === "NotIn")
      ? `${key}${operator === "In" ? "=" : "!="}${values[0]?.replace(/[\\,=]/g, "\\$&")}`
      : [],
  );
  return [...(rawSelector ? [rawSelector] : []), ...terms].join(",");
}

/** Refuses what a review cannot be: both or none of the attributes, nobody, another namespace than the path's. */
export function validateReview(
  kind: string,
  spec: SubjectAccessReviewSpec | undefined,
  options: { self?: boolean; namespace?: string } = {},
): void {
  const errors: FieldError[] = [];
  const add = (field: string, value: string, why: string): void => {
    errors.push({ reason: "FieldValueInvalid", field, message: `Invalid value: ${value}: ${why}` });
  };
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec ?? {};
  if (resource && path) add("spec.nonResourceAttributes", "{}", "cannot be specified in combination with resourceAttributes");
  if (!resource && !path)
    add("spec.resourceAttributes", "null", "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  if (!options.self && !spec?.user && !spec?.groups?.length) add("spec.user", '""', "at least one of user or group must be specified");
  if (options.namespace !== undefined && resource && resource.namespace !== options.namespace)
    add("spec.resourceAttributes.namespace", JSON.stringify(resource.namespace ?? ""), `must match metadata.namespace`);
  if (errors.length > 0) throw invalid({ group: "authorization.k8s.io", kind }, errors);
}

/** A decision as a review's status. */
export function reviewStatus({ verdict, reason }: Decision): SubjectAccessReviewStatus {
  return { allowed: verdict === "allow", ...(verdict === "deny" ? { denied: true } : {}), ...(reason ? { reason } : {}) };
}

/** All that a user may do, as SelfSubjectRulesReview lists it. */
export function rulesStatus(granted: readonly GrantedRules[]): SubjectRulesReviewStatus {
  const errors = granted.flatMap((one) => one.errors);
  const incomplete = granted.some((one) => one.incomplete);
  const resourceRules: ResourceRule[] = [];
  const nonResourceRules: NonResourceRule[] = [];
  for (const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } of granted.flatMap(({ rules }) => rules)) {
    if (resources?.length)
      resourceRules.push({ verbs, apiGroups: apiGroups ?? [], resources, ...(resourceNames ? { resourceNames } : {}) });
    if (nonResourceURLs?.length) nonResourceRules.push({ verbs, nonResourceURLs });
  }
  return { resourceRules, nonResourceRules, incomplete, ...(errors.length > 0 ? { evaluationError: aggregate(errors) } : {}) };
}
