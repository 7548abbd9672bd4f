import type { Node, Service, ServiceSpec } from "../../../src/api/types/core.v1.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "../../../src/api/types/discovery.v1.ts";
import type { Ingress, IngressSpec } from "../../../src/api/types/networking.v1.ts";

function meta(name: string, created = "2026-01-01T00:00:00Z") {
  return { name, namespace: "default", uid: `uid-${name}`, resourceVersion: "1", creationTimestamp: created };
}

export function service(name: string, spec: ServiceSpec, created?: string): Service {
  return { apiVersion: "v1", kind: "Service", metadata: meta(name, created), spec, status: {} };
}

export function slice(of: string, endpoints: Endpoint[], ports: EndpointPort[]): EndpointSlice {
  const metadata = { ...meta(`${of}-abcde`), labels: { "kubernetes.io/service-name": of } };
  return { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata, addressType: "IPv4", endpoints, ports };
}

export function ingress(name: string, spec: IngressSpec, created?: string): Ingress {
  return { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: meta(name, created), spec, status: {} };
}

export function node(name: string, ip: string, podCIDR?: string, ready = "True"): Node {
  const conditions = [{ type: "Ready", status: ready as "True" }];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { podCIDR },
    status: { addresses: [{ type: "InternalIP", address: ip }], conditions },
  };
}
