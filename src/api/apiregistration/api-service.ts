import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDns1035Label, checkDnsSubdomain, checkPort } from "../meta/names.ts";
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
    if (metadata.name && metadata.name !== wanted)
      errors.push(fault.invalid("metadata.name", metadata.name, `must be \`spec.version+"."+spec.group\`: "${wanted}"`));
    const { group = "", version = "" } = spec;
    if (group) errors.push(...fault.checked("spec.group", group, checkDnsSubdomain));
    else if (version !== "v1") errors.push(fault.required("spec.group", "only v1 may have an empty group and it better be legacy kube"));
    errors.push(...fault.checked("spec.version", version, checkDns1035Label));
    for (const [key, most] of [
      ["groupPriorityMinimum", 20_000],
      ["versionPriority", 1000],
    ] as const)
      if (!(spec[key] > 0 && spec[key] <= most))
        errors.push(fault.invalid(`spec.${key}`, spec[key] ?? 0, `must be positive and less than ${most}`));
    if (!spec.service) {
      if (spec.caBundle)
        errors.push(fault.invalid("spec.caBundle", `${spec.caBundle.length} bytes`, "local APIServices may not have a caBundle"));
      if (spec.insecureSkipTLSVerify)
        errors.push(fault.invalid("spec.insecureSkipTLSVerify", true, "local APIServices may not have insecureSkipTLSVerify"));
      return errors;
    }
    for (const key of ["namespace", "name"] as const) if (!spec.service[key]) errors.push(fault.required(`spec.service.${key}`));
    const { port = 443 } = spec.service;
    for (const text of checkPort(port)) errors.push(fault.invalid("spec.service.port", port, `port is not valid: ${text}`));
    if (spec.caBundle && spec.insecureSkipTLSVerify)
      errors.push(fault.invalid("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present"));
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
