import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDnsLabel, checkDnsSubdomain, checkPort, checkPortName, checkWildcardSubdomain } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { HTTPIngressPath, Ingress, IngressBackend, IngressSpec } from "../types/networking.v1.ts";

const pathTypes = ["Exact", "ImplementationSpecific", "Prefix"];
const badSequences = ["//", "/./", "/../", "%2f", "%2F"];
const badEndings = ["/..", "/."];
/** How Ingresses named their class before spec.ingressClassName. */
export const classAnnotation = "kubernetes.io/ingress.class";

/** The rules of Ingresses. */
export const ingressRules: KindRules<Ingress> = {
  validate({ metadata, spec }) {
    const errors = validateSpec(spec);
    if (metadata.annotations?.[classAnnotation] !== undefined && spec?.ingressClassName !== undefined)
      errors.push(
        fault.invalid(
          `annotations.${classAnnotation}`,
          metadata.annotations[classAnnotation],
          "can not be set when the class field is also set",
        ),
      );
    return errors;
  },
  warnings: ({ metadata }) =>
    metadata.annotations?.[classAnnotation] !== undefined
      ? [`annotation "${classAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`]
      : [],
  cells({ metadata, spec, status }, now) {
    const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || "").filter((text) => text !== "");
    return [
      metadata.name,
      spec?.ingressClassName ?? metadata.annotations?.[classAnnotation] ?? "<none>",
      hostsText(spec),
      [...new Set(ingress)].sort().join(","),
      spec?.tls?.length ? "80, 443" : "80",
      age(metadata.creationTimestamp, now),
    ];
  },
};

const hostsShown = 3;

function hostsText(spec: IngressSpec | undefined): string {
  const hosts = (spec?.rules ?? []).filter((rule) => rule.host).map((rule) => rule.host ?? "");
  if (hosts.length === 0) return "*";
  const text = hosts.slice(0, hostsShown).join(",");
  return hosts.length > hostsShown ? `${text} + ${hosts.length - hostsShown} more...` : text;
}

function validateSpec(spec: IngressSpec | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const rules = spec?.rules ?? [];
  if (rules.length === 0 && !spec?.defaultBackend)
    errors.push(fault.invalid("spec", spec?.rules ?? null, "either `defaultBackend` or `rules` must be specified"));
  if (spec?.defaultBackend) errors.push(...validateBackend("spec.defaultBackend", spec.defaultBackend));
  for (const [i, { host, http }] of rules.entries()) {
    const field = `spec.rules[${i}]`;
    if (host) errors.push(...validateHost(`${field}.host`, host));
    if (!http) continue;
    if (!http.paths?.length) errors.push(fault.required(`${field}.http.paths`));
    for (const [j, path] of (http.paths ?? []).entries()) errors.push(...validatePath(`${field}.http.paths[${j}]`, path));
  }
  for (const [i, { hosts = [], secretName }] of (spec?.tls ?? []).entries()) {
    for (const [j, host] of hosts.entries()) errors.push(...checkHost(`spec.tls[${i}].hosts[${j}]`, host));
    errors.push(...fault.checkedIfNonEmpty(`spec.tls[${i}].secretName`, secretName, checkDnsSubdomain));
  }
  if (spec?.ingressClassName !== undefined)
    errors.push(...fault.checked("spec.ingressClassName", spec.ingressClassName, checkDnsSubdomain));
  return errors;
}

function validateHost(field: string, host: string): FieldError[] {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return [fault.invalid(field, host, "must be a DNS name, not an IP address")];
  return checkHost(field, host);
}

function checkHost(field: string, host: string): FieldError[] {
  return fault.invalidEach(field, host, host.includes("*") ? checkWildcardSubdomain(host) : checkDnsSubdomain(host));
}

function validatePath(field: string, { path = "", pathType, backend }: HTTPIngressPath): FieldError[] {
  const errors: FieldError[] = [];
  // Nothing else is looked at then.
  if (pathType === undefined) return [fault.required(`${field}.pathType`, "pathType must be specified")];
  if (pathType === "Exact" || pathType === "Prefix") {
    if (!path.startsWith("/")) errors.push(fault.invalid(`${field}.path`, path, "must be an absolute path"));
    for (const bad of badSequences) if (path.includes(bad)) errors.push(fault.invalid(`${field}.path`, path, `must not contain '${bad}'`));
    for (const bad of badEndings) if (path.endsWith(bad)) errors.push(fault.invalid(`${field}.path`, path, `cannot end with '${bad}'`));
  } else if (pathType === "ImplementationSpecific") {
    if (path && !path.startsWith("/")) errors.push(fault.invalid(`${field}.path`, path, "must be an absolute path"));
  } else errors.push(fault.notSupported(`${field}.pathType`, pathType, pathTypes));
  return [...errors, ...validateBackend(`${field}.backend`, backend ?? {})];
}

function validateBackend(field: string, { service, resource }: IngressBackend): FieldError[] {
  if (service && resource) return [fault.invalid(field, "", "cannot set both resource and service backends")];
  if (resource) {
    const { apiGroup, kind, name } = resource;
    return [
      ...fault.checkedIfSet(`${field}.resource.apiGroup`, apiGroup ?? undefined, checkDnsSubdomain),
      ...(kind ? [] : [fault.required(`${field}.resource.kind`)]),
      ...(name ? [] : [fault.required(`${field}.resource.name`)]),
    ];
  }
  if (!service) return [fault.invalid(field, "", "resource or service backend is required")];
  const errors = fault.requiredAndChecked(`${field}.service.name`, service.name, checkDnsLabel);
  const { name, number } = service.port ?? {};
  if (name && number) errors.push(fault.invalid(field, "", "cannot set both port name & port number"));
  else if (name) errors.push(...fault.checked(`${field}.service.port.name`, name, checkPortName));
  else if (number) errors.push(...fault.checked(`${field}.service.port.number`, number, checkPort));
  else errors.push(fault.required(field, "port name or number is required"));
  return errors;
}
