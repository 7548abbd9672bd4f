import { badRequest, notFound, serviceUnavailable } from "../../api/errors.ts";
import type { Container, Pod, Service } from "../../api/types/core.v1.ts";
import { Nodes, Services } from "../../api/types/resources.ts";
import { readyEndpoints, servicePortName } from "../backends/service-endpoint.ts";
import type { RequestPath } from "../request-path.ts";
import { kubeletAddress } from "./kubelet.ts";
import type { StreamingParts } from "./parts.ts";
import { podOf } from "./pod-target.ts";

/** Where a proxied request goes. */
export interface ProxyTarget {
  scheme: "http" | "https";
  host: string;
  port: number;
  /** Set for the kubelet of a node: the API server shows its certificate, and checks the kubelet's for that name. */
  serverName?: string;
}

/** A name as pods/proxy and services/proxy take it: "name", "name:port" or "scheme:name:port". */
interface ProxyName {
  scheme: "http" | "https";
  name: string;
  port: string;
}

/** Where a request to pods/proxy, services/proxy or nodes/proxy goes. Throws with upstream's words when there is no such place. */
export function proxyTarget(parts: StreamingParts, path: RequestPath, random: () => number): ProxyTarget {
  switch (path.resource) {
    case "pods":
      return podTarget(parts, path);
    case "services":
      return serviceTarget(parts, path, random);
    default:
      return nodeTarget(parts, path);
  }
}

function parseName({ resource, name: text }: RequestPath): ProxyName {
  const words = text.split(":");
  const [first = "", second = "", third = ""] = words;
  const [scheme, name, port] = words.length === 3 ? [first, second, third] : ["", first, second];
  if (words.length > 3 || !name || (words.length === 2 && !port) || !["", "http", "https"].includes(scheme))
    throw badRequest(`invalid ${resource.slice(0, -1)} request ${JSON.stringify(text)}`);
  return { scheme: scheme === "https" ? "https" : "http", name, port };
}

function podTarget({ objects }: StreamingParts, path: RequestPath): ProxyTarget {
  const { scheme, name, port } = parseName(path);
  const pod = podOf(objects, path.namespace, name);
  const host = pod.status?.podIP;
  if (!host) throw badRequest("address not allowed");
  const number = port === "" ? firstPort(pod) : portOf(pod.spec.containers, port);
  return { scheme, host, port: number ?? (scheme === "https" ? 443 : 80) };
}

function firstPort({ spec }: Pod): number | undefined {
  return spec.containers.find((container) => container.ports?.length)?.ports?.[0]?.containerPort;
}

function portOf(containers: readonly Container[], port: string): number {
  if (/^\d+$/.test(port)) return Number(port);
  const named = containers.flatMap((container) => container.ports ?? []).find(({ name }) => name === port);
  if (!named) throw badRequest(`no port ${JSON.stringify(port)} in the pod`);
  return named.containerPort;
}

/** One of the service's ready endpoints. The port is one of the service's, by name or number, or its only one. */
function serviceTarget({ objects }: StreamingParts, path: RequestPath, random: () => number): ProxyTarget {
  const { scheme, name, port } = parseName(path);
  const service = objects.get(Services, path.namespace, name);
  if (!service) throw notFound({ kind: "services", name });
  const portName = portNameOf(service, port);
  const places = readyEndpoints(objects, { namespace: path.namespace, name, portName });
  const chosen = places[Math.floor(random() * places.length)];
  if (!chosen) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  return { scheme, ...chosen };
}

function portNameOf(service: Service, port: string): string {
  const ports = service.spec?.ports ?? [];
  if (port === "") return (ports.length === 1 ? ports[0]?.name : undefined) ?? "";
  if (!/^\d+$/.test(port)) return port;
  const found = servicePortName(service, Number(port));
  if (found === undefined) throw serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(service.metadata.name)}`);
  return found;
}

function nodeTarget({ objects }: StreamingParts, path: RequestPath): ProxyTarget {
  const { scheme, name, port } = parseName(path);
  const node = objects.get(Nodes, undefined, name);
  if (!node) throw notFound({ kind: "nodes", name });
  const kubelet = kubeletAddress(node);
  if (port === "" || Number(port) === kubelet.port) return { scheme: "https", ...kubelet };
  return { scheme, host: kubelet.host, port: Number(port) };
}
