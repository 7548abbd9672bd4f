import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from "../../api/types/core.v1.ts";
import { type NodeFacts, podField, resourceField } from "./fields.ts";

/** A container's settings name something that is not there: the pod waits with CreateContainerConfigError. */
export class ConfigError extends Error {}

/** Where values of environment variables come from. */
export interface EnvSources {
  node: NodeFacts;
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
  /** The contents of a file in a volume of the pod (fileKeyRef), if it is there. */
  file(volume: string, path: string): string | undefined;
  /** The pod's namespace's Services, and `kubernetes` of default. */
  services: readonly Service[];
}

/** Replaces $(NAME) by the variable's value and $$ by $; an unknown name stays as it is. */
export function expand(text: string, value: (name: string) => string | undefined): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, kind: string, name: string) => (kind === "$" ? "$" : (value(name) ?? whole)));
}

/** Replaces $(NAME) in subPathExpr: there every name has to be known. */
export function expandStrictly(text: string, value: (name: string) => string | undefined): string {
  return expand(text, (name) => {
    const found = value(name);
    if (found === undefined) throw new ConfigError(`missing value for "${name}"`);
    return found;
  });
}

/** The variables of a container in their final order; each may refer to those before it. Throws ConfigError. */
export function environment(pod: Pod, container: Container, sources: EnvSources): Map<string, string> {
  const result = new Map<string, string>();
  const services = serviceEnvironment(sources.services, pod.spec.enableServiceLinks !== false);
  for (const from of container.envFrom ?? []) {
    const { prefix = "", configMapRef, secretRef } = from;
    for (const [name, value] of Object.entries(
      configMapRef ? fromConfigMap(configMapRef, pod, sources) : secretRef ? fromSecret(secretRef, pod, sources) : {},
    ))
      result.set(prefix + name, value);
  }
  const known = (name: string): string | undefined => result.get(name) ?? services.get(name);
  for (const variable of container.env ?? []) {
    const value = variableValue(variable, pod, container, sources, known);
    if (value !== undefined) result.set(variable.name, value);
  }
  for (const [name, value] of services) if (!result.has(name)) result.set(name, value);
  return result;
}

function variableValue(
  variable: EnvVar,
  pod: Pod,
  container: Container,
  sources: EnvSources,
  known: (name: string) => string | undefined,
): string | undefined {
  const { value, valueFrom } = variable;
  if (value) return expand(value, known);
  if (!valueFrom) return "";
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  if (fieldRef) return podField(pod, fieldRef.fieldPath, sources.node);
  if (resourceFieldRef) return resourceField(pod, container, resourceFieldRef, sources.node);
  if (configMapKeyRef) {
    const { name = "", key, optional } = configMapKeyRef;
    const object = sources.configMap(name);
    if (!object && !optional) throw new ConfigError(`configmap "${name}" not found`);
    return found(object?.data?.[key], optional, `couldn't find key ${key} in ConfigMap ${pod.metadata.namespace}/${name}`);
  }
  if (secretKeyRef) {
    const { name = "", key, optional } = secretKeyRef;
    const object = sources.secret(name);
    if (!object && !optional) throw new ConfigError(`secret "${name}" not found`);
    const data = object?.data?.[key];
    const text = data === undefined ? undefined : Buffer.from(data, "base64").toString();
    return found(text, optional, `couldn't find key ${key} in Secret ${pod.metadata.namespace}/${name}`);
  }
  if (fileKeyRef) return fromFile(fileKeyRef, sources);
  return "";
}

function found(value: string | undefined, optional: boolean | undefined, message: string): string | undefined {
  if (value === undefined && !optional) throw new ConfigError(message);
  return value;
}

function fromConfigMap(ref: { name?: string; optional?: boolean }, _pod: Pod, sources: EnvSources): Record<string, string> {
  const object = sources.configMap(ref.name ?? "");
  if (!object && !ref.optional) throw new ConfigError(`configmap "${ref.name}" not found`);
  return object?.data ?? {};
}

function fromSecret(ref: { name?: string; optional?: boolean }, _pod: Pod, sources: EnvSources): Record<string, string> {
  const object = sources.secret(ref.name ?? "");
  if (!object && !ref.optional) throw new ConfigError(`secret "${ref.name}" not found`);
  return Object.fromEntries(Object.entries(object?.data ?? {}).map(([k, v]) => [k, Buffer.from(v, "base64").toString()]));
}

function fromFile(ref: { volumeName: string; path: string; key: string; optional?: boolean }, sources: EnvSources): string | undefined {
  const text = sources.file(ref.volumeName, ref.path);
  if (text === undefined && !ref.optional)
    throw new ConfigError(`environment variable file "${ref.path}" not found in volume "${ref.volumeName}"`);
  for (const line of (text ?? "").split("\n")) {
    const match = /^\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match?.[1] === ref.key) return (match[2] ?? "").replace(/^'(.*)'$|^"(.*)"$/, "$1$2");
  }
  return found(undefined, ref.optional, `environment variable key "${ref.key}" not found in file "${ref.path}"`);
}

/** What Docker's links once gave: addresses and ports of Services. Without links only those of `kubernetes`. */
export function serviceEnvironment(services: readonly Service[], links: boolean): Map<string, string> {
  const result = new Map<string, string>();
  const sorted = [...services].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const { metadata, spec } of sorted) {
    const isMaster = metadata.namespace === "default" && metadata.name === "kubernetes";
    const ip = spec.clusterIP;
    const [first] = spec.ports ?? [];
    if (!ip || ip === "None" || !first || (!links && !isMaster)) continue;
    const name = metadata.name.toUpperCase().replaceAll("-", "_");
    result.set(`${name}_SERVICE_HOST`, ip);
    result.set(`${name}_SERVICE_PORT`, String(first.port));
    for (const p of spec.ports ?? [])
      if (p.name) result.set(`${name}_SERVICE_PORT_${p.name.toUpperCase().replaceAll("-", "_")}`, String(p.port));
    const host = ip.includes(":") ? `[${ip}]` : ip;
    const url = (p: typeof first): string => `${(p.protocol ?? "TCP").toLowerCase()}://${host}:${p.port}`;
    result.set(`${name}_PORT`, url(first));
    for (const p of spec.ports ?? []) {
      const prefix = `${name}_PORT_${p.port}_${p.protocol ?? "TCP"}`;
      result.set(prefix, url(p));
      result.set(`${prefix}_PROTO`, (p.protocol ?? "TCP").toLowerCase());
      result.set(`${prefix}_PORT`, String(p.port));
      result.set(`${prefix}_ADDR`, ip);
    }
  }
  return result;
}
