import type { FieldError } from "../errors.ts";
import {
  duplicateValue,
  fieldNotFound,
  forbiddenField,
  invalidForEach,
  invalidValue,
  nonNegative,
  notSupported,
  oneOf,
  oneOfIfSet,
  positive,
  requiredValue,
} from "../meta/field-errors.ts";
import { checkDnsLabel, checkPort, checkPortName } from "../meta/names.ts";
import type { Container, ContainerPort, LifecycleHandler, PodSpec, Probe, VolumeMount } from "../types/core.v1.ts";
import { validateEnvironment } from "./environment-validation.ts";
import { validateResources } from "./resource-validation.ts";
import { validateContainerSecurity } from "./security-validation.ts";

/** What containers are checked against: names that their pod defines. */
export interface PodScope {
  /** Volumes by name: whether they are claims, which block devices need. */
  volumes: ReadonlyMap<string, { claim: boolean }>;
  resourceClaims: ReadonlySet<string>;
  gracePeriodSeconds: number;
  restartPolicy: string;
  hostUsers: boolean;
}

/** The scope of a pod's containers. */
export function scopeOf(spec: PodSpec): PodScope {
  return {
    volumes: new Map((spec.volumes ?? []).map((v) => [v.name, { claim: Boolean(v.persistentVolumeClaim ?? v.ephemeral) }])),
    resourceClaims: new Set((spec.resourceClaims ?? []).map((claim) => claim.name)),
    // A negative one counts as 1.
    gracePeriodSeconds: (spec.terminationGracePeriodSeconds ?? 30) < 0 ? 1 : (spec.terminationGracePeriodSeconds ?? 30),
    restartPolicy: spec.restartPolicy ?? "Always",
    hostUsers: spec.hostUsers ?? true,
  };
}

/** What is wrong with the main containers. */
export function validateContainers(field: string, containers: readonly Container[], scope: PodScope): FieldError[] {
  if (containers.length === 0) return [requiredValue(field)];
  const names = new Set<string>();
  const errors = containers.flatMap((container, i) => {
    const path = `${field}[${i}]`;
    return [
      ...validateCommon(path, container, scope),
      ...nameTwice(path, container, names),
      ...validateLifecycle(`${path}.lifecycle`, container, scope),
      ...validateProbes(path, container, scope),
      ...oneOfIfSet(`${path}.restartPolicy`, container.restartPolicy, restartPolicies),
    ];
  });
  return [...errors, ...hostPortConflicts(field, containers)];
}

/** What is wrong with the init containers, whose names must differ from the main ones'. */
export function validateInitContainers(
  field: string,
  containers: readonly Container[],
  main: readonly Container[],
  scope: PodScope,
): FieldError[] {
  const names = new Set(main.map((container) => container.name));
  const errors = containers.flatMap((container, i) => {
    const path = `${field}[${i}]`;
    const found = [...validateCommon(path, container, scope), ...nameTwice(path, container, names)];
    found.push(...oneOfIfSet(`${path}.restartPolicy`, container.restartPolicy, restartPolicies));
    if (container.restartPolicy === "Always")
      return [...found, ...validateLifecycle(`${path}.lifecycle`, container, scope), ...validateProbes(path, container, scope)];
    const why = "may not be set for init containers without restartPolicy=Always";
    for (const part of ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const)
      if (container[part]) found.push(forbiddenField(`${path}.${part}`, why));
    return found;
  });
  return errors;
}

/** What is wrong with what all kinds of containers have. */
export function validateCommon(field: string, container: Container, scope: PodScope): FieldError[] {
  const { name, image } = container;
  return [
    ...(name ? invalidForEach(`${field}.name`, name, checkDnsLabel(name)) : [requiredValue(`${field}.name`)]),
    ...validateImage(`${field}.image`, image),
    ...oneOf(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, ["File", "FallbackToLogsOnError"]),
    ...validatePorts(`${field}.ports`, container.ports ?? []),
    ...validateEnvironment(field, container, scope.volumes),
    ...validateMounts(`${field}.volumeMounts`, container, scope),
    ...validateDevices(`${field}.volumeDevices`, container, scope),
    ...oneOf(`${field}.imagePullPolicy`, container.imagePullPolicy, ["Always", "IfNotPresent", "Never"]),
    ...validateResources(`${field}.resources`, container.resources, scope.resourceClaims),
    ...validateResizePolicy(`${field}.resizePolicy`, container, scope),
    ...validateContainerSecurity(`${field}.securityContext`, container.securityContext),
  ];
}

const restartPolicies = ["Always", "Never", "OnFailure"];

function validateImage(field: string, image: string | undefined): FieldError[] {
  if (!image) return [requiredValue(field)];
  return image.trim() === image ? [] : [invalidValue(field, image, "must not have leading or trailing whitespace")];
}

function nameTwice(field: string, { name }: Container, names: Set<string>): FieldError[] {
  if (names.has(name)) return [duplicateValue(`${field}.name`, name)];
  names.add(name);
  return [];
}

function validatePorts(field: string, ports: readonly ContainerPort[]): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((port, i) => {
    const path = `${field}[${i}]`;
    const errors: FieldError[] = [];
    if (port.name) {
      const wrong = checkPortName(port.name);
      errors.push(...invalidForEach(`${path}.name`, port.name, wrong));
      if (wrong.length === 0 && names.has(port.name)) errors.push(duplicateValue(`${path}.name`, port.name));
      names.add(port.name);
    }
    if (!port.containerPort) errors.push(requiredValue(`${path}.containerPort`));
    else errors.push(...invalidForEach(`${path}.containerPort`, port.containerPort, checkPort(port.containerPort)));
    if (port.hostPort) errors.push(...invalidForEach(`${path}.hostPort`, port.hostPort, checkPort(port.hostPort)));
    errors.push(...oneOf(`${path}.protocol`, port.protocol, ["SCTP", "TCP", "UDP"]));
    return errors;
  });
}

function hostPortConflicts(field: string, containers: readonly Container[]): FieldError[] {
  const used = new Set<string>();
  return containers.flatMap((container, i) =>
    (container.ports ?? []).flatMap((port, j) => {
      if (!port.hostPort) return [];
      const key = `${port.protocol}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (used.has(key)) return [duplicateValue(`${field}[${i}].ports[${j}].hostPort`, key)];
      used.add(key);
      return [];
    }),
  );
}

function validateMounts(field: string, container: Container, scope: PodScope): FieldError[] {
  const paths = new Set<string>();
  const devices = container.volumeDevices ?? [];
  return (container.volumeMounts ?? []).flatMap((mount, i) => {
    const path = `${field}[${i}]`;
    const errors: FieldError[] = [];
    if (!mount.name) errors.push(requiredValue(`${path}.name`));
    if (!scope.volumes.has(mount.name)) errors.push(fieldNotFound(`${path}.name`, mount.name));
    if (!mount.mountPath) errors.push(requiredValue(`${path}.mountPath`));
    if (paths.has(mount.mountPath)) errors.push(invalidValue(`${path}.mountPath`, mount.mountPath, "must be unique"));
    paths.add(mount.mountPath);
    if (devices.some((device) => device.name === mount.name))
      errors.push(invalidValue(`${path}.name`, mount.name, "must not already exist in volumeDevices"));
    if (devices.some((device) => device.devicePath === mount.mountPath))
      errors.push(invalidValue(`${path}.mountPath`, mount.mountPath, "must not already exist as a path in volumeDevices"));
    errors.push(...validateSubPath(field, path, mount));
    errors.push(...validatePropagation(field, mount, container));
    return errors;
  });
}

function validateSubPath(field: string, path: string, { subPath, subPathExpr }: VolumeMount): FieldError[] {
  const errors: FieldError[] = [];
  if (subPath) errors.push(...checkLocalPath(`${field}.subPath`, subPath));
  if (subPathExpr) {
    if (subPath) errors.push(invalidValue(`${path}.subPathExpr`, subPathExpr, "subPathExpr and subPath are mutually exclusive"));
    errors.push(...checkLocalPath(`${field}.subPathExpr`, subPathExpr));
  }
  return errors;
}

function validatePropagation(field: string, { mountPropagation }: VolumeMount, container: Container): FieldError[] {
  const path = `${field}.mountPropagation`;
  if (mountPropagation === "Bidirectional" && !container.securityContext?.privileged)
    return [forbiddenField(path, "Bidirectional mount propagation is available only to privileged containers")];
  return oneOfIfSet(path, mountPropagation, ["Bidirectional", "HostToContainer", "None"]);
}

function validateDevices(field: string, container: Container, scope: PodScope): FieldError[] {
  const paths = new Set<string>();
  return (container.volumeDevices ?? []).flatMap((device, i) => {
    const path = `${field}[${i}]`;
    const errors: FieldError[] = [];
    const volume = scope.volumes.get(device.name);
    if (!device.name) errors.push(requiredValue(`${path}.name`));
    if (!volume) errors.push(fieldNotFound(`${path}.name`, device.name));
    else if (!volume.claim)
      errors.push(
        invalidValue(`${path}.name`, device.name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"),
      );
    if (!device.devicePath) errors.push(requiredValue(`${path}.devicePath`));
    else if (paths.has(device.devicePath)) errors.push(invalidValue(`${path}.devicePath`, device.devicePath, "must be unique"));
    else if (device.devicePath.split("/").includes(".."))
      errors.push(invalidValue(`${path}.devicePath`, device.devicePath, "can not contain backsteps ('..')"));
    paths.add(device.devicePath);
    return errors;
  });
}

/** What is wrong with a path that has to stay below the folder that it starts in. */
export function checkLocalPath(field: string, path: string): FieldError[] {
  if (path.startsWith("/")) return [invalidValue(field, path, "must be a relative path")];
  return path.split("/").includes("..") ? [invalidValue(field, path, "must not contain '..'")] : [];
}

function validateResizePolicy(field: string, container: Container, scope: PodScope): FieldError[] {
  const seen = new Set<string>();
  return (container.resizePolicy ?? []).flatMap(({ resourceName, restartPolicy }, i) => {
    const errors: FieldError[] = [];
    if (seen.has(resourceName)) errors.push(duplicateValue(`${field}[${i}]`, resourceName));
    seen.add(resourceName);
    errors.push(...oneOf(field, resourceName, ["cpu", "memory"]), ...oneOf(field, restartPolicy, ["NotRequired", "RestartContainer"]));
    if (scope.restartPolicy === "Never" && restartPolicy !== "NotRequired")
      errors.push(invalidValue(field, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
    return errors;
  });
}

function validateLifecycle(field: string, { lifecycle }: Container, scope: PodScope): FieldError[] {
  return (["postStart", "preStop"] as const).flatMap((name) => {
    const handler = lifecycle?.[name];
    return handler ? validateHandler(`${field}.${name}`, handler, scope.gracePeriodSeconds) : [];
  });
}

function validateProbes(field: string, container: Container, scope: PodScope): FieldError[] {
  return (["livenessProbe", "readinessProbe", "startupProbe"] as const).flatMap((name) => {
    const probe = container[name];
    if (!probe) return [];
    const errors = validateProbe(`${field}.${name}`, probe, scope);
    if (name === "readinessProbe") {
      if (probe.terminationGracePeriodSeconds !== undefined)
        errors.push(
          invalidValue(
            `${field}.${name}.terminationGracePeriodSeconds`,
            probe.terminationGracePeriodSeconds,
            "must not be set for readinessProbes",
          ),
        );
    } else if (probe.successThreshold !== 1)
      errors.push(invalidValue(`${field}.${name}.successThreshold`, probe.successThreshold ?? 0, "must be 1"));
    return errors;
  });
}

function validateProbe(field: string, probe: Probe, scope: PodScope): FieldError[] {
  return [
    ...validateHandler(field, probe, scope.gracePeriodSeconds),
    ...nonNegative(`${field}.initialDelaySeconds`, probe.initialDelaySeconds),
    ...nonNegative(`${field}.timeoutSeconds`, probe.timeoutSeconds),
    ...nonNegative(`${field}.periodSeconds`, probe.periodSeconds),
    ...nonNegative(`${field}.successThreshold`, probe.successThreshold),
    ...nonNegative(`${field}.failureThreshold`, probe.failureThreshold),
    ...positive(`${field}.terminationGracePeriodSeconds`, probe.terminationGracePeriodSeconds),
  ];
}

function validateHandler(field: string, handler: LifecycleHandler & Probe, grace: number): FieldError[] {
  const errors: FieldError[] = [];
  let found = false;
  const checks: [string, unknown, (path: string) => FieldError[]][] = [
    ["exec", handler.exec, (path) => (handler.exec?.command?.length ? [] : [requiredValue(`${path}.command`)])],
    ["httpGet", handler.httpGet, (path) => validateHttpGet(path, handler)],
    ["tcpSocket", handler.tcpSocket, (path) => validatePortReference(`${path}.port`, handler.tcpSocket?.port)],
    ["grpc", handler.grpc, (path) => invalidForEach(`${path}.port`, handler.grpc?.port ?? 0, checkPort(handler.grpc?.port ?? 0))],
    ["sleep", handler.sleep, (path) => validateSleep(path, handler.sleep?.seconds ?? 0, grace)],
  ];
  for (const [name, value, check] of checks) {
    if (!value) continue;
    const path = `${field}.${name}`;
    if (found) errors.push(forbiddenField(path, "may not specify more than 1 handler type"));
    else errors.push(...check(path));
    found = true;
  }
  return found ? errors : [...errors, requiredValue(field, "must specify a handler type")];
}

function validateSleep(field: string, seconds: number, grace: number): FieldError[] {
  if (seconds >= 0 && seconds <= grace) return [];
  return [invalidValue(field, seconds, `must be non-negative and less than terminationGracePeriodSeconds (${grace})`)];
}

function validateHttpGet(field: string, { httpGet }: LifecycleHandler): FieldError[] {
  if (!httpGet) return [];
  const errors = validatePortReference(`${field}.port`, httpGet.port);
  if (!httpGet.path) errors.unshift(requiredValue(`${field}.path`));
  if (httpGet.scheme !== "HTTP" && httpGet.scheme !== "HTTPS")
    errors.push(notSupported(`${field}.scheme`, httpGet.scheme, ["HTTP", "HTTPS"]));
  for (const { name } of httpGet.httpHeaders ?? [])
    if (!/^[-A-Za-z0-9]+$/.test(name))
      errors.push(
        invalidValue(
          `${field}.httpHeaders`,
          name,
          "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
        ),
      );
  return errors;
}

/** What is wrong with a port that is given by number or by name. */
export function validatePortReference(field: string, port: number | string | undefined): FieldError[] {
  if (typeof port === "string") return invalidForEach(field, port, checkPortName(port));
  return invalidForEach(field, port ?? 0, checkPort(port ?? 0));
}
