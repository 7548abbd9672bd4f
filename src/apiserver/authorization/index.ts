import { forbidden, StatusError } from "../../api/errors.ts";
import type {
  SelfSubjectAccessReviewSpec,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
  SubjectRulesReviewStatus,
} from "../../api/types/authorization.v1.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import type { AdmissionPlugin } from "../admission/admission.ts";
import type { Objects } from "../objects.ts";
import type { Authorizer, Decision } from "./authorizer.ts";
import { escalationPrevention } from "./escalation.ts";
import { nodeAuthorizer } from "./node.ts";
import { NodeGraph } from "./node-graph.ts";
import { Rbac } from "./rbac.ts";
import { attributesOf, reviewStatus, rulesStatus, validateReview } from "./reviews.ts";

export type { Decision } from "./authorizer.ts";
export { missingRules } from "./escalation.ts";
export { nodeOf } from "./node.ts";

/** The API server's authorisation: who may do what. Every answer comes from memory, without waiting. */
export interface Authorization {
  authorize(attributes: RequestAttributes): Decision;
  /** Throws Forbidden with the text users know when the access is not allowed. */
  check(attributes: RequestAttributes): void;
  /** The status of a SubjectAccessReview, or of a LocalSubjectAccessReview when a namespace is given. Throws Invalid. */
  reviewAccess(spec: SubjectAccessReviewSpec, namespace?: string): SubjectAccessReviewStatus;
  /** The status of a SelfSubjectAccessReview. Throws Invalid. */
  reviewOwnAccess(user: UserInfo, spec: SelfSubjectAccessReviewSpec): SubjectAccessReviewStatus;
  /** The status of a SelfSubjectRulesReview. */
  reviewOwnRules(user: UserInfo, namespace: string): SubjectRulesReviewStatus;
  /** Refuses writes of roles and bindings that would grant more than the writer holds; belongs at the end of admission. */
  escalationPrevention: AdmissionPlugin;
  close(): void;
}

const masters: Authorizer = {
  name: "system:masters",
  authorize: ({ user }) => ({ verdict: user.groups.includes("system:masters") ? "allow" : "no-opinion", reason: "" }),
};

/** Builds authorisation: system:masters, then nodes, then RBAC. Follows the cluster's objects until closed. */
export function createAuthorization(objects: Objects): Authorization {
  const rbac = new Rbac(objects);
  const graph = new NodeGraph(objects);
  const chain = [masters, nodeAuthorizer(graph), rbac];
  const decide = (attributes: RequestAttributes): Decision => authorize(chain, attributes);
  return {
    authorize: decide,
    check(attributes) {
      const { verdict, reason } = decide(attributes);
      if (verdict !== "allow") throw refusal(attributes, reason);
    },
    reviewAccess(spec, namespace) {
      validateReview("", spec, { namespace });
      const user = { name: spec.user ?? "", uid: spec.uid, groups: spec.groups ?? [], extra: spec.extra };
      return reviewStatus(decide(attributesOf(user, spec)));
    },
    reviewOwnAccess(user, spec) {
      validateReview("", spec, { self: true });
      return reviewStatus(decide(attributesOf(user, spec)));
    },
    reviewOwnRules: (user, namespace) => rulesStatus(rbac.rulesFor(user, namespace)),
    escalationPrevention: escalationPrevention({ rbac, isAllowed: (attributes) => decide(attributes).verdict === "allow" }),
    close() {
      rbac.close();
      graph.close();
    },
  };
}

/** The first that allows or denies decides; otherwise all the reasons for having no opinion. */
function authorize(chain: readonly Authorizer[], attributes: RequestAttributes): Decision {
  const reasons: string[] = [];
  for (const authorizer of chain) {
    const decision = authorizer.authorize(attributes);
    if (decision.verdict !== "no-opinion") return decision;
    if (decision.reason) reasons.push(decision.reason);
  }
  return { verdict: "no-opinion", reason: reasons.join("\n") };
}

/** The Forbidden that says what the user cannot do, and why if an authoriser said. */
export function refusal(attributes: RequestAttributes, reason: string): StatusError {
  const { user, verb, path, group, namespace, name } = attributes;
  const because = reason ? `: ${reason}` : "";
  if (!attributes.isResource) {
    const message = `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}${because}`;
    return new StatusError({ code: 403, reason: "Forbidden", message, details: {} });
  }
  const resource = attributes.subresource ? `${attributes.resource}/${attributes.subresource}` : attributes.resource;
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : "at the cluster scope";
  const what = `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(group)}`;
  return forbidden({ group, kind: attributes.resource, name }, `${what} ${where}${because}`);
}
