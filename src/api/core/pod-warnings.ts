import { checkDnsLabel, checkLabelValue } from "../meta/names.ts";
import { parseQuantity } from "../meta/quantity.ts";
import { semanticEqual } from "../meta/equality.ts";
import type { Container, NodeSelectorTerm, Pod, PodSpec, PodTemplateSpec, Volume } from "../types/core.v1.ts";

const nodeLabels: Readonly<Record<string, string>> = {
  "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
  "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};

/** What the maker of a Pod is warned of; nothing at an update, which cannot change much. */
export function podWarnings(pod: Pod, old: Pod | undefined): string[] {
  if (old) return [];
  const wrong = checkDnsLabel(pod.metadata.name ?? "");
  const dotted = pod.metadata.name?.includes(".") ? ["must not contain dots"] : wrong;
  const surprise = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";
  return [...(dotted.length > 0 ? [`metadata.name: ${surprise}: [${dotted.join(" ")}]`] : []), ...specWarnings("spec", pod.spec)];
}

/** What the maker of a workload is warned of when its template is new or changed. */
export function templateWarnings(field: string, template: PodTemplateSpec | undefined, old?: PodTemplateSpec): string[] {
  if (!template?.spec || (old && semanticEqual(template, old))) return [];
  return specWarnings(`${field}.spec`, template.spec);
}

function specWarnings(field: string, spec: PodSpec): string[] {
  const warnings: string[] = [];
  for (const key of Object.keys(spec.nodeSelector ?? {}))
    if (nodeLabels[key]) warnings.push(`${field}.nodeSelector[${key}]: ${nodeLabels[key]}`);
  const required = "requiredDuringSchedulingIgnoredDuringExecution";
  const preferred = "preferredDuringSchedulingIgnoredDuringExecution";
  const { nodeAffinity } = spec.affinity ?? {};
  for (const [i, term] of (nodeAffinity?.[required]?.nodeSelectorTerms ?? []).entries())
    warnings.push(...termWarnings(`${field}.affinity.nodeAffinity.${required}.nodeSelectorTerms[${i}]`, term, () => []));
  for (const [i, { preference }] of (nodeAffinity?.[preferred] ?? []).entries())
    warnings.push(...termWarnings(`${field}.affinity.nodeAffinity.${preferred}[${i}].preference`, preference, checkLabelValue));
  for (const [i, volume] of (spec.volumes ?? []).entries())
    if (volume.gitRepo) warnings.push(`${field}.volumes[${i}].gitRepo: deprecated in v1.11, and disabled by default in v1.33+`);
  warnings.push(...(spec.volumes ?? []).flatMap(overlapWarnings));
  for (const { name, projected } of spec.volumes ?? [])
    for (const source of projected?.sources ?? [])
      if (Object.keys(source).length === 0) warnings.push(`volume ${JSON.stringify(name)} (Projected) has no sources provided`);
  const ignored = "a null labelSelector results in matching no pod";
  for (const [i, { labelSelector }] of (spec.topologySpreadConstraints ?? []).entries())
    if (!labelSelector) warnings.push(`${field}.topologySpreadConstraints[${i}].labelSelector: ${ignored}`);
  for (const kind of ["podAffinity", "podAntiAffinity"] as const)
    for (const [i, { labelSelector }] of (spec.affinity?.[kind]?.[required] ?? []).entries())
      if (!labelSelector) warnings.push(`${field}.affinity.${kind}.${required}[${i}].labelSelector: ${ignored}`);
  const aliases = (spec.hostAliases ?? []).map(({ ip }) => ip);
  for (const [i, ip] of aliases.entries())
    if (aliases.indexOf(ip) < i) warnings.push(`${field}.hostAliases[${i}].ip: duplicate ip ${JSON.stringify(ip)}`);
  const secrets = (spec.imagePullSecrets ?? []).map(({ name }) => name ?? "");
  for (const [i, name] of secrets.entries())
    if (name && secrets.indexOf(name) < i) warnings.push(`${field}.imagePullSecrets[${i}].name: duplicate name ${JSON.stringify(name)}`);
  for (const [i, name] of secrets.entries()) if (!name) warnings.push(`${field}.imagePullSecrets[${i}].name: invalid empty name ""`);
  for (const list of ["initContainers", "containers"] as const)
    for (const [i, container] of (spec[list] ?? []).entries()) warnings.push(...containerWarnings(`${field}.${list}[${i}]`, container));
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    warnings.push(`${field}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`);
  return warnings;
}

function termWarnings(field: string, { matchExpressions = [] }: NodeSelectorTerm, check: (value: string) => string[]): string[] {
  return matchExpressions.flatMap(({ key, values = [] }, i) => [
    ...(nodeLabels[key] ? [`${field}.matchExpressions[${i}].key: ${key} is ${nodeLabels[key]}`] : []),
    ...values.flatMap((value, j) => check(value).map((why) => `${field}.matchExpressions[${i}].values[${j}]: ${value} is invalid, ${why}`)),
  ]);
}

/** Files of a volume that hide each other. */
function overlapWarnings({ name, configMap, secret, downwardAPI }: Volume): string[] {
  const sources: [string, { path?: string }[] | undefined][] = [
    [`ConfigMap ${JSON.stringify(configMap?.name ?? "")}`, configMap?.items],
    [`Secret ${JSON.stringify(secret?.secretName ?? "")}`, secret?.items],
    ["DownwardAPI", downwardAPI?.items],
  ];
  return sources.flatMap(([source, items = []]) => {
    const paths = items.map(({ path = "" }) => path.replace(/\/+$/, ""));
    return paths.flatMap((path, i) =>
      paths
        .slice(0, i)
        .filter((other) => path && other && (`${other}/`.startsWith(`${path}/`) || `${path}/`.startsWith(`${other}/`)))
        .map(
          (other) => `volume ${JSON.stringify(name)} (${source}): overlapping paths: ${JSON.stringify(path)} with ${JSON.stringify(other)}`,
        ),
    );
  });
}

function containerWarnings(field: string, { resources, env = [], ports = [] }: Container): string[] {
  const warnings: string[] = [];
  for (const kind of ["limits", "requests"] as const)
    for (const name of ["memory", "ephemeral-storage"]) {
      const warning = fractionalWarning(`${field}.resources.${kind}[${name}]`, resources?.[kind]?.[name]);
      if (warning) warnings.push(warning);
    }
  for (const [i, { name }] of env.entries())
    if (env.findIndex((variable) => variable.name === name) < i)
      warnings.push(`${field}.env[${i}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`);
  for (const [i, port] of ports.entries()) {
    if (port.hostIP && !port.hostPort) {
      const shown = `Name:${port.name ?? ""} HostPort:0 ContainerPort:${port.containerPort} Protocol:${port.protocol} HostIP:${port.hostIP}`;
      warnings.push(`${field}.ports[${i}]: hostIP set without hostPort: {${shown}}`);
    }
    const first = ports.findIndex(
      (other) => other.containerPort === port.containerPort && other.protocol === port.protocol && other.hostPort === port.hostPort,
    );
    if (first < i) warnings.push(`${field}.ports[${i}]: duplicate port definition with ${field}.ports[${first}]`);
  }
  return warnings;
}

/** The warning of a number of bytes that is no whole one; undefined when there is nothing to warn of. */
export function fractionalWarning(field: string, amount: string | undefined): string | undefined {
  if (amount === undefined || parseQuantity(amount).nano % 1_000_000_000n === 0n) return undefined;
  return `${field}: fractional byte value ${JSON.stringify(amount)} is invalid, must be an integer`;
}
