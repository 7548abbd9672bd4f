import { keyOf } from "../../api/meta/object.ts";
import type { EndpointAddress, Endpoints as EndpointsKind, EndpointSubset, Service } from "../../api/types/core.v1.ts";
import type { Endpoint } from "../../api/types/discovery.v1.ts";
import { EndpointSlices, Endpoints, Services } from "../../api/types/resources.ts";
import { type ControllerFactory, watch } from "../../client/controller.ts";
import { Written } from "../../client/written.ts";
import { serviceNameLabel } from "./pod-endpoints.ts";
import { type Group, groupByPorts, planSlices } from "./slices.ts";
import { indexSlices, managedByLabel, serviceKeyOf, slicesOf, writeSlices } from "./slice-writer.ts";

const manager = "endpointslicemirroring-controller.k8s.io";
const skip = "endpointslice.kubernetes.io/skip-mirror";
const leaderElection = "control-plane.alpha.kubernetes.io/leader";
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** Whether hand-made Endpoints are to be shown as slices: their service has no selector, and nobody asked to leave them out. */
export function isMirrored(endpoints: EndpointsKind | undefined, service: Service | undefined): endpoints is EndpointsKind {
  if (!endpoints || !service || service.spec.selector) return false;
  return endpoints.metadata.labels?.[skip] !== "true" && endpoints.metadata.annotations?.[leaderElection] === undefined;
}

/** The subsets as groups of endpoints, each address family for itself. */
export function mirrorGroups(subsets: readonly EndpointSubset[]): Group[] {
  const groups: Group[] = [];
  for (const type of ["IPv4", "IPv6"] as const) {
    const endpoints = subsets.flatMap((subset) => {
      const ports = (subset.ports ?? []).map((p) => ({ name: "", protocol: "TCP" as const, ...p }));
      const ofType = (list: readonly EndpointAddress[] | undefined, ready: boolean) =>
        (list ?? []).filter((a) => a.ip.includes(":") === (type === "IPv6")).map((a) => ({ endpoint: mirrored(a, ready), ports }));
      return [...ofType(subset.addresses, true), ...ofType(subset.notReadyAddresses, false)];
    });
    if (endpoints.length > 0) groups.push(...groupByPorts(type, endpoints));
  }
  return groups;
}

function mirrored({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  };
}

/** Shows Endpoints that people made by hand as EndpointSlices, so that only slices have to be read. */
export const createEndpointSliceMirroringController: ControllerFactory = ({ client, caches, clock }) => {
  const services = caches.of(Services);
  const endpoints = caches.of(Endpoints);
  const slices = caches.of(EndpointSlices);
  const written = new Written(clock);
  indexSlices(slices);
  return {
    name: "endpointslicemirroring",
    watches: [
      watch(endpoints, (object) => [keyOf(object)]),
      watch(services, (service) => (service.spec.selector ? [] : [keyOf(service)])),
      watch(slices, (slice) => serviceKeyOf(slice, manager)),
    ],
    async reconcile(key) {
      const wait = written.behind(key);
      if (wait) return wait;
      const object = endpoints.byKey(key);
      const existing = slicesOf(slices, key, manager);
      const wanted = isMirrored(object, services.byKey(key)) && !object.metadata.deletionTimestamp ? object : undefined;
      if (!wanted && existing.length === 0) return;
      const { [lastApplied]: _ignored, ...annotations } = wanted?.metadata.annotations ?? {};
      const labels = { ...wanted?.metadata.labels, [serviceNameLabel]: key.slice(key.indexOf("/") + 1), [managedByLabel]: manager };
      const metadata = { labels, annotations };
      const plan = planSlices(existing, wanted ? mirrorGroups(wanted.subsets ?? []) : [], metadata, 1000);
      const owner = wanted ?? existing[0];
      if (owner) await writeSlices(plan, { owner, metadata, client, cache: slices, written });
    },
  };
};
