import type { PolicyExpressions } from "../../../api/admissionregistration/policy-expressions.ts";
import { evaluate, type Named } from "../../../api/cel/admission.ts";
import { type CostBudget, OutOfBudget } from "../../../api/cel/cost.ts";
import { celValue, evaluationText } from "../../../api/cel/expression.ts";
import type { KubeObject } from "../../../api/meta/object.ts";
import type { Namespace } from "../../../api/types/core.v1.ts";
import { Namespaces } from "../../../api/types/resources.ts";
import type { Registry } from "../../registry.ts";
import type { Objects } from "../../objects.ts";
import type { AdmissionRequest } from "../admission.ts";
import { type Cluster, type Match, matchOf } from "../matching.ts";
import { type Authorize, celVariables, conditionsHold, lazily } from "../match-conditions.ts";
import { reviewRequest, type Sight } from "../webhooks/review.ts";
import { paramHandler, paramsOf } from "./params.ts";
import type { Binding, Policy } from "./policies.ts";

/** What admission policies work with. */
export interface PolicyAdmissionOptions {
  objects: Objects;
  /** The API server's; made after admission. */
  registry: () => Registry;
  authorize: Authorize;
}

/** Variables by name. */
export type Variables = Record<string, unknown>;

/** One evaluation of a policy. */
export interface Invocation<P> {
  policy: P;
  binding: Binding;
  match: Match;
  params: Readonly<KubeObject> | null;
}

/**
 * The evaluations that a request needs: of the policies given, for each binding that matches, with each of its parameters. What is
 * wrong with a policy or a binding goes to `misconfigured`.
 */
export function* invocationsOf<P extends Policy<{ paramKind?: { apiVersion?: string; kind?: string } }, unknown>>(
  policies: readonly P[],
  request: AdmissionRequest,
  cluster: Cluster,
  misconfigured: (message: string, policy: P, binding?: Binding) => void,
): Generator<Invocation<P>> {
  for (const policy of policies) {
    let match: Match | undefined;
    let handler: ReturnType<typeof paramHandler> | undefined;
    try {
      match = matchOf(policy.criteria, request, cluster);
      if (match && policy.spec.paramKind) handler = paramHandler(policy.spec.paramKind, cluster);
    } catch (error) {
      misconfigured(`failed to configure policy: ${textOf(error)}`, policy);
      continue;
    }
    if (!match) continue;
    for (const binding of policy.bindings) {
      let all: (Readonly<KubeObject> | null)[] = [];
      try {
        if (matchOf(binding.criteria, request, cluster)) all = paramsOf(handler, binding, request.namespace, cluster);
      } catch (error) {
        misconfigured(`failed to configure binding: ${textOf(error)}`, policy, binding);
      }
      for (const params of all) yield { policy, binding, match, params };
    }
  }
}

/** What an Error says. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The variables of a request, without those of a policy; `sight` is what the expressions see of its objects. */
export function requestVariables(
  request: AdmissionRequest,
  match: Match,
  { objects, authorize }: PolicyAdmissionOptions,
  sight: Sight,
): Variables {
  const { resource, namespace } = request;
  const hasNamespace = namespace && !(resource.group === "" && resource.plural === "namespaces");
  const shown = {
    ...sight,
    review: () => reviewRequest(request, match, sight),
    namespace: () => (hasNamespace ? shownNamespace(objects.get(Namespaces, undefined, namespace)) : null),
  };
  return celVariables(request, shown, authorize);
}

function shownNamespace(namespace: Readonly<Namespace> | undefined): object | null {
  if (!namespace) return null;
  const { managedFields, ownerReferences, selfLink, ...metadata } = namespace.metadata;
  return { metadata, spec: namespace.spec, status: namespace.status };
}

/** Adds params and the policy's own variables, each of which is evaluated when it is first asked for. */
export function withPolicy(base: Variables, params: Readonly<KubeObject> | null, { variables }: PolicyExpressions): Variables {
  const all: Variables = Object.create(base); // Nothing of the base is made by being handed on.
  const makers = variables.map((variable) => [variable.name, () => composite(variable, all)] as const);
  return Object.assign(all, { params: celValue(params), variables: lazily(Object.fromEntries(makers)) });
}

function composite({ name, expression }: Named, variables: Variables): unknown {
  const composited = `composited variable ${JSON.stringify(name)}`;
  if (expression instanceof Error) throw new Error(`${composited} fails to compile: ${expression.message}`);
  try {
    return expression.evaluate(variables);
  } catch (error) {
    if (error instanceof OutOfBudget) throw error;
    throw new Error(`${composited} fails to evaluate: ${evaluationText(error)}`);
  }
}

/** Whether the policy's match conditions hold, which do not see the namespace. Throws an Error when that cannot be told. */
export function matches({ matchConditions }: PolicyExpressions, variables: Variables): boolean {
  return matchConditions.length === 0 || conditionsHold(matchConditions, Object.create(variables, { namespaceObject: { value: null } }));
}

/** An expression's value, or the Error that says why there is none. */
export function attempt(expression: Omit<Named, "name">, variables: Variables, budget: CostBudget): { value: unknown } | Error {
  try {
    return { value: evaluate(expression, variables, budget) };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
