import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { formatLabels } from "../meta/labels.ts";
import { checkDnsLabel, checkDnsSubdomain, checkPort, checkQualifiedName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { Service, ServicePort, ServiceSpec } from "../types/core.v1.ts";
import { validatePortReference } from "./container-validation.ts";
import { validateLabelMap } from "./environment-validation.ts";
import { validateClusterIPs, validateExternalIPs, validateSourceRanges } from "./service-addresses.ts";

const affinitySeconds = 10_800;
const types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

/** The rules of Services. Addresses and node ports are allocated by the API server. */
export const serviceRules: KindRules<Service> = {
  default({ spec }) {
    spec.sessionAffinity ||= "None";
    spec.type ||= "ClusterIP";
    if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
    if (spec.sessionAffinity === "ClientIP") {
      spec.sessionAffinityConfig ??= {};
      spec.sessionAffinityConfig.clientIP ??= {};
      spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= affinitySeconds;
    }
    for (const port of spec.ports ?? []) {
      port.protocol ||= "TCP";
      if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === "") port.targetPort = port.port;
    }
    if (isReachable(spec)) spec.externalTrafficPolicy ||= "Cluster";
    if (types.includes(spec.type) && spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
    if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
  },
  prepareForUpdate(service, old) {
    carryOver(service.spec, old.spec);
    dropTypeDependent(service.spec, old.spec);
  },
  validate: ({ spec }) => [
    ...validatePorts(spec),
    ...validateLabelMap("spec.selector", spec.selector),
    ...validateAffinity(spec),
    ...fault.oneOf("spec.type", spec.type, types),
    ...validateForType(spec),
    ...validateExternalIPs(spec),
    ...validateSourceRanges(spec),
    ...validateLoadBalancer(spec),
    ...validatePolicies(spec),
    ...validateClusterIPs(spec),
    ...duplicatePorts(spec.ports ?? []),
  ],
  validateUpdate({ spec }, { spec: old }) {
    const errors: FieldError[] = [];
    const kept = spec.type !== "ExternalName" && old.type !== "ExternalName" && old.clusterIP;
    if (kept && (spec.clusterIPs?.[0] ?? spec.clusterIP) !== old.clusterIP)
      errors.push(fault.invalid("spec.clusterIPs[0]", spec.clusterIPs ?? [], "may not change once set"));
    if (spec.type === "LoadBalancer" && old.type === "LoadBalancer" && spec.loadBalancerClass !== old.loadBalancerClass)
      errors.push(fault.invalid("spec.loadBalancerClass", spec.loadBalancerClass, "may not change once set"));
    // Upstream checks the class of a changed Service twice.
    if (spec.type === "LoadBalancer")
      errors.push(...fault.checkedIfSet("spec.loadBalancerClass", spec.loadBalancerClass, checkQualifiedName));
    if (needsHealthPort(spec) && needsHealthPort(old) && spec.healthCheckNodePort !== old.healthCheckNodePort)
      errors.push(fault.forbidden("spec.healthCheckNodePort", "field is immutable"));
    return errors;
  },
  warnings: ({ spec }) => [
    ...(spec.type === "ClusterIP" && spec.clusterIP === "None" ? headlessWarnings(spec) : externalWarnings(spec)),
    ...(spec.type !== "ExternalName" && spec.externalName ? ['spec.externalName is ignored when spec.type is not "ExternalName"'] : []),
    ...(spec.trafficDistribution === "PreferClose" ? ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'] : []),
  ],
  cells: (service, now) => [
    service.metadata.name,
    service.spec.type ?? "",
    service.spec.clusterIPs?.[0] || "<none>",
    externalAddresses(service),
    (service.spec.ports ?? []).map(portText).join(",") || "<none>",
    age(service.metadata.creationTimestamp, now),
    formatLabels(service.spec.selector),
  ],
  fields: {
    "spec.clusterIP": ({ spec }) => spec.clusterIP ?? "",
    "spec.type": ({ spec }) => spec.type ?? "",
  },
};

function headlessWarnings({ loadBalancerIP, externalIPs, sessionAffinity }: ServiceSpec): string[] {
  const unused = { loadBalancerIP, externalIPs: externalIPs?.length, SessionAffinity: sessionAffinity !== "None" };
  const names = Object.entries(unused).filter(([, isSet]) => isSet);
  return names.map(([name]) => `spec.${name} is ignored for headless services`);
}

function externalWarnings({ type, externalIPs }: ServiceSpec): string[] {
  if (!externalIPs?.length) return [];
  if (type === "ExternalName") return ['spec.externalIPs is ignored when spec.type is "ExternalName"'];
  return ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"];
}

function portText({ port, nodePort, protocol }: ServicePort): string {
  return nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`;
}

function externalAddresses({ spec, status }: Service): string {
  const given = spec.externalIPs ?? [];
  if (spec.type === "ExternalName") return spec.externalName ?? "";
  if (spec.type !== "LoadBalancer") return given.join(",") || "<none>";
  const addresses = (status?.loadBalancer?.ingress ?? []).map((ingress) => ingress.ip || ingress.hostname || "").filter((a) => a !== "");
  return [...[...new Set(addresses)].sort(), ...given].join(",") || "<pending>";
}

/** What an update leaves out stays as it was: addresses, families, node ports, the health check port. */
function carryOver(spec: ServiceSpec, old: ServiceSpec): void {
  const { type } = spec;
  if (type !== "ExternalName" && old.type !== "ExternalName") {
    spec.clusterIP ||= old.clusterIP;
    if (!spec.clusterIPs?.length) spec.clusterIPs = old.clusterIPs && [...old.clusterIPs];
    if (spec.clusterIP && spec.clusterIP !== old.clusterIP && spec.clusterIPs?.[0] === old.clusterIPs?.[0])
      spec.clusterIPs = [spec.clusterIP];
    if (!spec.ipFamilies?.length) spec.ipFamilies = old.ipFamilies && [...old.ipFamilies];
    spec.ipFamilyPolicy ??= old.ipFamilyPolicy;
  }
  if (hasNodePorts(type) && hasNodePorts(old.type))
    for (const port of spec.ports ?? [])
      if (!port.nodePort) {
        const same = old.ports?.find(({ name }) => (name ?? "") === (port.name ?? ""));
        if (same?.nodePort && !spec.ports?.some(({ nodePort }) => nodePort === same.nodePort)) port.nodePort = same.nodePort;
      }
  if (needsHealthPort(spec) && needsHealthPort(old) && !spec.healthCheckNodePort) spec.healthCheckNodePort = old.healthCheckNodePort;
}

/** What a type does not use goes away when the type changes and the client has left it untouched. */
function dropTypeDependent(spec: ServiceSpec, old: ServiceSpec): void {
  if (old.type !== "ExternalName" && spec.type === "ExternalName") {
    for (const key of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] as const)
      if (JSON.stringify(spec[key]) === JSON.stringify(old[key])) delete spec[key];
  }
  if (hasNodePorts(old.type) && !hasNodePorts(spec.type)) {
    const before = new Set((old.ports ?? []).map((port) => port.nodePort));
    for (const port of spec.ports ?? []) if (before.has(port.nodePort)) delete port.nodePort;
  }
  if (isReachable(old) && !isReachable(spec) && spec.externalTrafficPolicy === old.externalTrafficPolicy) delete spec.externalTrafficPolicy;
  if (needsHealthPort(old) && !needsHealthPort(spec) && spec.healthCheckNodePort === old.healthCheckNodePort)
    delete spec.healthCheckNodePort;
  if (old.type === "LoadBalancer" && spec.type !== "LoadBalancer")
    for (const key of ["allocateLoadBalancerNodePorts", "loadBalancerClass"] as const) if (spec[key] === old[key]) delete spec[key];
}

/** Whether Services of the type are reached by a port of each node. */
export function hasNodePorts(type: string | undefined): boolean {
  return type === "NodePort" || type === "LoadBalancer";
}

/** Whether the Service is reached from outside of the cluster. */
function isReachable({ type, externalIPs }: ServiceSpec): boolean {
  return hasNodePorts(type) || (type === "ClusterIP" && (externalIPs?.length ?? 0) > 0);
}

/** Whether the Service has a port on which nodes tell balancers that they have an endpoint. */
export function needsHealthPort(spec: ServiceSpec): boolean {
  return spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
}

function validatePorts(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? [];
  const headless = spec.clusterIP === "None";
  if (ports.length === 0) return headless || spec.type === "ExternalName" ? [] : [fault.required("spec.ports")];
  const names = new Set<string>();
  const nodePorts = new Set<string>();
  return fault.each("spec.ports", ports, (port, path) => {
    const errors: FieldError[] = [];
    const { name = "" } = port;
    if (!name) {
      if (ports.length > 1) errors.push(fault.required(`${path}.name`));
    } else {
      errors.push(...fault.checked(`${path}.name`, name, checkDnsLabel));
      errors.push(...fault.once(names, `${path}.name`, name));
    }
    errors.push(...fault.checked(`${path}.port`, port.port ?? 0, checkPort));
    errors.push(...fault.oneOf(`${path}.protocol`, port.protocol, ["SCTP", "TCP", "UDP"]));
    errors.push(...validatePortReference(`${path}.targetPort`, port.targetPort));
    const nodePort = `${port.nodePort}/${port.protocol}`;
    if (port.nodePort && nodePorts.has(nodePort)) errors.push(fault.duplicate(`${path}.nodePort`, port.nodePort));
    nodePorts.add(nodePort);
    return [...errors, ...fault.checkedIfSet(`${path}.appProtocol`, port.appProtocol, checkQualifiedName)];
  });
}

function duplicatePorts(ports: readonly ServicePort[]): FieldError[] {
  const seen = new Set<string>();
  return ports.flatMap((port, i) => {
    const key = `${port.protocol}/${port.port}`;
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    const shown = { Name: "", Protocol: port.protocol, AppProtocol: null, Port: port.port, TargetPort: 0, NodePort: 0 };
    return [fault.duplicate(`spec.ports[${i}]`, shown)];
  });
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig }: ServiceSpec): FieldError[] {
  const errors = fault.oneOf("spec.sessionAffinity", sessionAffinity, ["ClientIP", "None"]);
  if (sessionAffinity === "ClientIP") {
    const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 0;
    if (seconds <= 0 || seconds > 86_400)
      errors.push(
        fault.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, "must be greater than 0 and less than 86400"),
      );
  } else if (sessionAffinityConfig && sessionAffinity === "None")
    errors.push(fault.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None"));
  return errors;
}

function validateForType(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.type === "ExternalName") {
    if (spec.clusterIP || spec.clusterIPs?.length)
      errors.push(fault.forbidden("spec.clusterIPs", "may not be set for ExternalName services"));
    const name = (spec.externalName ?? "").replace(/\.$/, "");
    if (!name) errors.push(fault.required("spec.externalName"));
    else errors.push(...fault.invalidEach("spec.externalName", spec.externalName, checkDnsSubdomain(name)));
  } else if (spec.clusterIP === "None" && hasNodePorts(spec.type))
    errors.push(fault.invalid("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${spec.type} services`));
  if (spec.type === "ClusterIP")
    for (const [i, port] of (spec.ports ?? []).entries())
      if (port.nodePort) errors.push(fault.forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'"));
  return errors;
}

function validateLoadBalancer(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const only = "may only be used when `type` is 'LoadBalancer'";
  if (spec.type === "LoadBalancer") {
    const name = spec.loadBalancerClass;
    if (spec.allocateLoadBalancerNodePorts === undefined) errors.push(fault.required("spec.allocateLoadBalancerNodePorts"));
    return [...errors, ...fault.checkedIfSet("spec.loadBalancerClass", name, checkQualifiedName)];
  }
  for (const key of ["allocateLoadBalancerNodePorts", "loadBalancerClass"] as const)
    if (spec[key] !== undefined) errors.push(fault.forbidden(`spec.${key}`, only));
  return errors;
}

function validatePolicies(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const policies = ["Cluster", "Local"];
  const external = spec.externalTrafficPolicy;
  if (isReachable(spec)) errors.push(...fault.oneOf("spec.externalTrafficPolicy", external, policies));
  else if (external)
    errors.push(fault.invalid("spec.externalTrafficPolicy", external, "may only be set for externally-accessible services"));
  errors.push(...fault.oneOfIfSet("spec.internalTrafficPolicy", spec.internalTrafficPolicy, policies));
  const port = spec.healthCheckNodePort;
  if (port && !needsHealthPort(spec))
    errors.push(
      fault.invalid(
        "spec.healthCheckNodePort",
        port,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    );
  else if (port) errors.push(...fault.checked("spec.healthCheckNodePort", port, checkPort));
  const distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];
  return [...errors, ...fault.oneOfIfSet("spec.trafficDistribution", spec.trafficDistribution, distributions)];
}
