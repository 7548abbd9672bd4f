import { compileMatchCondition } from "../cel/admission.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { duplicateValue, invalidForEach, invalidValue, notSupported, oneOf, requiredValue } from "../meta/field-errors.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import { checkDnsSubdomain } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import { expressionErrors } from "./policy-expressions.ts";
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  RuleWithOperations,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from "../types/admissionregistration.v1.ts";

const reviewVersions = ["v1", "v1beta1"];

/** The rules of MutatingWebhookConfigurations. */
export const mutatingWebhookConfigurationRules: KindRules<MutatingWebhookConfiguration> = {
  default({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      defaultWebhook(webhook);
      webhook.reinvocationPolicy ||= "Never";
    }
  },
  validate: ({ webhooks }) => validateWebhooks(webhooks ?? []),
  cells: ({ metadata, webhooks }, now) => [metadata.name, webhooks?.length ?? 0, age(metadata.creationTimestamp, now)],
};

/** The rules of ValidatingWebhookConfigurations. */
export const validatingWebhookConfigurationRules: KindRules<ValidatingWebhookConfiguration> = {
  default({ webhooks }) {
    for (const webhook of webhooks ?? []) defaultWebhook(webhook);
  },
  validate: ({ webhooks }) => validateWebhooks(webhooks ?? []),
  cells: ({ metadata, webhooks }, now) => [metadata.name, webhooks?.length ?? 0, age(metadata.creationTimestamp, now)],
};

function defaultWebhook(webhook: ValidatingWebhook | MutatingWebhook): void {
  webhook.failurePolicy ||= "Fail";
  webhook.matchPolicy ||= "Equivalent";
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
  for (const rule of webhook.rules ?? []) rule.scope ||= "*";
}

function validateWebhooks(webhooks: readonly (ValidatingWebhook | MutatingWebhook)[]): FieldError[] {
  const names = new Set<string>();
  return webhooks.flatMap((webhook, i) => {
    const field = `webhooks[${i}]`;
    const errors = validateWebhook(field, webhook);
    if (names.has(webhook.name)) errors.push(duplicateValue(`${field}.name`, webhook.name));
    names.add(webhook.name);
    return errors;
  });
}

function validateWebhook(field: string, webhook: ValidatingWebhook | MutatingWebhook): FieldError[] {
  const { name = "", timeoutSeconds, admissionReviewVersions: versions = [] } = webhook;
  const errors: FieldError[] = [];
  if (versions.length === 0)
    errors.push(requiredValue(`${field}.admissionReviewVersions`, `must specify one of ${reviewVersions.join(", ")}`));
  else if (!versions.some((version) => reviewVersions.includes(version)))
    errors.push(invalidValue(`${field}.admissionReviewVersions`, versions, `must include at least one of ${reviewVersions.join(", ")}`));
  if (!name) errors.push(requiredValue(`${field}.name`));
  else {
    errors.push(...invalidForEach(`${field}.name`, name, checkDnsSubdomain(name)));
    if (name.split(".").length < 3)
      errors.push(invalidValue(`${field}.name`, name, "should be a domain with at least three segments separated by dots"));
  }
  for (const [i, rule] of (webhook.rules ?? []).entries()) errors.push(...validateRule(`${field}.rules[${i}]`, rule));
  errors.push(...oneOf(`${field}.failurePolicy`, webhook.failurePolicy, ["Fail", "Ignore"]));
  errors.push(...oneOf(`${field}.matchPolicy`, webhook.matchPolicy, ["Equivalent", "Exact"]));
  const effects: string = webhook.sideEffects ?? "";
  if (!effects) errors.push(requiredValue(`${field}.sideEffects`, "must specify one of None, NoneOnDryRun"));
  else if (effects !== "None" && effects !== "NoneOnDryRun")
    errors.push(notSupported(`${field}.sideEffects`, effects, ["None", "NoneOnDryRun"]));
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > 30))
    errors.push(invalidValue(`${field}.timeoutSeconds`, timeoutSeconds, "the timeout value must be between 1 and 30 seconds"));
  errors.push(...validateLabelSelector(`${field}.namespaceSelector`, webhook.namespaceSelector));
  errors.push(...validateLabelSelector(`${field}.objectSelector`, webhook.objectSelector));
  errors.push(...validateClientConfig(`${field}.clientConfig`, webhook.clientConfig));
  const conditions = webhook.matchConditions ?? [];
  if (conditions.length > 64)
    errors.push({
      reason: "FieldValueTooMany",
      field: `${field}.matchConditions`,
      message: `Too many: ${conditions.length}: must have at most 64 items`,
    });
  for (const [i, condition] of conditions.entries()) {
    if (!condition.name) errors.push(requiredValue(`${field}.matchConditions[${i}].name`));
    if (!condition.expression?.trim()) errors.push(requiredValue(`${field}.matchConditions[${i}].expression`));
    else {
      const text = condition.expression;
      errors.push(...expressionErrors(`${field}.matchConditions[${i}].expression`, text, compileMatchCondition(text)));
    }
    if (conditions.findIndex((c) => c.name === condition.name) < i)
      errors.push(duplicateValue(`${field}.matchConditions[${i}].name`, condition.name));
  }
  return errors;
}

/** What is wrong with a rule that says which requests are looked at. */
export function validateRule(field: string, rule: RuleWithOperations): FieldError[] {
  const errors: FieldError[] = [];
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  const alone = (key: string, list: readonly string[], star = "if '*' is present, must not specify other"): void => {
    if (list.length === 0) errors.push(requiredValue(`${field}.${key}`));
    else if (list.length > 1 && list.includes("*"))
      errors.push(
        invalidValue(
          `${field}.${key}`,
          list,
          `${star} ${key === "apiGroups" ? "API groups" : key === "apiVersions" ? "API versions" : key}`,
        ),
      );
  };
  alone("apiGroups", apiGroups);
  alone("apiVersions", apiVersions);
  for (const [i, version] of apiVersions.entries()) if (!version) errors.push(requiredValue(`${field}.apiVersions[${i}]`));
  if (resources.length === 0) errors.push(requiredValue(`${field}.resources`));
  if (resources.includes("*") && resources.some((r) => r !== "*" && !r.includes("/")))
    errors.push(invalidValue(`${field}.resources`, resources, "if '*' is present, must not specify other resources without subresources"));
  alone("operations", operations);
  for (const [i, operation] of operations.entries())
    errors.push(...oneOf(`${field}.operations[${i}]`, operation, ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]));
  if (rule.scope) errors.push(...oneOf(`${field}.scope`, rule.scope, ["*", "Cluster", "Namespaced"]));
  return errors;
}

/** What is wrong with how a webhook is to be called. */
export function validateClientConfig(field: string, config: WebhookClientConfig | undefined): FieldError[] {
  const { url, service } = config ?? {};
  if ((url === undefined) === (service === undefined)) return [requiredValue(field, "exactly one of url or service is required")];
  if (url !== undefined) return validateUrl(`${field}.url`, url);
  const errors: FieldError[] = [];
  for (const key of ["name", "namespace"] as const) if (!service?.[key]) errors.push(requiredValue(`${field}.service.${key}`));
  const port = service?.port ?? 443;
  if (port < 1 || port > 65535)
    errors.push(invalidValue(`${field}.service.port`, port, "port is not valid: must be between 1 and 65535, inclusive"));
  return [...errors, ...validatePath(`${field}.service.path`, service?.path ?? "")];
}

function validatePath(field: string, path: string): FieldError[] {
  if (path === "" || path === "/") return [];
  const errors = path.startsWith("/") ? [] : [invalidValue(field, path, "must start with a '/'")];
  const segments = path === "//" ? [""] : path.slice(1).replace(/\/$/, "").split("/");
  for (const [i, segment] of segments.entries()) {
    if (!segment) errors.push(invalidValue(field, path, `segment[${i}] may not be empty`));
    else for (const problem of checkDnsSubdomain(segment)) errors.push(invalidValue(field, path, `segment[${i}]: ${problem}`));
  }
  return errors;
}

function validateUrl(field: string, url: string): FieldError[] {
  const form = "; desired format: https://host[/path]";
  if (!URL.canParse(url))
    return [requiredValue(field, `url must be a valid URL: parse ${JSON.stringify(url)}: invalid URI for request${form}`)];
  const { protocol, username, hash, search } = new URL(url);
  const errors: FieldError[] = [];
  if (protocol !== "https:") errors.push(invalidValue(field, protocol.slice(0, -1), `'https' is the only allowed URL scheme${form}`));
  if (username) errors.push(invalidValue(field, username, "user information is not permitted in the URL"));
  if (hash) errors.push(invalidValue(field, hash.slice(1), "fragments are not permitted in the URL"));
  if (search) errors.push(invalidValue(field, search.slice(1), "query parameters are not permitted in the URL"));
  return errors;
}
