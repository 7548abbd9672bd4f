import { evaluate, type Named } from "../../api/cel/admission.ts";
import { type AuthorizationAnswer, type AuthorizationCheck, celAuthorizer } from "../../api/cel/authorizer.ts";
import { celValue } from "../../api/cel/expression.ts";
import type { RequestAttributes } from "../../api/user.ts";
import type { AdmissionRequest } from "./admission.ts";
import type { ReviewRequest } from "./webhooks/review.ts";

/** Who answers what expressions ask `authorizer`. */
export type Authorize = (attributes: RequestAttributes) => AuthorizationAnswer;

/** The variables that expressions see of a request; `review` holds the objects as they are to be shown. */
export function celVariables(request: AdmissionRequest, review: ReviewRequest, authorize: Authorize): Record<string, unknown> {
  const { object, oldObject, ...rest } = review;
  return {
    object: celValue(object),
    oldObject: celValue(oldObject),
    request: celValue(rest),
    namespaceObject: null,
    authorizer: celAuthorizer((check) => authorize(attributesOf(request, check)), requestResource(request)),
  };
}

/**
 * Whether all match conditions hold (KEP-3716). One that is false decides, whatever the others do. Throws an Error that
 * names the conditions which could not be evaluated.
 */
export function conditionsHold(conditions: readonly Named[], variables: Readonly<Record<string, unknown>>): boolean {
  const errors: string[] = [];
  for (const condition of conditions) {
    try {
      if (evaluate(condition, variables) === false) return false;
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (errors.length > 0) throw new Error(errors.length === 1 ? errors[0] : `[${errors.join(", ")}]`);
  return true;
}

function requestResource({ resource, subresource, namespace, name }: AdmissionRequest): AuthorizationCheck {
  return { verb: "", group: resource.group, resource: resource.plural, subresource, namespace, name };
}

function attributesOf({ user }: AdmissionRequest, check: AuthorizationCheck): RequestAttributes {
  const { serviceAccount, path, ...asked } = check;
  const who = serviceAccount && {
    name: `system:serviceaccount:${serviceAccount.namespace}:${serviceAccount.name}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${serviceAccount.namespace}`, "system:authenticated"],
  };
  return { ...asked, user: who ?? user, isResource: path === undefined, path: path ?? "", version: "*" };
}
