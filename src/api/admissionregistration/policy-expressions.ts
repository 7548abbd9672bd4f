import type { Environment } from "@marcbachmann/cel-js";
import { type AdmissionVariables, admissionEnvironment, type Compiled, compileAdmission, type Named } from "../cel/admission.ts";
import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import type {
  MutatingAdmissionPolicySpec,
  Mutation,
  ValidatingAdmissionPolicySpec,
  Validation,
  Variable,
} from "../types/admissionregistration.v1.ts";

/** The expressions of a policy of either kind. */
export interface PolicyExpressions {
  variables: Named[];
  matchConditions: Named[];
}

/** Those of a ValidatingAdmissionPolicy. */
export interface ValidatingExpressions extends PolicyExpressions {
  validations: { spec: Validation; expression: Compiled; message?: Compiled }[];
  auditAnnotations: Named[];
}

/** Those of a MutatingAdmissionPolicy. */
export interface MutatingExpressions extends PolicyExpressions {
  mutations: { spec: Mutation; text: string; expression: Compiled }[];
}

type PolicySpec = ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec;
const shared = new Map<string, Environment>();

/** Compiles expressions one after the other: variables are known to those that come after them. */
export class PolicyCompiler {
  private readonly given: AdmissionVariables;
  private readonly composed: boolean;
  private readonly typed = new Map<string, Environment>();
  private readonly environments = new Map<string, Environment>();
  private readonly variables: Record<string, string> = {};

  /** Always `composed`: whether there is a variable `variables` even when the policy has none. */
  constructor(spec: PolicySpec, composed = false, types?: AdmissionVariables["types"]) {
    this.given = { params: spec.paramKind !== undefined, ...(types ? { types } : {}) };
    this.composed = composed || (spec.variables?.length ?? 0) > 0;
  }

  compile(text: string, returns?: readonly string[], more: AdmissionVariables & { stateless?: boolean } = { authorizer: true }): Compiled {
    try {
      return compileAdmission(this.environment(more), text, returns);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  variable({ name, expression }: Variable): Compiled {
    const compiled = this.compile(expression);
    if (expression?.trim()) this.variables[name] = compiled instanceof Error ? "dyn" : fieldType(compiled.type);
    this.environments.clear();
    return compiled;
  }

  private environment({ stateless = false, ...more }: AdmissionVariables & { stateless?: boolean }): Environment {
    const key = JSON.stringify([this.given.params, more]);
    if (!this.composed || stateless) return this.plain(key, more);
    let environment = this.environments.get(key);
    if (!environment) {
      environment = this.plain(key, more).clone();
      environment
        .registerType("kubernetes.variables", { fields: { ...this.variables } })
        .registerVariable("variables", "kubernetes.variables");
      this.environments.set(key, environment);
    }
    return environment;
  }

  private plain(key: string, more: AdmissionVariables): Environment {
    const known = this.given.types ? this.typed : shared;
    let environment = known.get(key);
    if (!environment) known.set(key, (environment = admissionEnvironment({ ...this.given, ...more })));
    return environment;
  }
}

/** A variable's type as a field can have it: what is no plain data may be anything. */
function fieldType(type: string): string {
  const plain = /^(bool|int|uint|double|string|bytes|null|dyn|list|map|google\.protobuf\.(Duration|Timestamp))$/;
  return type.replace(/optional<.*>|[\w.]+/g, (name) => (plain.test(name) ? name : "dyn"));
}

/** Compiles a ValidatingAdmissionPolicy. */
export function validatingExpressions(spec: ValidatingAdmissionPolicySpec): ValidatingExpressions {
  const compiler = new PolicyCompiler(spec);
  return {
    ...expressionsOf(spec, compiler),
    validations: (spec.validations ?? []).map((validation) => ({
      spec: validation,
      expression: compiler.compile(validation.expression, ["bool"]),
      ...(validation.messageExpression?.trim() ? { message: compiler.compile(validation.messageExpression, ["string"], {}) } : {}),
    })),
    auditAnnotations: (spec.auditAnnotations ?? []).map(({ key, valueExpression }) =>
      named(key, valueExpression, compiler.compile(valueExpression.trim(), ["string", "null"])),
    ),
  };
}

/** Compiles a MutatingAdmissionPolicy. */
export function mutatingExpressions(spec: MutatingAdmissionPolicySpec): MutatingExpressions {
  const compiler = new PolicyCompiler(spec, true);
  return {
    ...expressionsOf(spec, compiler),
    mutations: (spec.mutations ?? []).map((mutation) => {
      const { patchType, jsonPatch, applyConfiguration } = mutation;
      const text = ((patchType === "JSONPatch" ? jsonPatch : applyConfiguration)?.expression ?? "").trim();
      const returns = patchType === "JSONPatch" ? "list<JSONPatch>" : "Object";
      return { spec: mutation, text, expression: compiler.compile(text, [returns], { authorizer: true, patchTypes: true }) };
    }),
  };
}

function expressionsOf(spec: PolicySpec, compiler: PolicyCompiler): PolicyExpressions {
  return {
    matchConditions: (spec.matchConditions ?? []).map(({ name, expression = "" }) =>
      named(name, expression.trim(), compiler.compile(expression.trim(), ["bool"], { authorizer: true, stateless: true })),
    ),
    variables: (spec.variables ?? []).map((variable) => named(variable.name, variable.expression, compiler.variable(variable))),
  };
}

function named(name: string, text: string, expression: Compiled): Named {
  return { name, text, expression };
}

/** What an expression that does not compile makes of its field. */
export function expressionErrors(field: string, text: string, compiled: Compiled | undefined): FieldError[] {
  return compiled instanceof Error ? [fault.invalid(field, text, compiled.message)] : [];
}
