import { compileMatchCondition } from "../cel/admission.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import { checkDns1035Label, checkDnsSubdomain, checkQualifiedName } from "../meta/names.ts";
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
      webhook.reinvocationPolicy ??= "Never";
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
  webhook.failurePolicy ??= "Fail";
  webhook.matchPolicy ??= "Equivalent";
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
  for (const rule of webhook.rules ?? []) rule.scope ??= "*";
}

function validateWebhooks(webhooks: readonly (ValidatingWebhook | MutatingWebhook)[]): FieldError[] {
  const names = new Set<string>();
  return fault.each("webhooks", webhooks, (webhook, field) => {
    const errors = validateWebhook(field, webhook);
    return [...errors, ...fault.once(names, `${field}.name`, webhook.name)];
  });
}

function validateWebhook(field: string, webhook: ValidatingWebhook | MutatingWebhook): FieldError[] {
  const { name = "", timeoutSeconds, admissionReviewVersions: versions = [] } = webhook;
  const errors: FieldError[] = [];
  if (versions.length === 0)
    errors.push(fault.required(`${field}.admissionReviewVersions`, `must specify one of ${reviewVersions.join(", ")}`));
  else if (!versions.some((version) => reviewVersions.includes(version)))
    errors.push(fault.invalid(`${field}.admissionReviewVersions`, versions, `must include at least one of ${reviewVersions.join(", ")}`));
  for (const [i, version] of versions.entries()) {
    const place = `${field}.admissionReviewVersions[${i}]`;
    errors.push(...fault.checked(place, version, checkDns1035Label));
    if (versions.indexOf(version) < i) errors.push(fault.invalid(place, version, "duplicate version"));
  }
  if (!name) errors.push(fault.required(`${field}.name`));
  else {
    const wrong = checkDnsSubdomain(name);
    if (wrong.length > 0) errors.push(fault.invalid(`${field}.name`, name, wrong.join(",")));
    else if (name.split(".").length < 3)
      errors.push(fault.invalid(`${field}.name`, name, "should be a domain with at least three segments separated by dots"));
  }
  for (const [i, rule] of (webhook.rules ?? []).entries()) errors.push(...validateRule(`${field}.rules[${i}]`, rule));
  errors.push(...fault.supported(`${field}.failurePolicy`, webhook.failurePolicy, ["Fail", "Ignore"]));
  errors.push(...fault.supported(`${field}.matchPolicy`, webhook.matchPolicy, ["Equivalent", "Exact"]));
  if (webhook.sideEffects === undefined) errors.push(fault.required(`${field}.sideEffects`, "must specify one of None, NoneOnDryRun"));
  else errors.push(...fault.supported(`${field}.sideEffects`, webhook.sideEffects, ["None", "NoneOnDryRun"]));
  if ("reinvocationPolicy" in webhook)
    errors.push(...fault.supported(`${field}.reinvocationPolicy`, webhook.reinvocationPolicy, ["IfNeeded", "Never"]));
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > 30))
    errors.push(fault.invalid(`${field}.timeoutSeconds`, timeoutSeconds, "the timeout value must be between 1 and 30 seconds"));
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
    errors.push(...fault.requiredAndChecked(`${field}.matchConditions[${i}].name`, condition.name, checkQualifiedName));
    if (!condition.expression?.trim()) errors.push(fault.required(`${field}.matchConditions[${i}].expression`));
    else {
      const text = condition.expression;
      errors.push(...expressionErrors(`${field}.matchConditions[${i}].expression`, text, compileMatchCondition(text)));
    }
    if (conditions.findIndex((c) => c.name === condition.name) < i)
      errors.push(fault.duplicate(`${field}.matchConditions[${i}].name`, condition.name));
  }
  return errors;
}

/** What is wrong with a rule that says which requests are looked at. */
export function validateRule(field: string, rule: RuleWithOperations): FieldError[] {
  const errors: FieldError[] = [];
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  const alone = (key: string, list: readonly string[], star = "if '*' is present, must not specify other"): void => {
    if (list.length === 0) errors.push(fault.required(`${field}.${key}`));
    else if (list.length > 1 && list.includes("*"))
      errors.push(
        fault.invalid(
          `${field}.${key}`,
          list,
          `${star} ${key === "apiGroups" ? "API groups" : key === "apiVersions" ? "API versions" : key}`,
        ),
      );
  };
  alone("apiGroups", apiGroups);
  alone("apiVersions", apiVersions);
  for (const [i, version] of apiVersions.entries()) if (!version) errors.push(fault.required(`${field}.apiVersions[${i}]`));
  errors.push(...validateResources(`${field}.resources`, resources));
  alone("operations", operations);
  for (const [i, operation] of operations.entries())
    errors.push(...fault.supported(`${field}.operations[${i}]`, operation, ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]));
  errors.push(...fault.oneOfIfSet(`${field}.scope`, rule.scope, ["*", "Cluster", "Namespaced"]));
  return errors;
}

function validateResources(field: string, resources: readonly string[]): FieldError[] {
  if (resources.length === 0) return [fault.required(field)];
  const errors: FieldError[] = [];
  const stars = new Set<string>();
  for (const [i, resource] of resources.entries()) {
    const [name, part] = resource.split(/\/(.*)/s);
    if (!resource) errors.push(fault.required(`${field}[${i}]`));
    if (part === undefined) continue;
    for (const star of [`${name}/*`, `*/${part}`])
      if (stars.has(star)) errors.push(fault.invalid(`${field}[${i}]`, resource, `if '${star}' is present, must not specify ${resource}`));
    if (part === "*" || name === "*") stars.add(resource);
  }
  if (resources.length > 1 && resources.includes("*/*"))
    errors.push(fault.invalid(field, resources, "if '*/*' is present, must not specify other resources"));
  if (resources.includes("*") && resources.some((resource) => resource && resource !== "*" && !resource.includes("/")))
    errors.push(fault.invalid(field, resources, "if '*' is present, must not specify other resources without subresources"));
  return errors;
}

/** What is wrong with how a webhook is to be called. */
export function validateClientConfig(field: string, config: WebhookClientConfig | undefined): FieldError[] {
  const { url, service } = config ?? {};
  if ((url === undefined) === (service === undefined)) return [fault.required(field, "exactly one of url or service is required")];
  if (url !== undefined) return validateUrl(`${field}.url`, url);
  const errors: FieldError[] = [];
  // Upstream takes the one for the other.
  if (!service?.name) errors.push(fault.required(`${field}.service.namespace`));
  if (!service?.namespace) errors.push(fault.required(`${field}.service.name`));
  const port = service?.port ?? 443;
  if (port < 1 || port > 65535)
    errors.push(fault.invalid(`${field}.service.port`, port, "port is not valid: must be between 1 and 65535, inclusive"));
  return [...errors, ...validatePath(`${field}.service.path`, service?.path ?? "")];
}

function validatePath(field: string, path: string): FieldError[] {
  if (path === "" || path === "/") return [];
  const errors = path.startsWith("/") ? [] : [fault.invalid(field, path, "must start with a '/'")];
  const segments = path === "//" ? [""] : path.slice(1).replace(/\/$/, "").split("/");
  for (const [i, segment] of segments.entries()) {
    if (!segment) errors.push(fault.invalid(field, path, `segment[${i}] may not be empty`));
    else for (const problem of checkDnsSubdomain(segment)) errors.push(fault.invalid(field, path, `segment[${i}]: ${problem}`));
  }
  return errors;
}

function validateUrl(field: string, url: string): FieldError[] {
  const form = "; desired format: https://host[/path]";
  if (!/^[a-z][a-z\d+.-]*:/i.test(url))
    return [
      fault.invalid(field, "", `'https' is the only allowed URL scheme${form}`),
      fault.invalid(field, "", `host must be specified${form}`),
    ];
  if (!URL.canParse(url))
    return [fault.required(field, `url must be a valid URL: parse ${JSON.stringify(url)}: invalid URI for request${form}`)];
  const { protocol, username, hash, search } = new URL(url);
  const errors: FieldError[] = [];
  if (protocol !== "https:") errors.push(fault.invalid(field, protocol.slice(0, -1), `'https' is the only allowed URL scheme${form}`));
  if (username) errors.push(fault.invalid(field, username, "user information is not permitted in the URL"));
  if (hash) errors.push(fault.invalid(field, hash.slice(1), "fragments are not permitted in the URL"));
  if (search) errors.push(fault.invalid(field, search.slice(1), "query parameters are not permitted in the URL"));
  return errors;
}
