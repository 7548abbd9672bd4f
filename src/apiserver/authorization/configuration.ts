import { boolean, duration, list, object, oneOf, readConfiguration, text } from "../configuration/shape.ts";

const webhook = {
  ...{ authorizedTTL: duration, cacheAuthorizedRequests: boolean, unauthorizedTTL: duration, cacheUnauthorizedRequests: boolean },
  ...{ timeout: duration, subjectAccessReviewVersion: text, matchConditionSubjectAccessReviewVersion: text, failurePolicy: text },
  connectionInfo: object({ type: text, kubeConfigFile: text }),
  matchConditions: list(object({ expression: text })),
};
const kind = {
  versions: ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"],
  kind: "AuthorizationConfiguration",
  fields: { authorizers: list(object({ type: text, name: text, webhook: object(webhook) })) },
};

/** The modes of --authorization-mode. */
export const authorizationModes = ["ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"] as const;
/** One of them. */
export type AuthorizationMode = (typeof authorizationModes)[number];

/** One authoriser of an AuthorizationConfiguration, checked. Times in milliseconds. */
export interface AuthorizerSettings {
  type: AuthorizationMode;
  webhook?: WebhookSettings;
}

/** How to ask an authorization webhook. Times in milliseconds; a time to live of 0 keeps nothing. */
export interface WebhookSettings {
  name: string;
  /** Path of its kubeconfig. */
  kubeconfig: string;
  timeout: number;
  authorizedTTL: number;
  unauthorizedTTL: number;
  version: "v1" | "v1beta1";
  onError: "deny" | "no-opinion";
  matchConditions: readonly string[];
}

type Given = NonNullable<NonNullable<ReturnType<typeof readConfiguration<(typeof kind)["fields"]>>["authorizers"]>[number]>;

/** Reads an --authorization-config file. Throws an Error that names the field that is wrong. */
export function authorizationConfiguration(yaml: string): AuthorizerSettings[] {
  const { authorizers = [] } = readConfiguration(yaml, kind);
  if (authorizers.length === 0) throw new Error("authorizers: Required value: at least one authorization mode must be defined");
  const names = new Set<string>();
  const types = new Set<string>();
  return authorizers.map((given, index) => {
    const at = `authorizers[${index}]`;
    const { name = "" } = given;
    const type = oneOf(`${at}.type`, given.type, authorizationModes);
    if (type !== "Webhook" && types.has(type)) throw new Error(`${at}.type: Duplicate value: "${type}"`);
    if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) throw new Error(`${at}.name: "${name}" must be a DNS name in lower case`);
    if (names.has(name)) throw new Error(`${at}.name: Duplicate value: "${name}"`);
    names.add(name);
    types.add(type);
    if ((type === "Webhook") !== (given.webhook !== undefined))
      throw new Error(`${at}.webhook: ${given.webhook ? "may only be specified" : "required"} when type=Webhook`);
    return given.webhook ? { type, webhook: webhookSettings(name, given.webhook, `${at}.webhook`) } : { type };
  });
}

function webhookSettings(name: string, given: NonNullable<Given["webhook"]>, at: string): WebhookSettings {
  const { timeout, connectionInfo, matchConditions = [] } = given;
  const expressions = matchConditions.map(({ expression = "" }) => expression);
  const time = (field: "authorizedTTL" | "unauthorizedTTL", fallback: number): number => {
    const value = given[field] ?? fallback;
    if (value <= 0) throw new Error(`${at}.${field}: must be > 0s`);
    return value;
  };
  if (timeout === undefined) throw new Error(`${at}.timeout: Required value`);
  if (timeout <= 0 || timeout > 30_000) throw new Error(`${at}.timeout: must be > 0s and <= 30s`);
  const version = oneOf(`${at}.subjectAccessReviewVersion`, given.subjectAccessReviewVersion, ["v1", "v1beta1"] as const);
  if (expressions.length > 0 || given.matchConditionSubjectAccessReviewVersion !== undefined)
    oneOf(`${at}.matchConditionSubjectAccessReviewVersion`, given.matchConditionSubjectAccessReviewVersion, ["v1"] as const);
  const failure = oneOf(`${at}.failurePolicy`, given.failurePolicy, ["NoOpinion", "Deny"] as const);
  const connection = oneOf(`${at}.connectionInfo.type`, connectionInfo?.type, ["InClusterConfig", "KubeConfigFile"] as const);
  if (connection === "InClusterConfig")
    throw new Error(`${at}.connectionInfo.type: InClusterConfig needs a server that runs in a pod; use KubeConfigFile`);
  const kubeconfig = connectionInfo?.kubeConfigFile ?? "";
  if (!kubeconfig.startsWith("/")) throw new Error(`${at}.connectionInfo.kubeConfigFile: "${kubeconfig}" must be an absolute path`);
  if (expressions.length > 64) throw new Error(`${at}.matchConditions: must have at most 64 items`);
  for (const [index, expression] of expressions.entries()) {
    const where = `${at}.matchConditions[${index}].expression`;
    if (expression.trim() === "") throw new Error(`${where}: Required value`);
    if (expressions.indexOf(expression) < index) throw new Error(`${where}: Duplicate value: ${JSON.stringify(expression)}`);
  }
  return {
    ...{ name, kubeconfig, timeout, version, matchConditions: expressions },
    authorizedTTL: given.cacheAuthorizedRequests === false ? 0 : time("authorizedTTL", 300_000),
    unauthorizedTTL: given.cacheUnauthorizedRequests === false ? 0 : time("unauthorizedTTL", 30_000),
    onError: failure === "Deny" ? "deny" : "no-opinion",
  };
}
