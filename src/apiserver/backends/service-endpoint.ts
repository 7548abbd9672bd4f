import type { Service } from "../../api/types/core.v1.ts";
import { EndpointSlices, Services } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";

/** A Service that the API server calls: a webhook, an extension server. */
export interface ServiceTarget {
  namespace: string;
  name: string;
  /** One of the Service's ports. */
  port: number;
}

/** Where to connect to. */
export interface Endpoint {
  host: string;
  port: number;
}

/**
 * One of the Service's ready endpoints, by the name of its port; the outside host of an ExternalName. From the host's network Service
 * addresses need not work. `random` (0 to 1) chooses. Throws an Error with upstream's words when there is none.
 */
export function resolveService(objects: Objects, { namespace, name, port }: ServiceTarget, random: () => number): Endpoint {
  const service = objects.get(Services, namespace, name);
  if (!service) throw new Error(`service ${JSON.stringify(name)} not found`);
  if (service.spec?.type === "ExternalName") return { host: service.spec.externalName ?? "", port };
  const portName = servicePortName(service, port);
  if (portName === undefined) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
  const ready = readyEndpoints(objects, { namespace, name, portName });
  const chosen = ready[Math.floor(random() * ready.length)];
  if (!chosen) throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  return chosen;
}

/** The name of the Service's port with that number ("" for one without a name); undefined when there is none. */
export function servicePortName({ spec }: Service, port: number): string | undefined {
  const found = spec?.ports?.find((one) => one.port === port);
  return found && (found.name ?? "");
}

/** The ready endpoints of a Service behind its port of that name. */
export function readyEndpoints(
  objects: Objects,
  { namespace, name, portName }: { namespace: string; name: string; portName: string },
): Endpoint[] {
  return objects
    .list(EndpointSlices, namespace)
    .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === name)
    .flatMap(({ endpoints, ports }) => {
      const port = ports?.find((one) => (one.name ?? "") === portName)?.port;
      const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
      return port === undefined ? [] : ready.flatMap(({ addresses }) => (addresses[0] ? [{ host: addresses[0], port }] : []));
    });
}
