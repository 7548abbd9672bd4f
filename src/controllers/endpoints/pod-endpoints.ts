import type { Container, Node, Pod, Service, ServicePort } from "../../api/types/core.v1.ts";
import type { Endpoint, EndpointPort } from "../../api/types/discovery.v1.ts";
import { isReady, isTerminal, isTerminating } from "../pod-state.ts";

/** The family of a slice's addresses. */
export type AddressType = "IPv4" | "IPv6";

/** One pod behind a service, with the port numbers that the service's ports have there. */
export interface PodEndpoint {
  endpoint: Endpoint;
  ports: EndpointPort[];
}

/** The label by which a slice names its service. */
export const serviceNameLabel = "kubernetes.io/service-name";
/** The label that tells headless services' endpoints. */
export const headlessLabel = "service.kubernetes.io/headless";
const zoneLabel = "topology.kubernetes.io/zone";

/** The address families that a service has endpoints of. */
export function addressTypes(service: Service): AddressType[] {
  const families = service.spec.ipFamilies ?? [];
  if (families.length > 0) return families.map((family) => (family === "IPv6" ? "IPv6" : "IPv4"));
  return [service.spec.clusterIP?.includes(":") ? "IPv6" : "IPv4"];
}

/** Whether the controllers make endpoints for the service: it must select pods, and not stand for a name elsewhere. */
export function hasPodEndpoints(service: Service): boolean {
  return service.spec.selector !== undefined && service.spec.type !== "ExternalName";
}

/** The service without an address of its own? */
export function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === "None";
}

/** The pod as an endpoint of the service; undefined when it has ended or has no address of that family. */
export function podEndpoint(service: Service, pod: Pod, node: Node | undefined, type: AddressType): PodEndpoint | undefined {
  const address = podAddress(pod, type);
  if (!address || isTerminal(pod)) return undefined;
  const serving = isReady(pod);
  const terminating = isTerminating(pod);
  const zone = node?.metadata.labels?.[zoneLabel];
  const { namespace, name, uid } = pod.metadata;
  const endpoint: Endpoint = {
    addresses: [address],
    conditions: { ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating), serving, terminating },
    targetRef: { kind: "Pod", namespace, name, uid },
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    ...(zone ? { zone } : {}),
    ...(pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? { hostname: pod.spec.hostname } : {}),
  };
  return { endpoint, ports: endpointPorts(service, pod) };
}

function podAddress(pod: Pod, type: AddressType): string | undefined {
  const addresses = pod.status.podIPs?.map((p) => p.ip) ?? [pod.status.podIP ?? ""];
  return addresses.find((ip) => ip && ip.includes(":") === (type === "IPv6"));
}

/** The service's ports with the numbers that this pod has for them; a named port that the pod lacks is left out. */
function endpointPorts(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = port;
    return [{ name, protocol, port: number, ...(appProtocol ? { appProtocol } : {}) }];
  });
}

function targetPort(pod: Pod, { targetPort: target, port, protocol = "TCP" }: ServicePort): number | undefined {
  if (target === undefined || target === 0 || target === "") return port;
  if (typeof target === "number") return target;
  const sidecars: Container[] = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always");
  for (const container of [...pod.spec.containers, ...sidecars])
    for (const p of container.ports ?? []) if (p.name === target && (p.protocol ?? "TCP") === protocol) return p.containerPort;
  return undefined;
}
