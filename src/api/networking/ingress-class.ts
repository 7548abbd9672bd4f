import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
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
    if (controller.length > 250) errors.push(fault.tooLong("spec.controller", 250));
    if (!parameters) return errors;
    const field = "spec.parameters";
    for (const key of ["kind", "name"] as const) if (!parameters[key]) errors.push(fault.required(`${field}.${key}`));
    const { apiGroup, namespace } = parameters;
    errors.push(...fault.checkedIfSet(`${field}.apiGroup`, apiGroup, checkDnsSubdomain));
    errors.push(...fault.supported(`${field}.scope`, parameters.scope, ["Cluster", "Namespace"]));
    if (parameters.scope === "Namespace" && namespace !== undefined)
      errors.push(...fault.checked(`${field}.namespace`, namespace, checkDnsLabel));
    if (parameters.scope === "Namespace" && namespace === undefined)
      errors.push(fault.required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'"));
    if (parameters.scope === "Cluster" && namespace !== undefined)
      errors.push(fault.forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'"));
    return errors;
  },
  validateUpdate: ({ spec }, old) => fault.immutable("spec.controller", spec?.controller === old.spec?.controller, spec?.controller ?? ""),
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
