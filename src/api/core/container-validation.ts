import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
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
  if (containers.length === 0) return [fault.required(field)];
  const names = new Set<string>();
  const errors = fault.each(field, containers, (container, path) => {
    return [
      ...validateCommon(path, container, scope),
      ...nameTwice(path, container, names),
      ...validateLifecycle(`${path}.lifecycle`, container, scope),
      ...validateProbes(path, container, scope),
      ...fault.oneOfIfSet(`${path}.restartPolicy`, container.restartPolicy, restartPolicies),
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
  const errors = fault.each(field, containers, (container, path) => {
    const found = [...validateCommon(path, container, scope), ...nameTwice(path, container, names)];
    found.push(...fault.oneOfIfSet(`${path}.restartPolicy`, container.restartPolicy, restartPolicies));
    if (container.restartPolicy === "Always")
      return [...found, ...validateLifecycle(`${path}.lifecycle`, container, scope), ...validateProbes(path, container, scope)];
    const why = "may not be set for init containers without restartPolicy=Always";
    for (const part of ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const)
      if (container[part]) found.push(fault.forbidden(`${path}.${part}`, why));
    return found;
  });
  return errors;
}

/** What is wrong with what all kinds of containers have. */
export function validateCommon(field: string, container: Container, scope: PodScope): FieldError[] {
  const { name, image } = container;
  return [
    ...fault.requiredAndChecked(`${field}.name`, name, checkDnsLabel),
    ...validateImage(`${field}.image`, image),
    ...fault.oneOf(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, ["File", "FallbackToLogsOnError"]),
    ...validatePorts(`${field}.ports`, container.ports ?? []),
    ...validateEnvironment(field, container, scope.volumes),
    ...validateMounts(`${field}.volumeMounts`, container, scope),
    ...validateDevices(`${field}.volumeDevices`, container, scope),
    ...fault.oneOf(`${field}.imagePullPolicy`, container.imagePullPolicy, ["Always", "IfNotPresent", "Never"]),
    ...validateResources(`${field}.resources`, container.resources, scope.resourceClaims),
    ...validateResizePolicy(`${field}.resizePolicy`, container, scope),
    ...validateContainerSecurity(`${field}.securityContext`, container.securityContext),
  ];
}

const restartPolicies = ["Always", "Never", "OnFailure"];

function validateImage(field: string, image: string | undefined): FieldError[] {
  if (!image) return [fault.required(field)];
  return image.trim() === image ? [] : [fault.invalid(field, image, "must not have leading or trailing whitespace")];
}

function nameTwice(field: string, { name }: Container, names: Set<string>): FieldError[] {
  if (names.has(name)) return [fault.duplicate(`${field}.name`, name)];
  names.add(name);
  return [];
}

function validatePorts(field: string, ports: readonly ContainerPort[]): FieldError[] {
  const names = new Set<string>();
  return fault.each(field, ports, (port, path) => {
    const errors: FieldError[] = [];
    if (port.name) {
      const wrong = checkPortName(port.name);
      errors.push(...fault.invalidEach(`${path}.name`, port.name, wrong));
      if (wrong.length === 0 && names.has(port.name)) errors.push(fault.duplicate(`${path}.name`, port.name));
      names.add(port.name);
    }
    errors.push(...fault.requiredAndChecked(`${path}.containerPort`, port.containerPort, checkPort));
    if (port.hostPort) errors.push(...fault.checked(`${path}.hostPort`, port.hostPort, checkPort));
    return [...errors, ...fault.oneOf(`${path}.protocol`, port.protocol, ["SCTP", "TCP", "UDP"])];
  });
}

function hostPortConflicts(field: string, containers: readonly Container[]): FieldError[] {
  const used = new Set<string>();
  return containers.flatMap((container, i) =>
    (container.ports ?? []).flatMap((port, j) => {
      if (!port.hostPort) return [];
      const key = `${port.protocol}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (used.has(key)) return [fault.duplicate(`${field}[${i}].ports[${j}].hostPort`, key)];
      used.add(key);
      return [];
    }),
  );
}

function validateMounts(field: string, container: Container, scope: PodScope): FieldError[] {
  const paths = new Set<string>();
  const devices = container.volumeDevices ?? [];
  return fault.each(field, container.volumeMounts, (mount, path) => {
    const errors: FieldError[] = [];
    if (!mount.name) errors.push(fault.required(`${path}.name`));
    if (!scope.volumes.has(mount.name)) errors.push(fault.notFound(`${path}.name`, mount.name));
    if (!mount.mountPath) errors.push(fault.required(`${path}.mountPath`));
    if (paths.has(mount.mountPath)) errors.push(fault.invalid(`${path}.mountPath`, mount.mountPath, "must be unique"));
    paths.add(mount.mountPath);
    if (devices.some((device) => device.name === mount.name))
      errors.push(fault.invalid(`${path}.name`, mount.name, "must not already exist in volumeDevices"));
    if (devices.some((device) => device.devicePath === mount.mountPath))
      errors.push(fault.invalid(`${path}.mountPath`, mount.mountPath, "must not already exist as a path in volumeDevices"));
    errors.push(...validateSubPath(field, path, mount));
    return [...errors, ...validatePropagation(field, mount, container)];
  });
}

function validateSubPath(field: string, path: string, { subPath, subPathExpr }: VolumeMount): FieldError[] {
  const errors: FieldError[] = [];
  if (subPath) errors.push(...checkLocalPath(`${field}.subPath`, subPath));
  if (subPathExpr) {
    if (subPath) errors.push(fault.invalid(`${path}.subPathExpr`, subPathExpr, "subPathExpr and subPath are mutually exclusive"));
    errors.push(...checkLocalPath(`${field}.subPathExpr`, subPathExpr));
  }
  return errors;
}

function validatePropagation(field: string, { mountPropagation }: VolumeMount, container: Container): FieldError[] {
  const path = `${field}.mountPropagation`;
  if (mountPropagation === "Bidirectional" && !container.securityContext?.privileged)
    return [fault.forbidden(path, "Bidirectional mount propagation is available only to privileged containers")];
  return fault.oneOfIfSet(path, mountPropagation, ["Bidirectional", "HostToContainer", "None"]);
}

function validateDevices(field: string, container: Container, scope: PodScope): FieldError[] {
  const paths = new Set<string>();
  return fault.each(field, container.volumeDevices, (device, path) => {
    const errors: FieldError[] = [];
    const volume = scope.volumes.get(device.name);
    if (!device.name) errors.push(fault.required(`${path}.name`));
    if (!volume) errors.push(fault.notFound(`${path}.name`, device.name));
    else if (!volume.claim)
      errors.push(
        fault.invalid(`${path}.name`, device.name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"),
      );
    if (!device.devicePath) errors.push(fault.required(`${path}.devicePath`));
    else if (paths.has(device.devicePath)) errors.push(fault.invalid(`${path}.devicePath`, device.devicePath, "must be unique"));
    else if (device.devicePath.split("/").includes(".."))
      errors.push(fault.invalid(`${path}.devicePath`, device.devicePath, "can not contain backsteps ('..')"));
    paths.add(device.devicePath);
    return errors;
  });
}

/** What is wrong with a path that has to stay below the folder that it starts in. */
export function checkLocalPath(field: string, path: string): FieldError[] {
  if (path.startsWith("/")) return [fault.invalid(field, path, "must be a relative path")];
  return path.split("/").includes("..") ? [fault.invalid(field, path, "must not contain '..'")] : [];
}

function validateResizePolicy(field: string, container: Container, scope: PodScope): FieldError[] {
  const seen = new Set<string>();
  return (container.resizePolicy ?? []).flatMap(({ resourceName, restartPolicy }, i) => {
    const errors = fault.once(seen, `${field}[${i}]`, resourceName);
    errors.push(
      ...fault.oneOf(field, resourceName, ["cpu", "memory"]),
      ...fault.oneOf(field, restartPolicy, ["NotRequired", "RestartContainer"]),
    );
    if (scope.restartPolicy === "Never" && restartPolicy !== "NotRequired")
      errors.push(fault.invalid(field, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
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
          fault.invalid(
            `${field}.${name}.terminationGracePeriodSeconds`,
            probe.terminationGracePeriodSeconds,
            "must not be set for readinessProbes",
          ),
        );
    } else if (probe.successThreshold !== 1)
      errors.push(fault.invalid(`${field}.${name}.successThreshold`, probe.successThreshold ?? 0, "must be 1"));
    return errors;
  });
}

function validateProbe(field: string, probe: Probe, scope: PodScope): FieldError[] {
  return [
    ...validateHandler(field, probe, scope.gracePeriodSeconds),
    ...fault.nonNegative(`${field}.initialDelaySeconds`, probe.initialDelaySeconds),
    ...fault.nonNegative(`${field}.timeoutSeconds`, probe.timeoutSeconds),
    ...fault.nonNegative(`${field}.periodSeconds`, probe.periodSeconds),
    ...fault.nonNegative(`${field}.successThreshold`, probe.successThreshold),
    ...fault.nonNegative(`${field}.failureThreshold`, probe.failureThreshold),
    ...fault.positive(`${field}.terminationGracePeriodSeconds`, probe.terminationGracePeriodSeconds),
  ];
}

function validateHandler(field: string, handler: LifecycleHandler & Probe, grace: number): FieldError[] {
  const errors: FieldError[] = [];
  let found = false;
  const checks: [string, unknown, (path: string) => FieldError[]][] = [
    ["exec", handler.exec, (path) => (handler.exec?.command?.length ? [] : [fault.required(`${path}.command`)])],
    ["httpGet", handler.httpGet, (path) => validateHttpGet(path, handler)],
    ["tcpSocket", handler.tcpSocket, (path) => validatePortReference(`${path}.port`, handler.tcpSocket?.port)],
    ["grpc", handler.grpc, (path) => fault.checked(`${path}.port`, handler.grpc?.port ?? 0, checkPort)],
    ["sleep", handler.sleep, (path) => validateSleep(path, handler.sleep?.seconds ?? 0, grace)],
  ];
  for (const [name, value, check] of checks) {
    if (!value) continue;
    const path = `${field}.${name}`;
    if (found) errors.push(fault.forbidden(path, "may not specify more than 1 handler type"));
    else errors.push(...check(path));
    found = true;
  }
  return found ? errors : [...errors, fault.required(field, "must specify a handler type")];
}

function validateSleep(field: string, seconds: number, grace: number): FieldError[] {
  if (seconds >= 0 && seconds <= grace) return [];
  return [fault.invalid(field, seconds, `must be non-negative and less than terminationGracePeriodSeconds (${grace})`)];
}

function validateHttpGet(field: string, { httpGet }: LifecycleHandler): FieldError[] {
  if (!httpGet) return [];
  const errors = validatePortReference(`${field}.port`, httpGet.port);
  if (!httpGet.path) errors.unshift(fault.required(`${field}.path`));
  if (httpGet.scheme !== "HTTP" && httpGet.scheme !== "HTTPS")
    errors.push(fault.notSupported(`${field}.scheme`, httpGet.scheme, ["HTTP", "HTTPS"]));
  for (const { name } of httpGet.httpHeaders ?? [])
    if (!/^[-A-Za-z0-9]+$/.test(name))
      errors.push(
        fault.invalid(
          `${field}.httpHeaders`,
          name,
          "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
        ),
      );
  return errors;
}

/** What is wrong with a port that is given by number or by name. */
export function validatePortReference(field: string, port: number | string | undefined): FieldError[] {
  if (typeof port === "string") return fault.checked(field, port, checkPortName);
  return fault.checked(field, port ?? 0, checkPort);
}
