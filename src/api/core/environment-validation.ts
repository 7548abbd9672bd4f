import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { checkConfigKey, checkDnsSubdomain, checkEnvVarName, checkLabelValue, checkQualifiedName } from "../meta/names.ts";
import { compareQuantities } from "../meta/quantity.ts";
import type { Container, EnvFromSource, EnvVar, EnvVarSource, ObjectFieldSelector, ResourceFieldSelector } from "../types/core.v1.ts";

const envFields = `metadata.name metadata.namespace metadata.uid spec.nodeName spec.serviceAccountName status.hostIP status.hostIPs
  status.podIP status.podIPs`.split(/\s+/);
const volumeFields = ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
const resourceFields = `limits.cpu limits.ephemeral-storage limits.memory requests.cpu requests.ephemeral-storage requests.memory`.split(
  /\s+/,
);
const sources = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";

/** What is wrong with a container's environment: env and envFrom. */
export function validateEnvironment(field: string, container: Container, volumes: ReadonlyMap<string, unknown>): FieldError[] {
  return [
    ...(container.env ?? []).flatMap((variable, i) => validateVariable(`${field}.env[${i}]`, variable, volumes)),
    ...(container.envFrom ?? []).flatMap((source, i) => validateEnvFrom(`${field}.envFrom`, i, source)),
  ];
}

function validateVariable(field: string, { name, value, valueFrom }: EnvVar, volumes: ReadonlyMap<string, unknown>): FieldError[] {
  const errors = fault.requiredAndChecked(`${field}.name`, name, checkEnvVarName);
  if (valueFrom) errors.push(...validateSource(`${field}.valueFrom`, valueFrom, value, volumes));
  return errors;
}

function validateSource(
  field: string,
  source: EnvVarSource,
  value: string | undefined,
  volumes: ReadonlyMap<string, unknown>,
): FieldError[] {
  const errors: FieldError[] = [];
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source;
  if (fieldRef) errors.push(...validateFieldRef(`${field}.fieldRef`, fieldRef, envFields));
  if (resourceFieldRef) errors.push(...validateResourceFieldRef(`${field}.resourceFieldRef`, resourceFieldRef));
  for (const [name, reference] of Object.entries({ configMapKeyRef, secretKeyRef })) {
    if (!reference) continue;
    errors.push(...fault.checked(`${field}.${name}.name`, reference.name ?? "", checkDnsSubdomain));
    errors.push(...fault.requiredAndChecked(`${field}.${name}.key`, reference.key, checkConfigKey));
  }
  if (fileKeyRef) {
    for (const key of ["volumeName", "path", "key"] as const)
      if (!fileKeyRef[key]) errors.push(fault.required(`${field}.fileKeyRef.${key}`));
    if (fileKeyRef.volumeName && !volumes.has(fileKeyRef.volumeName))
      errors.push(fault.notFound(`${field}.fileKeyRef.volumeName`, fileKeyRef.volumeName));
  }
  const count = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(Boolean).length;
  if (count === 0) errors.push(fault.invalid(field, "", `must specify one of: ${sources}`));
  else if (value) errors.push(fault.invalid(field, "", "may not be specified when `value` is not empty"));
  else if (count > 1) errors.push(fault.invalid(field, "", "may not have more than one field specified at a time"));
  return errors;
}

function validateEnvFrom(field: string, index: number, { prefix, configMapRef, secretRef }: EnvFromSource): FieldError[] {
  const path = `${field}[${index}]`;
  const errors = fault.checkedIfNonEmpty(`${path}.prefix`, prefix, checkEnvVarName);
  for (const [key, reference] of Object.entries({ configMapRef, secretRef })) {
    if (!reference) continue;
    errors.push(...fault.requiredAndChecked(`${path}.${key}.name`, reference.name, checkDnsSubdomain));
  }
  if (!configMapRef && !secretRef) errors.push(fault.invalid(field, "", "must specify one of: `configMapRef` or `secretRef`"));
  if (configMapRef && secretRef) errors.push(fault.invalid(field, "", "may not have more than one field specified at a time"));
  return errors;
}

/** What is wrong with a reference to a field of the pod, in an environment variable or (by default) in a downward API volume. */
export function validateFieldRef(field: string, reference: ObjectFieldSelector, supported: readonly string[] = volumeFields): FieldError[] {
  if (!reference.apiVersion) return [fault.required(`${field}.apiVersion`)];
  const fieldPath = reference.fieldPath ?? "";
  if (!fieldPath) return [fault.required(`${field}.fieldPath`)];
  const subscript = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/.exec(fieldPath);
  if (subscript?.[1]) {
    const key = subscript[2] ?? "";
    return fault.invalidEach(field, fieldPath, checkQualifiedName(subscript[1].endsWith("s") ? key.toLowerCase() : key)).slice(0, 1);
  }
  if (!envFields.includes(fieldPath) && !volumeFields.includes(fieldPath))
    return [fault.invalid(`${field}.fieldPath`, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`)];
  return supported.includes(fieldPath) ? [] : [fault.notSupported(`${field}.fieldPath`, fieldPath, supported)];
}

/** What is wrong with a reference to a container's resources. */
export function validateResourceFieldRef(field: string, { resource, divisor }: ResourceFieldSelector): FieldError[] {
  if (!resource) return [fault.required(`${field}.resource`)];
  const hugePages = /^(requests|limits)\.hugepages-/.test(resource);
  if (!resourceFields.includes(resource) && !hugePages) return [fault.notSupported(`${field}.resource`, resource, resourceFields)];
  const divisors = divisorsOf(resource);
  if (!divisor || compareQuantities(divisor, "0") === 0 || divisors.includes(divisor)) return [];
  const list = divisors.join(divisors.length > 2 ? ", " : " and ");
  const kind = /hugepages/.exec(resource)?.[0] ?? resource.slice(resource.indexOf(".") + 1).replace("ephemeral-", "local ephemeral ");
  return [fault.invalid(`${field}.divisor`, resource, `only divisor's values ${list} are supported with the ${kind} resource`)];
}

function divisorsOf(resource: string): string[] {
  if (resource.endsWith(".cpu")) return ["1m", "1"];
  return ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
}

/** What is wrong with the values of labels that select nodes. */
export function validateLabelMap(field: string, labels: Readonly<Record<string, string>> | undefined): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...fault.checked(field, key, checkQualifiedName),
    ...fault.checked(field, value, checkLabelValue),
  ]);
}
