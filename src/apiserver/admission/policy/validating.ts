import { type ValidatingExpressions, validatingExpressions } from "../../../api/admissionregistration/policy-expressions.ts";
import { costBudgets, OutOfBudget } from "../../../api/cel/cost.ts";
import { StatusError } from "../../../api/errors.ts";
import type { ValidatingAdmissionPolicySpec } from "../../../api/types/admissionregistration.v1.ts";
import { ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings } from "../../../api/types/resources.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { isExempt, type Match } from "../matching.ts";
import { refuse } from "../request.ts";
import { sightOf } from "../webhooks/review.ts";
import {
  attempt,
  invocationsOf,
  matches,
  type PolicyAdmissionOptions,
  requestVariables,
  textOf,
  type Variables,
  withPolicy,
} from "./evaluation.ts";
import { type Binding, Policies, type Policy } from "./policies.ts";

type ValidatingPolicy = Policy<ValidatingAdmissionPolicySpec, ValidatingExpressions>;

/** Something that a policy has found: `index` is the validation's; an error is not the object's fault. */
interface Finding {
  message: string;
  reason?: string | undefined;
  index: number;
}

interface Denial extends Omit<Finding, "index"> {
  policy: ValidatingPolicy;
  binding?: Binding | undefined;
}

const codes: Record<string, number> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 };
const longestMessage = 5 * 1024;
const longestAnnotation = 10 * 1024;

/** The plugin ValidatingAdmissionPolicy (KEP-3488). Requests that no policy is about cost a look into a table. */
export function validatingPolicies(options: PolicyAdmissionOptions): { plugin: AdmissionPlugin; close(): void } {
  const policies = new Policies<ValidatingAdmissionPolicySpec, ValidatingExpressions>(options.objects, {
    policies: ValidatingAdmissionPolicies,
    bindings: ValidatingAdmissionPolicyBindings,
    compile: validatingExpressions,
  });
  return {
    plugin: {
      name: "ValidatingAdmissionPolicy",
      validate(request) {
        const about = policies.about(request, options.registry);
        return about.length > 0 && !isExempt(request) ? validate(about, request, options) : undefined;
      },
    },
    close: () => policies.close(),
  };
}

async function validate(policies: readonly ValidatingPolicy[], request: AdmissionRequest, options: PolicyAdmissionOptions): Promise<void> {
  const denials: Denial[] = [];
  const cluster = { objects: options.objects, registry: options.registry() };
  const annotations = new Map<string, Set<string>>();
  const seen = new Map<Match["to"], Variables>(); // What a version shows is the same for all policies.
  const misconfigured = (message: string, policy: ValidatingPolicy, binding?: Binding): void => {
    if (policy.spec.failurePolicy !== "Ignore") denials.push({ message, policy, binding });
  };
  for (const { policy, binding, match, params } of invocationsOf(policies, request, cluster, misconfigured)) {
    let base = seen.get(match.to);
    if (!base) {
      const sight = await sightOf(request, match).catch(textOf);
      if (typeof sight === "string") {
        misconfigured(`failed to convert object version: ${sight}`, policy, binding);
        continue;
      }
      seen.set(match.to, (base = requestVariables(request, match, options, sight)));
    }
    const expressions = policy.expressions();
    const variables = withPolicy(base, params, expressions);
    const { findings, published, errors } = evaluated(policy, expressions, variables);
    for (const finding of findings) act(request, policy, binding, finding, denials);
    for (const message of errors) denials.push({ message, policy, binding });
    for (const [key, value] of published) {
      const name = `${policy.name}/${key}`;
      annotations.set(name, (annotations.get(name) ?? new Set()).add(value));
    }
  }
  for (const [key, values] of annotations) request.annotate?.(key, [...values].join(", "));
  const [first] = denials;
  if (first) throw denied(request, first);
}

/** What becomes of a finding: the binding says it. */
function act(request: AdmissionRequest, policy: ValidatingPolicy, binding: Binding, finding: Finding, denials: Denial[]): void {
  const { message, reason, index } = finding;
  const { validationActions = [] } = binding.spec;
  if (validationActions.includes("Deny")) denials.push({ message, reason, policy, binding });
  if (validationActions.includes("Warn"))
    request.warn(`Validation failed for ValidatingAdmissionPolicy '${policy.name}' with binding '${binding.name}': ${message}`);
  if (validationActions.includes("Audit")) {
    const failure = { message, policy: policy.name, binding: binding.name, expressionIndex: index, validationActions };
    request.annotate?.("validation.policy.admission.k8s.io/validation_failure", JSON.stringify([failure]));
  }
}

interface Evaluated {
  findings: Finding[];
  /** Audit annotations, by their keys. */
  published: [key: string, value: string][];
  /** What is wrong with audit annotations. */
  errors: string[];
}

/** Evaluates a policy. What cannot be evaluated is a finding, or nothing when failures are to be ignored. */
function evaluated({ spec }: ValidatingPolicy, expressions: ValidatingExpressions, variables: Variables): Evaluated {
  const result: Evaluated = { findings: [], published: [], errors: [] };
  const ignored = spec.failurePolicy === "Ignore";
  try {
    if (!matches(expressions, variables)) return result;
  } catch (error) {
    if (!ignored) result.findings.push({ message: textOf(error), index: 0 });
    return result;
  }
  const budget = { left: costBudgets.request };
  for (const [index, validation] of expressions.validations.entries()) {
    const { expression, message, spec: own } = validation;
    const outcome = attempt({ text: own.expression, expression }, variables, budget);
    if (outcome instanceof OutOfBudget) return { ...result, findings: ignored ? [] : [{ message: outcome.message, index: 0 }] };
    if (outcome instanceof Error) {
      if (!ignored) result.findings.push({ message: outcome.message, index });
    } else if (outcome.value !== true) {
      const composed = message && attempt({ text: own.messageExpression ?? "", expression: message }, variables, budget);
      if (composed instanceof OutOfBudget) {
        if (!ignored) result.findings.push({ message: `failed messageExpression: ${composed.message}`, index });
        continue;
      }
      const text = (composed && !(composed instanceof Error) && usable(composed.value)) || own.message?.trim();
      result.findings.push({ message: text || `failed expression: ${own.expression.trim()}`, reason: own.reason ?? "Invalid", index });
    }
  }
  const annotationBudget = { left: costBudgets.request };
  for (const annotation of expressions.auditAnnotations) {
    const outcome = attempt(annotation, variables, annotationBudget);
    if (outcome instanceof OutOfBudget)
      return { findings: ignored ? [] : [{ message: outcome.message, index: 0 }], published: [], errors: [] };
    if (outcome instanceof Error) {
      if (!ignored) result.errors.push(outcome.message);
    } else if (typeof outcome.value === "string" && outcome.value.trim())
      result.published.push([annotation.name, outcome.value.trim().slice(0, longestAnnotation)]);
  }
  return result;
}

/** The text that a messageExpression gave, unless it is too long or of several lines. */
function usable(value: unknown): string {
  const text = typeof value === "string" ? value.trim() : "";
  return Buffer.byteLength(text) > longestMessage || text.includes("\n") ? "" : text;
}

function denied(request: AdmissionRequest, { policy, binding, message, reason = "Invalid" }: Denial): StatusError {
  const by = binding ? `'${policy.name}' with binding '${binding.name}'` : `'${policy.name}'`;
  const text = `ValidatingAdmissionPolicy ${by} denied request: ${message}`;
  const { status } = refuse(request, text);
  return new StatusError({
    ...status,
    reason,
    code: codes[reason] ?? 422,
    details: { ...status.details, causes: [...(status.details?.causes ?? []), { message: text }] },
  });
}
