import { type AuthorizationAnswer, type AuthorizationCheck, celAuthorizer } from "../../../api/cel/authorizer.ts";
import { celValue } from "../../../api/cel/expression.ts";
import type { RequestAttributes } from "../../../api/user.ts";
import type { AdmissionRequest } from "../admission.ts";
import type { Webhook } from "./configurations.ts";
import type { ReviewRequest } from "./review.ts";

/** Who answers what expressions ask `authorizer`. */
export type Authorize = (attributes: RequestAttributes) => AuthorizationAnswer;

/**
 * Whether all match conditions of the webhook hold (KEP-3716). One that is false decides, whatever the others do. Throws an Error that
 * names the conditions which could not be evaluated.
 */
export function conditionsHold({ conditions }: Webhook, request: AdmissionRequest, review: ReviewRequest, authorize: Authorize): boolean {
  if (conditions.length === 0) return true;
  const { object, oldObject, ...rest } = review;
  const variables = {
    object: celValue(object),
    oldObject: celValue(oldObject),
    request: celValue(rest),
    authorizer: celAuthorizer((check) => authorize(attributesOf(request, check)), requestResource(request)),
  };
  const errors: string[] = [];
  for (const { name, expression } of conditions) {
    try {
      if (expression.evaluate(variables) === false) return false;
    } catch (error) {
      errors.push(`expression '${name}' resulted in error: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : error}`);
    }
  }
  if (errors.length > 0) throw new Error(errors.join(", "));
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
