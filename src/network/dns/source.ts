import type { Service } from "../../api/types/core.v1.ts";
import { EndpointSlices, Namespaces, Services } from "../../api/types/resources.ts";
import type { Caches } from "../../client/cache.ts";
import { type DnsSource, dashed } from "./records.ts";

/** Looks names up in the caches of this process. */
export function cacheSource(caches: Caches): DnsSource & { synced: Promise<unknown> } {
  const services = caches.of(Services);
  const slices = caches.of(EndpointSlices);
  const namespaces = caches.of(Namespaces);
  const serviceName = (labels: Record<string, string> | undefined): string => labels?.["kubernetes.io/service-name"] ?? "";
  services.addIndex("clusterIP", (service) => (service.spec.clusterIPs ?? []).filter((ip) => ip !== "None"));
  slices.addIndex("service", (slice) => [`${slice.metadata.namespace}/${serviceName(slice.metadata.labels)}`]);
  slices.addIndex("address", (slice) => (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses));
  return {
    synced: Promise.all([services.synced, slices.synced, namespaces.synced]),
    service: (namespace, name) => services.get(namespace, name),
    namespaceExists: (name) => namespaces.get(undefined, name) !== undefined,
    slices: (namespace, service) => slices.byIndex("service", `${namespace}/${service}`),
    byClusterIP: (ip) => services.byIndex("clusterIP", ip)[0],
    byEndpointIP(ip) {
      const found: { service: Service; host: string }[] = [];
      for (const slice of slices.byIndex("address", ip)) {
        const service = services.get(slice.metadata.namespace, serviceName(slice.metadata.labels));
        if (service?.spec.clusterIP !== "None") continue;
        for (const endpoint of slice.endpoints ?? [])
          if (endpoint.addresses.includes(ip)) found.push({ service, host: endpoint.hostname || dashed(ip) });
      }
      return found;
    },
  };
}
