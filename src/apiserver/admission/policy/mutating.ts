import { type MutatingExpressions, mutatingExpressions } from "../../../api/admissionregistration/policy-expressions.ts";
import { evaluate } from "../../../api/cel/admission.ts";
import { costBudgets } from "../../../api/cel/cost.ts";
import { StatusError } from "../../../api/errors.ts";
import type { KubeObject } from "../../../api/meta/object.ts";
import type { MutatingAdmissionPolicySpec } from "../../../api/types/admissionregistration.v1.ts";
import { MutatingAdmissionPolicies, MutatingAdmissionPolicyBindings } from "../../../api/types/resources.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { changeObject } from "../change.ts";
import { isExempt } from "../matching.ts";
import { Reinvocation } from "../reinvocation.ts";
import { refuse } from "../request.ts";
import { sightOf } from "../webhooks/review.ts";
import {
  type Invocation,
  invocationsOf,
  matches,
  type PolicyAdmissionOptions,
  requestVariables,
  textOf,
  withPolicy,
} from "./evaluation.ts";
import { mutated } from "./mutation.ts";
import { type Binding, Policies, type Policy } from "./policies.ts";

type MutatingPolicy = Policy<MutatingAdmissionPolicySpec, MutatingExpressions>;

/** The plugin MutatingAdmissionPolicy (KEP-3962). Requests that no policy is about cost a look into a table. */
export function mutatingPolicies(options: PolicyAdmissionOptions): { plugin: AdmissionPlugin; close(): void } {
  const policies = new Policies<MutatingAdmissionPolicySpec, MutatingExpressions>(options.objects, {
    policies: MutatingAdmissionPolicies,
    bindings: MutatingAdmissionPolicyBindings,
    compile: mutatingExpressions,
  });
  const reinvocation = new Reinvocation();
  return {
    plugin: {
      name: "MutatingAdmissionPolicy",
      admit(request) {
        if (request.operation === "DELETE" || request.operation === "CONNECT") return undefined;
        const about = policies.about(request, options.registry);
        return about.length > 0 && !isExempt(request) ? admit(about, request, reinvocation, options) : undefined;
      },
    },
    close: () => policies.close(),
  };
}

/** One after the other: each sees what those before it have made of the object. What fails is remembered, and refuses in the end. */
async function admit(
  policies: readonly MutatingPolicy[],
  request: AdmissionRequest,
  reinvocation: Reinvocation,
  options: PolicyAdmissionOptions,
): Promise<void> {
  const cluster = { objects: options.objects, registry: options.registry() };
  const failures: string[] = [];
  let reason: string | undefined;
  const fail = (message: string, { name, spec }: MutatingPolicy, binding: Binding | undefined, why: string): void => {
    if (spec.failurePolicy === "Ignore") return;
    const by = binding ? `policy '${name}' with binding '${binding.name}'` : `policy ${JSON.stringify(name)}`;
    failures.push(`${by} denied request: ${message}`);
    reason ??= why;
  };
  const misconfigured = (message: string, policy: MutatingPolicy, binding?: Binding): void => fail(message, policy, binding, "Forbidden");
  const invocations = [...invocationsOf(policies, request, cluster, misconfigured)];
  reinvocation.begin(request);
  for (const invocation of invocations) {
    const { policy, binding } = invocation;
    try {
      await apply(invocation, request, reinvocation, options, (message) => fail(message, policy, binding, "Invalid"));
    } catch (error) {
      if (error instanceof StatusError) throw error;
      fail(textOf(error), policy, binding, "Invalid");
    }
  }
  reinvocation.end(request);
  const [message] = failures;
  if (message === undefined) return;
  const { status } = refuse(request, message);
  throw new StatusError({
    ...status,
    message,
    ...(reason ? { reason } : {}),
    details: { ...status.details, causes: failures.map((failure) => ({ message: failure })) },
  });
}

/** Evaluates one policy's mutations, in their order. */
async function apply(
  { policy, binding, match, params }: Invocation<MutatingPolicy>,
  request: AdmissionRequest,
  reinvocation: Reinvocation,
  options: PolicyAdmissionOptions,
  fail: (message: string) => void,
): Promise<void> {
  const expressions = policy.expressions();
  let sight = await sightOf(request, match).catch((error: unknown) => {
    throw new Error(textOf(error)); // The policy's failure, not the answer.
  });
  let variables = withPolicy(requestVariables(request, match, options, sight), params, expressions);
  if (!matches(expressions, variables)) return;
  const of = params ? `${params.metadata.namespace ?? ""}/${params.metadata.name}` : "";
  const mutator = { id: `${policy.name} ${binding.name} ${of}`, spec: policy.spec };
  if (!reinvocation.mayCall(request, mutator)) return;
  let changed = false;
  for (const { spec, text, expression } of expressions.mutations) {
    if (!sight.object || !match.to) continue;
    let next: KubeObject;
    try {
      next = mutated(spec.patchType, evaluate({ text, expression }, variables, { left: costBudgets.request }), sight.object, match.to);
    } catch (error) {
      fail(textOf(error));
      continue;
    }
    if (next === sight.object || !(await changeObject(request, match, next))) continue;
    changed = true;
    sight = await sightOf(request, match);
    variables = withPolicy(requestVariables(request, match, options, sight), params, expressions);
  }
  reinvocation.called(request, mutator, changed);
}
