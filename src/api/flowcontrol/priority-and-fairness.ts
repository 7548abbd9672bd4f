import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDnsLabel, checkDnsSubdomain } from "../meta/names.ts";
import { deepEqual } from "../meta/equality.ts";
import { age } from "../meta/time.ts";
import type {
  FlowSchema,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  Subject,
} from "../types/flowcontrol.v1.ts";
import { FlowSchemas, PriorityLevelConfigurations } from "../types/resources.ts";
import { mandatoryConfiguration } from "./default-configuration.ts";

/** The rules of FlowSchemas. */
export const flowSchemaRules: KindRules<FlowSchema> = {
  default({ spec }) {
    spec.matchingPrecedence ||= 1000;
  },
  validate({ metadata, spec }) {
    const errors: FieldError[] = [];
    const precedence = spec.matchingPrecedence ?? 0;
    if (precedence <= 0) errors.push(fault.invalid("spec.matchingPrecedence", precedence, "must be a positive value"));
    if (precedence === 1 && metadata.name !== "exempt")
      errors.push(fault.invalid("spec.matchingPrecedence", precedence, "only the schema named 'exempt' may have matchingPrecedence 1"));
    if (precedence > 10_000) errors.push(fault.invalid("spec.matchingPrecedence", precedence, "must not be greater than 10000"));
    const { name } = spec.priorityLevelConfiguration ?? {};
    errors.push(
      ...fault.requiredAndChecked("spec.priorityLevelConfiguration.name", name, checkDnsSubdomain, "must reference a priority level"),
    );
    const methods = ["ByNamespace", "ByUser"];
    if (spec.distinguisherMethod && !methods.includes(spec.distinguisherMethod.type))
      errors.push(fault.notSupported("spec.distinguisherMethod.type", { Type: spec.distinguisherMethod.type }, methods));
    for (const [i, { subjects, resourceRules, nonResourceRules }] of (spec.rules ?? []).entries()) {
      errors.push(...validateRule(`spec.rules[${i}]`, { subjects, resourceRules, nonResourceRules }));
      if (!subjects?.length) errors.push(fault.required(`spec.rules[${i}].subjects`, "subjects must contain at least one value"));
      if (!resourceRules?.length && !nonResourceRules?.length)
        errors.push(fault.required(`spec.rules[${i}]`, "at least one of resourceRules and nonResourceRules has to be non-empty"));
    }
    const fixed = mandatoryConfiguration(FlowSchemas, metadata.name);
    if (fixed && !deepEqual(spec, fixed.spec)) errors.push(mustEqual(spec, `spec of '${metadata.name}' must equal the fixed value`));
    return errors;
  },
  cells({ metadata, spec, status }, now) {
    const dangling = status?.conditions?.find((condition) => condition.type === "Dangling")?.status;
    return [
      metadata.name,
      spec.priorityLevelConfiguration?.name || "<none>",
      spec.matchingPrecedence ?? 0,
      spec.distinguisherMethod?.type || "<none>",
      age(metadata.creationTimestamp, now),
      dangling ?? "?",
    ];
  },
};

/** The rules of PriorityLevelConfigurations. */
export const priorityLevelConfigurationRules: KindRules<PriorityLevelConfiguration> = {
  default({ spec }) {
    if (spec.exempt) {
      spec.exempt.nominalConcurrencyShares ??= 0;
      spec.exempt.lendablePercent ??= 0;
    }
    const { limited } = spec;
    if (!limited) return;
    limited.nominalConcurrencyShares ??= 30;
    limited.lendablePercent ??= 0;
    const queuing = limited.limitResponse?.queuing;
    if (!queuing) return;
    queuing.queues ||= 64;
    queuing.handSize ||= 8;
    queuing.queueLengthLimit ||= 50;
  },
  validate: ({ metadata: { name }, spec }) => [...levelErrors(name, spec), ...fixedLevel(name, spec)],
  cells({ metadata, spec }, now) {
    const queuing = spec.limited?.limitResponse?.queuing;
    return [
      metadata.name,
      spec.type,
      spec.limited?.nominalConcurrencyShares ?? "<none>",
      queuing?.queues ?? "<none>",
      queuing?.handSize ?? "<none>",
      queuing?.queueLengthLimit ?? "<none>",
      age(metadata.creationTimestamp, now),
    ];
  },
};

function levelErrors(name: string, spec: PriorityLevelConfigurationSpec): FieldError[] {
  const errors = fault.oneOf("spec.type", spec.type, ["Exempt", "Limited"]);
  if ((name === "exempt") !== (spec.type === "Exempt"))
    errors.unshift(fault.invalid("spec.type", spec.type, "must be 'Exempt' if and only if `name` is 'exempt'"));
  const { limited } = spec;
  if (spec.type === "Exempt" && limited) errors.push(fault.forbidden("spec.limited", "must be nil if the type is not Limited"));
  if (spec.type !== "Limited") return errors;
  if (!limited) return [...errors, fault.required("spec.limited", "must not be empty when type is Limited")];
  const response = limited.limitResponse;
  errors.push(...fault.oneOf("spec.limited.limitResponse.type", response?.type, ["Queue", "Reject"]));
  if (response?.type === "Queue" && !response.queuing)
    errors.push(fault.required("spec.limited.limitResponse.queuing", "must not be empty if limited.limitResponse.type is Limited"));
  if (response?.type === "Reject" && response.queuing)
    errors.push(fault.forbidden("spec.limited.limitResponse.queuing", "must be nil if limited.limitResponse.type is not Limited"));
  const { nominalConcurrencyShares = 0, lendablePercent = 0, borrowingLimitPercent = 0 } = limited;
  if (nominalConcurrencyShares < 0)
    errors.push(fault.invalid("spec.limited.nominalConcurrencyShares", nominalConcurrencyShares, "must be a non-negative integer"));
  if (lendablePercent < 0 || lendablePercent > 100)
    errors.push(fault.invalid("spec.limited.lendablePercent", lendablePercent, "must be between 0 and 100, inclusive"));
  if (borrowingLimitPercent < 0)
    errors.push(fault.invalid("spec.limited.borrowingLimitPercent", borrowingLimitPercent, "if specified, must be a non-negative integer"));
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = response?.queuing ?? {};
  if (response?.type === "Queue" && response.queuing)
    for (const [key, count] of Object.entries({ queues, handSize, queueLengthLimit }))
      if (count <= 0) errors.push(fault.invalid(`spec.limited.limitResponse.queuing.${key}`, count, "must be positive"));
  if (response?.type === "Queue" && response.queuing && handSize > queues)
    errors.push(fault.invalid("spec.limited.limitResponse.queuing.handSize", handSize, `should not be greater than queues (${queues})`));
  return errors;
}

/** What the exempt level lends may be changed. */
function fixedLevel(name: string, spec: PriorityLevelConfigurationSpec): FieldError[] {
  const fixed = mandatoryConfiguration(PriorityLevelConfigurations, name)?.spec;
  if (!fixed) return [];
  const { exempt: _lends, ...rest } = spec;
  if (fixed.exempt)
    return deepEqual({ ...rest, exempt: fixed.exempt }, fixed)
      ? []
      : [mustEqual(spec, `spec of '${name}' except the 'spec.exempt' field must equal the fixed value`)];
  return deepEqual(spec, fixed) ? [] : [mustEqual(spec, `spec of '${name}' must equal the fixed value`)];
}

function mustEqual(spec: object, message: string): FieldError {
  return fault.invalid("spec", spec, message);
}

const verbsKnown = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

function validateRule(field: string, { subjects, resourceRules, nonResourceRules }: PolicyRulesWithSubjects): FieldError[] {
  return [
    ...(subjects ?? []).flatMap((subject, i) => validateSubject(`${field}.subjects[${i}]`, subject)),
    ...fault.each(`${field}.resourceRules`, resourceRules, ({ verbs, apiGroups, resources, namespaces = [], clusterScope }, path) => {
      return [
        ...validateVerbs(`${path}.verbs`, verbs),
        ...someOrAll(`${path}.apiGroups`, apiGroups, "resource rules must supply at least one api group", "api groups"),
        ...someOrAll(`${path}.resources`, resources, "resource rules must supply at least one resource", "resources"),
        ...(clusterScope && !namespaces?.length
          ? []
          : someOrAll(
              `${path}.namespaces`,
              namespaces,
              "resource rules that are not cluster scoped must supply at least one namespace",
              "namespaces",
            )),
        ...(namespaces ?? []).flatMap((name, j) =>
          fault.invalidEach(
            `${path}.namespaces[${j}]`,
            name,
            name === "*" ? [] : checkDnsLabel(name).map((text) => `each member of this list must be '*' or a DNS-1123 label; ${text}`),
          ),
        ),
      ];
    }),
    ...fault.each(`${field}.nonResourceRules`, nonResourceRules, ({ verbs, nonResourceURLs: urls }, path) => {
      return [
        ...validateVerbs(`${path}.verbs`, verbs),
        ...someOrAll(`${path}.nonResourceURLs`, urls, "nonResourceURLs must contain at least one value", "non-resource URLs"),
        ...(urls ?? []).flatMap((url, j) => fault.invalidEach(`${path}.nonResourceURLs[${j}]`, url, url === "*" ? [] : checkUrlPath(url))),
      ];
    }),
  ];
}

/** A list must not be empty, and with "*" in it there must be nothing else. */
function someOrAll(field: string, list: readonly string[] | undefined, missing: string, others: string): FieldError[] {
  if (!list?.length) return [fault.required(field, missing)];
  return list.length > 1 && list.includes("*") ? [fault.invalid(field, list, `if '*' is present, must not specify other ${others}`)] : [];
}

function validateVerbs(field: string, verbs: readonly string[] | undefined): FieldError[] {
  const errors = someOrAll(field, verbs, "verbs must contain at least one value", "verbs");
  if (verbs?.includes("*") || verbs?.every((verb) => verbsKnown.includes(verb))) return errors;
  return verbs ? [...errors, fault.notSupported(field, verbs, verbsKnown)] : errors;
}

function checkUrlPath(path: string): string[] {
  if (path === "") return ["must not be empty"];
  if (path === "/") return [];
  if (!path.startsWith("/")) return ["must start with slash"];
  if (path.includes(" ")) return ["must not contain white-space"];
  if (path.includes("//")) return ["must not contain double slash"];
  return /\*./.test(path) || /[^/]\*$/.test(path) ? ["wildcard can only do suffix matching"] : [];
}

const subjectKinds = { Group: "group", ServiceAccount: "serviceAccount", User: "user" } as const;

function validateSubject(field: string, subject: Subject): FieldError[] {
  const own = subjectKinds[subject.kind as keyof typeof subjectKinds];
  if (!own) return [fault.notSupported(`${field}.kind`, subject.kind ?? "", Object.keys(subjectKinds))];
  const errors: FieldError[] = [];
  for (const [kind, key] of Object.entries(subjectKinds)) {
    const given = subject[key];
    if (key === own && !given) errors.push(fault.required(`${field}.${key}`, `${key} is required when subject kind is '${kind}'`));
    if (key !== own && given) errors.push(fault.forbidden(`${field}.${key}`, `${key} is forbidden when subject kind is not '${kind}'`));
    if (key === own && given && !given.name) errors.push(fault.required(`${field}.${key}.name`));
  }
  const { name = "", namespace } = subject.serviceAccount ?? {};
  if (own !== "serviceAccount" || !subject.serviceAccount) return errors;
  if (name && name !== "*") errors.push(...fault.checked(`${field}.${own}.name`, name, checkDnsSubdomain));
  const missing = fault.required(`${field}.${own}.namespace`, "must specify namespace for service account");
  return [...errors, ...(namespace ? fault.checked(`${field}.${own}.namespace`, namespace, checkDnsLabel) : [missing])];
}
