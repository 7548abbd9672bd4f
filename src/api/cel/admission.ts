import type { Environment } from "@marcbachmann/cel-js";
import { registerAuthorizer } from "./authorizer.ts";
import { type CostBudget, OutOfBudget } from "./cost.ts";
import { kubernetesEnvironment } from "./environment.ts";
import { type CompiledExpression, compileExpression, evaluationText } from "./expression.ts";
import { registerConstructions, registerJsonPatch } from "./patch-types.ts";

/** Which variables an expression of admission sees, beside object, oldObject, request and namespaceObject. */
export interface AdmissionVariables {
  params?: boolean;
  authorizer?: boolean;
  /** Whether objects and JSON patches can be made. */
  patchTypes?: boolean;
  /** Declares the types of object and oldObject, and of params, and gives their names, for type checking; default: anything. */
  types?: (environment: Environment) => { object?: string | undefined; params?: string | undefined };
}

const strings = (...names: string[]): Record<string, string> => Object.fromEntries(names.map((name) => [name, "string"]));
const time = "google.protobuf.Timestamp";
const texts = "map<string, string>";

/** The types that are declared for every expression, those first that others use. */
const types: Record<string, Record<string, string>> = {
  "kubernetes.GroupVersionKind": strings("group", "version", "kind"),
  "kubernetes.GroupVersionResource": strings("group", "version", "resource"),
  "kubernetes.UserInfo": { ...strings("username", "uid"), groups: "list<string>", extra: "map<string, list<string>>" },
  "kubernetes.AdmissionRequest": {
    ...strings("subResource", "requestSubResource", "name", "namespace", "operation"),
    kind: "kubernetes.GroupVersionKind",
    resource: "kubernetes.GroupVersionResource",
    requestKind: "kubernetes.GroupVersionKind",
    requestResource: "kubernetes.GroupVersionResource",
    userInfo: "kubernetes.UserInfo",
    dryRun: "bool",
    options: "dyn",
  },
  "kubernetes.NamespaceSpec": { finalizers: "list<string>" },
  "kubernetes.NamespaceCondition": { ...strings("status", "type", "message", "reason"), lastTransitionTime: time },
  "kubernetes.NamespaceStatus": { phase: "string", conditions: "list<kubernetes.NamespaceCondition>" },
  "kubernetes.NamespaceMetadata": {
    ...strings("name", "generateName", "namespace", "UID", "resourceVersion"),
    ...{ labels: texts, annotations: texts, finalizers: "list<string>" },
    ...{ creationTimestamp: time, deletionTimestamp: time, deletionGracePeriodSeconds: "int", generation: "int" },
  },
  "kubernetes.Namespace": {
    metadata: "kubernetes.NamespaceMetadata",
    spec: "kubernetes.NamespaceSpec",
    status: "kubernetes.NamespaceStatus",
  },
};

let checking: Environment | undefined;
let running: Environment | undefined;

/** The variables of admission, with their types: what expressions are checked with. A new one, to which more can be added. */
export function admissionEnvironment({ params, authorizer, patchTypes, types: declare }: AdmissionVariables): Environment {
  checking ??= withTypes();
  const environment = checking.clone();
  const given = declare?.(environment);
  const object = given?.object ?? "dyn";
  environment.registerVariable("object", object).registerVariable("oldObject", object);
  environment.registerVariable("request", "kubernetes.AdmissionRequest").registerVariable("namespaceObject", "kubernetes.Namespace");
  if (params) environment.registerVariable("params", given?.params ?? "dyn");
  if (authorizer) registerAuthorizer(environment);
  if (patchTypes) registerJsonPatch(environment);
  return environment;
}

function withTypes(): Environment {
  const environment = kubernetesEnvironment();
  registerConstructions(environment);
  for (const [name, fields] of Object.entries(types)) environment.registerType(name, { fields });
  return environment;
}

/** Where checked expressions run: all variables may be anything, so that data needs no conversion to their types. */
function runningEnvironment(): Environment {
  const environment = kubernetesEnvironment().clone({ unlistedVariablesAreDyn: true });
  registerConstructions(environment);
  registerJsonPatch(environment);
  return registerAuthorizer(environment);
}

/** Compiles an expression of admission; `returns` and errors as for compileExpression. */
export function compileAdmission(environment: Environment, text: string, returns?: readonly string[]): CompiledExpression {
  running ??= runningEnvironment();
  return compileExpression(environment, text, {
    runIn: running,
    patchTypes: environment.hasVariable("jsonpatch"),
    ...(returns ? { returns } : {}),
  });
}

/** An expression, or why there is none: then each evaluation fails. */
export type Compiled = CompiledExpression | Error;

/** An expression that has a name: a match condition, a variable, an audit annotation. */
export interface Named {
  name: string;
  text: string;
  expression: Compiled;
}

/** The value of an expression. Throws an Error in the words of Kubernetes; OutOfBudget says that none may follow. */
export function evaluate(
  { text, expression }: Omit<Named, "name">,
  variables: Readonly<Record<string, unknown>>,
  budget?: CostBudget,
): unknown {
  if (expression instanceof Error) throw new Error(`compilation error: ${expression.message}`);
  try {
    return expression.evaluate(variables, budget);
  } catch (error) {
    if (error instanceof OutOfBudget) throw error;
    throw new Error(`expression '${text}' resulted in error: ${evaluationText(error)}`);
  }
}

let matching: Environment | undefined;

/** Compiles a match condition of an admission webhook (KEP-3716). */
export function compileMatchCondition(text: string): Compiled {
  matching ??= admissionEnvironment({ authorizer: true });
  try {
    return compileAdmission(matching, text, ["bool"]);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
