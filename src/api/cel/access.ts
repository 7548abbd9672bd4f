import type { Environment } from "@marcbachmann/cel-js";
import type { Named } from "./admission.ts";
import { kubernetesEnvironment } from "./environment.ts";
import { compileExpression } from "./expression.ts";

const strings = (...names: string[]): Record<string, string> => Object.fromEntries(names.map((name) => [name, "string"]));
const who = { ...strings("uid"), groups: "list<string>", extra: "map<string, list<string>>" };

/** The types of what a request asks for, those first that others use. */
const reviewTypes: Record<string, Record<string, string>> = {
  "kubernetes.SelectorRequirement": { ...strings("key", "operator"), values: "list<string>" },
  "kubernetes.SelectorAttributes": { rawSelector: "string", requirements: "list<kubernetes.SelectorRequirement>" },
  "kubernetes.ResourceAttributes": {
    ...strings("namespace", "verb", "group", "version", "resource", "subresource", "name"),
    fieldSelector: "kubernetes.SelectorAttributes",
    labelSelector: "kubernetes.SelectorAttributes",
  },
  "kubernetes.NonResourceAttributes": strings("path", "verb"),
  "kubernetes.SubjectAccessReviewSpec": {
    ...who,
    user: "string",
    resourceAttributes: "kubernetes.ResourceAttributes",
    nonResourceAttributes: "kubernetes.NonResourceAttributes",
  },
};

function typed(types: Record<string, Record<string, string>>, variable: string, type: string): Environment {
  const environment = kubernetesEnvironment();
  for (const [name, fields] of Object.entries(types)) environment.registerType(name, { fields });
  return environment.registerVariable(variable, type);
}

/** Compiles with types, to run on data as it is. Throws an Error that says what is wrong with the expression. */
function compile(environment: Environment, text: string, returns?: readonly string[]): Named {
  const runIn = kubernetesEnvironment().clone({ unlistedVariablesAreDyn: true });
  return { name: text, text, expression: compileExpression(environment, text, { runIn, ...(returns ? { returns } : {}) }) };
}

/** The match conditions of an authorization webhook, about the SubjectAccessReviewSpec `request` (KEP-3221). Throws an Error. */
export function accessConditions(texts: readonly string[]): Named[] {
  if (texts.length === 0) return [];
  const environment = typed(reviewTypes, "request", "kubernetes.SubjectAccessReviewSpec");
  return texts.map((text) => compile(environment, text, ["bool"]));
}

/** An expression about the `claims` of a token (KEP-3331). Throws an Error. */
export function claimsExpression(text: string, returns?: readonly string[]): Named {
  return compile(typed({}, "claims", "map<string, dyn>"), text, returns);
}

/** A rule about the `user` that was made of a token (KEP-3331). Throws an Error. */
export function userRule(text: string): Named {
  return compile(typed({ "kubernetes.UserInfo": { ...who, username: "string" } }, "user", "kubernetes.UserInfo"), text, ["bool"]);
}
