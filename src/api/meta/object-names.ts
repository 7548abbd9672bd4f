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
  "apiservices.apiregistration.k8s.io": checkPathSegment,
  // An address, as the kind's own rules check; of version 6 it has colons.
  "ipaddresses.networking.k8s.io": () => [],
  "statefulsets.apps": (name) => (name.includes(".") ? ["must not contain dots"] : checkDnsLabel(name)),
};

/** How names of a resource are checked: the group ("" for core) and the plural. */
export function nameCheckOf({ group, plural }: { group: string; plural: string }): Check {
  return checks[group ? `${plural}.${group}` : plural] ?? checkDnsSubdomain;
}
