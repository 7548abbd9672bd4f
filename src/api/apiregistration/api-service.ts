import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { invalidValue, requiredValue } from "../meta/field-errors.ts";
import { age } from "../meta/time.ts";
import type { APIService } from "../types/apiregistration.v1.ts";

/** The rules of APIServices. */
export const apiServiceRules: KindRules<APIService> = {
  default({ spec }) {
    if (spec.service) spec.service.port ??= 443;
  },
  validate({ metadata, spec }) {
    const errors: FieldError[] = [];
    const wanted = `${spec.version ?? ""}.${spec.group ?? ""}`;
    if (metadata.name !== wanted)
      errors.push(invalidValue("metadata.name", metadata.name ?? "", `must be \`spec.version+"."+spec.group\`: "${wanted}"`));
    if (!spec.version) errors.push(requiredValue("spec.version"));
    for (const [key, most] of [
      ["groupPriorityMinimum", 20_000],
      ["versionPriority", 1000],
    ] as const)
      if (!(spec[key] > 0 && spec[key] <= most))
        errors.push(invalidValue(`spec.${key}`, spec[key] ?? 0, `must be positive and less than ${most}`));
    if (!spec.service) {
      if (spec.caBundle)
        errors.push(invalidValue("spec.caBundle", `${spec.caBundle.length} bytes`, "local APIServices may not have a caBundle"));
      if (spec.insecureSkipTLSVerify)
        errors.push(invalidValue("spec.insecureSkipTLSVerify", true, "local APIServices may not have insecureSkipTLSVerify"));
      return errors;
    }
    for (const key of ["namespace", "name"] as const) if (!spec.service[key]) errors.push(requiredValue(`spec.service.${key}`));
    if (spec.caBundle && spec.insecureSkipTLSVerify)
      errors.push(invalidValue("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present"));
    return errors;
  },
  cells({ metadata, spec, status }, now) {
    const available = status?.conditions?.find((condition) => condition.type === "Available");
    const reason = available?.status !== "True" && available?.reason ? ` (${available.reason})` : "";
    return [
      metadata.name,
      spec.service ? `${spec.service.namespace}/${spec.service.name}` : "Local",
      `${available?.status ?? "Unknown"}${reason}`,
      age(metadata.creationTimestamp, now),
    ];
  },
};
