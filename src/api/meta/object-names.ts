import type { FieldError } from "../errors.ts";
import * as fault from "./field-errors.ts";
import { checkDnsLabel, checkDnsSubdomain, checkPathSegment } from "./names.ts";

type Check = (name: string) => string[];

// Everything else is named by a DNS subdomain.
const checks: Readonly<Record<string, Check>> = {
  namespaces: checkDnsLabel,
  services: checkDnsLabel,
  "roles.rbac.authorization.k8s.io": checkPathSegment,
  "rolebindings.rbac.authorization.k8s.io": checkPathSegment,
  "clusterroles.rbac.authorization.k8s.io": checkPathSegment,
  "clusterrolebindings.rbac.authorization.k8s.io": checkPathSegment,
  "certificatesigningrequests.certificates.k8s.io": () => [],
  replicationcontrollers: (name) => checkDnsSubdomain(name).map((text) => text.replace(/characters$/, "bytes")),
  // Upstream does not look at the names of these.
  events: () => [],
  "poddisruptionbudgets.policy": () => [],
  "apiservices.apiregistration.k8s.io": checkPathSegment,
  // An address, as the kind's own rules check; of version 6 it has colons.
  "ipaddresses.networking.k8s.io": () => [],
  "statefulsets.apps": (name) => (name.includes(".") ? ["must not contain dots"] : checkDnsLabel(name)),
};

/** How names of a resource are checked: the group ("" for core) and the plural. */
export function nameCheckOf({ group, plural }: { group: string; plural: string }): Check {
  return checks[group ? `${plural}.${group}` : plural] ?? checkDnsSubdomain;
}

/** What is wrong with a name such as "acme.io/foo": a domain and a path. */
export function validateDomainPath(field: string, name: string): FieldError[] {
  if (!name) return [fault.required(field)];
  const [, domain = "", path = ""] = /^(.*?)\/(.*)$/s.exec(name) ?? [];
  if (!domain || !path) return [fault.invalid(field, name, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  const errors = fault.checked(field, domain, checkDnsSubdomain);
  const characters = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
  return new RegExp(`^${characters}$`).test(path)
    ? errors
    : [...errors, fault.invalid(field, path, `Invalid path (regex used for validation is '${characters}')`)];
}
