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

export type { Authorizer, Decision } from "./authorizer.ts";
export { missingRules } from "./escalation.ts";
export { nodeOf } from "./node.ts";
export { objectsReferredTo } from "./node-graph.ts";

/** The API server's authorisation: who may do what. Answers come from memory, without waiting, unless a webhook has to be asked. */
export interface Authorization {
  authorize(attributes: RequestAttributes): Decision | Promise<Decision>;
  isAllowed(attributes: RequestAttributes): boolean | Promise<boolean>;
  /** Throws Forbidden with the text users know when the access is not allowed. */
  check(attributes: RequestAttributes): Promise<void> | void;
  /** The status of a SubjectAccessReview, or of a LocalSubjectAccessReview when a namespace is given. Throws Invalid. */
  reviewAccess(spec: SubjectAccessReviewSpec, namespace?: string): Promise<SubjectAccessReviewStatus> | SubjectAccessReviewStatus;
  /** The status of a SelfSubjectAccessReview. Throws Invalid. */
  reviewOwnAccess(user: UserInfo, spec: SelfSubjectAccessReviewSpec): Promise<SubjectAccessReviewStatus> | SubjectAccessReviewStatus;
  /** The status of a SelfSubjectRulesReview. */
  reviewOwnRules(user: UserInfo, namespace: string): SubjectRulesReviewStatus;
  /** Refuses writes of roles and bindings that would grant more than the writer holds; belongs at the end of admission. */
  escalationPrevention: AdmissionPlugin;
  /** From now on the chain is another one. Node is in it only if it was there at the start. */
  use(modes: AuthorizationChain): void;
  close(): void;
}

const masters: Authorizer = {
  name: "system:masters",
  authorize: ({ user }) => ({ verdict: user.groups.includes("system:masters") ? "allow" : "no-opinion", reason: "" }),
};

/** The authorisers that are asked after system:masters, in this order: those of hue's own by their names in --authorization-mode. */
export type AuthorizationChain = readonly ("Node" | "RBAC" | Authorizer)[];

/** Builds authorisation: system:masters, then the chain. Follows the cluster's objects until closed. */
export function createAuthorization(objects: Objects, modes: AuthorizationChain = ["Node", "RBAC"]): Authorization {
  const rbac = new Rbac(objects);
  const graph = modes.includes("Node") ? new NodeGraph(objects) : undefined;
  const node = graph ? [nodeAuthorizer(graph)] : [];
  const chainOf = (all: AuthorizationChain): Authorizer[] => [
    masters,
    ...all.flatMap((mode) => (mode === "RBAC" ? rbac : mode === "Node" ? node : mode)),
  ];
  let chain = chainOf(modes);
  const decide = (attributes: RequestAttributes): Decision | Promise<Decision> => authorize(chain, attributes);
  const isAllowed = (attributes: RequestAttributes): boolean | Promise<boolean> =>
    whenThere(decide(attributes), ({ verdict }) => verdict === "allow");
  return {
    authorize: decide,
    isAllowed,
    check: (attributes) =>
      whenThere(decide(attributes), ({ verdict, reason }) => {
        if (verdict !== "allow") throw refusal(attributes, reason);
      }),
    reviewAccess(spec, namespace) {
      validateReview("", spec, { namespace });
      const user = { name: spec.user ?? "", uid: spec.uid, groups: spec.groups ?? [], extra: spec.extra };
      return whenThere(decide(attributesOf(user, spec)), reviewStatus);
    },
    reviewOwnAccess(user, spec) {
      validateReview("", spec, { self: true });
      return whenThere(decide(attributesOf(user, spec)), reviewStatus);
    },
    reviewOwnRules: (user, namespace) => rulesStatus(chain.flatMap((authorizer) => authorizer.rulesFor?.(user, namespace) ?? [])),
    escalationPrevention: escalationPrevention({ rbac, isAllowed }),
    use(next) {
      chain = chainOf(next);
    },
    close() {
      rbac.close();
      graph?.close();
    },
  };
}

/** Goes on at once when the answer is there, else when it has come. */
export function whenThere<T, R>(answer: T | Promise<T>, next: (answer: T) => R | Promise<R>): R | Promise<R> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}

/** The first that allows or denies decides; otherwise all the reasons for having no opinion. */
function authorize(
  chain: readonly Authorizer[],
  attributes: RequestAttributes,
  from = 0,
  reasons: string[] = [],
): Decision | Promise<Decision> {
  for (let i = from; ; i++) {
    const authorizer = chain[i];
    if (!authorizer) return { verdict: "no-opinion", reason: reasons.join("\n") };
    const decision = authorizer.authorize(attributes);
    if (decision instanceof Promise)
      return decision.then((one) => {
        if (one.verdict !== "no-opinion") return one;
        return authorize(chain, attributes, i + 1, one.reason ? [...reasons, one.reason] : reasons);
      });
    if (decision.verdict !== "no-opinion") return decision;
    if (decision.reason) reasons.push(decision.reason);
  }
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
