import { evaluate, type Named } from "../../api/cel/admission.ts";
import { type AuthorizationAnswer, type AuthorizationCheck, celAuthorizer } from "../../api/cel/authorizer.ts";
import { costBudgets, OutOfBudget } from "../../api/cel/cost.ts";
import { celValue } from "../../api/cel/expression.ts";
import type { RequestAttributes } from "../../api/user.ts";
import type { AdmissionRequest } from "./admission.ts";
import type { ReviewRequest } from "./webhooks/review.ts";

/** Who answers what expressions ask `authorizer`. */
export type Authorize = (attributes: RequestAttributes, request: AdmissionRequest) => AuthorizationAnswer;

/** What a request is to expressions: its objects as they are to be shown, and what a review would say of it. */
export interface Shown {
  object: unknown;
  old: unknown;
  review(): ReviewRequest;
  namespace?(): unknown;
}

/** The variables that expressions see of a request, each made when it is first asked for. */
export function celVariables(request: AdmissionRequest, shown: Shown, authorize: Authorize): Record<string, unknown> {
  return lazily({
    object: () => celValue(shown.object ?? null),
    oldObject: () => celValue(shown.old ?? null),
    request() {
      const { object, oldObject, uid, ...rest } = shown.review();
      return celValue(rest);
    },
    namespaceObject: () => celValue(shown.namespace?.() ?? null),
    authorizer: () => celAuthorizer((check) => authorize(attributesOf(request, check), request), requestResource(request)),
  });
}

/** An object whose members are made when they are first asked for; when that fails, each time anew. */
export function lazily(makers: Readonly<Record<string, () => unknown>>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, make] of Object.entries(makers))
    Object.defineProperty(values, name, {
      enumerable: true,
      configurable: true,
      get() {
        const value = make();
        Object.defineProperty(values, name, { enumerable: true, value });
        return value;
      },
    });
  return values;
}

/**
 * Whether all match conditions hold (KEP-3716). One that is false decides, whatever the others do. Throws an Error that
 * names the conditions which could not be evaluated.
 */
export function conditionsHold(conditions: readonly Named[], variables: Readonly<Record<string, unknown>>): boolean {
  const errors: string[] = [];
  const budget = { left: costBudgets.matchConditions };
  for (const condition of conditions) {
    try {
      if (evaluate(condition, variables, budget) === false) return false;
    } catch (error) {
      if (error instanceof OutOfBudget) throw error;
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
