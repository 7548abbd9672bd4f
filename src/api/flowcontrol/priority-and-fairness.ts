import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { forbiddenField, invalidValue, notSupported, oneOf, requiredValue } from "../meta/field-errors.ts";
import { age } from "../meta/time.ts";
import type { FlowSchema, PriorityLevelConfiguration } from "../types/flowcontrol.v1.ts";

/** The rules of FlowSchemas. */
export const flowSchemaRules: KindRules<FlowSchema> = {
  default({ spec }) {
    spec.matchingPrecedence ||= 1000;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    const precedence = spec.matchingPrecedence ?? 0;
    if (precedence <= 0) errors.push(invalidValue("spec.matchingPrecedence", precedence, "must be a positive value"));
    if (precedence > 10_000) errors.push(invalidValue("spec.matchingPrecedence", precedence, "must not be greater than 10000"));
    if (!spec.priorityLevelConfiguration?.name)
      errors.push(requiredValue("spec.priorityLevelConfiguration.name", "must reference a priority level"));
    const methods = ["ByNamespace", "ByUser"];
    if (spec.distinguisherMethod && !methods.includes(spec.distinguisherMethod.type))
      errors.push(notSupported("spec.distinguisherMethod.type", { Type: spec.distinguisherMethod.type }, methods));
    for (const [i, { subjects, resourceRules, nonResourceRules }] of (spec.rules ?? []).entries()) {
      if (!subjects?.length) errors.push(requiredValue(`spec.rules[${i}].subjects`, "subjects must contain at least one value"));
      if (!resourceRules?.length && !nonResourceRules?.length)
        errors.push(requiredValue(`spec.rules[${i}]`, "at least one of resourceRules and nonResourceRules has to be non-empty"));
    }
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
  validate({ spec }) {
    const errors = oneOf("spec.type", spec.type, ["Exempt", "Limited"]);
    const { limited } = spec;
    if (spec.type === "Exempt" && limited) errors.push(forbiddenField("spec.limited", "must be nil if the type is not Limited"));
    if (spec.type !== "Limited") return errors;
    if (!limited) return [...errors, requiredValue("spec.limited", "must not be empty when type is Limited")];
    const response = limited.limitResponse;
    errors.push(...oneOf("spec.limited.limitResponse.type", response?.type, ["Queue", "Reject"]));
    if (response?.type === "Queue" && !response.queuing)
      errors.push(requiredValue("spec.limited.limitResponse.queuing", "must not be empty if limited.limitResponse.type is Limited"));
    if (response?.type === "Reject" && response.queuing)
      errors.push(forbiddenField("spec.limited.limitResponse.queuing", "must be nil if limited.limitResponse.type is not Limited"));
    const { queues = 0, handSize = 0 } = response?.queuing ?? {};
    if (response?.type === "Queue" && response.queuing && handSize > queues)
      errors.push(invalidValue("spec.limited.limitResponse.queuing.handSize", handSize, `should not be greater than queues (${queues})`));
    return errors;
  },
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
