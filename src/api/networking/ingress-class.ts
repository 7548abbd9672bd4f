import type { KindRules } from "../kind.ts";
import { forbiddenField, immutable, invalidForEach, requiredValue, supportedValue, tooLong } from "../meta/field-errors.ts";
import { checkDnsLabel, checkDnsSubdomain } from "../meta/names.ts";
import { validateDomainPath } from "../meta/object-names.ts";
import { age } from "../meta/time.ts";
import type { IngressClass } from "../types/networking.v1.ts";

/** The rules of IngressClasses. */
export const ingressClassRules: KindRules<IngressClass> = {
  default({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= "Cluster";
  },
  validate({ spec }) {
    const { controller = "", parameters } = spec ?? {};
    const errors = validateDomainPath("spec.controller", controller);
    if (controller.length > 250) errors.push(tooLong("spec.controller", 250));
    if (!parameters) return errors;
    const field = "spec.parameters";
    for (const key of ["kind", "name"] as const) if (!parameters[key]) errors.push(requiredValue(`${field}.${key}`));
    const { apiGroup, namespace } = parameters;
    if (apiGroup !== undefined) errors.push(...invalidForEach(`${field}.apiGroup`, apiGroup, checkDnsSubdomain(apiGroup)));
    errors.push(...supportedValue(`${field}.scope`, parameters.scope, ["Cluster", "Namespace"]));
    if (parameters.scope === "Namespace" && namespace !== undefined)
      errors.push(...invalidForEach(`${field}.namespace`, namespace, checkDnsLabel(namespace)));
    if (parameters.scope === "Namespace" && namespace === undefined)
      errors.push(requiredValue(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'"));
    if (parameters.scope === "Cluster" && namespace !== undefined)
      errors.push(forbiddenField(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'"));
    return errors;
  },
  validateUpdate: ({ spec }, old) => immutable("spec.controller", spec?.controller === old.spec?.controller, spec?.controller ?? ""),
  cells({ metadata, spec }, now) {
    const { parameters } = spec ?? {};
    const kind = parameters?.apiGroup ? `${parameters.kind}.${parameters.apiGroup}` : parameters?.kind;
    return [
      metadata.name,
      spec?.controller ?? "",
      parameters ? `${kind}/${parameters.name}` : "<none>",
      age(metadata.creationTimestamp, now),
    ];
  },
};
