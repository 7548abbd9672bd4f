import { deepEqual } from "../../api/meta/equality.ts";
import { matchesLabels } from "../../api/meta/labels.ts";
import { keyOf, splitKey } from "../../api/meta/object.ts";
import type { EndpointAddress, Endpoints as EndpointsKind, EndpointSubset, Pod, Service } from "../../api/types/core.v1.ts";
import { Endpoints, Pods, Services } from "../../api/types/resources.ts";
import { type ControllerFactory, restAfter, watch } from "../../client/controller.ts";
import { isTerminating } from "../pod-state.ts";
import { ignoreMissing } from "../ownership.ts";
import { ignoreTerminating } from "../pod-control.ts";
import { servicesOfPod } from "./endpoint-slice.ts";
import { addressTypes, hasPodEndpoints, headlessLabel, isHeadless, podEndpoint } from "./pod-endpoints.ts";

const managedBy = "endpoints.kubernetes.io/managed-by";
const manager = "endpoint-controller";
const overCapacity = "endpoints.kubernetes.io/over-capacity";
const capacity = 1000;

/** The subsets of a legacy Endpoints object: addresses gathered by equal ports, sorted. Pods that are leaving are not in it. */
export function endpointSubsets(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const [type = "IPv4"] = addressTypes(service);
  const subsets = new Map<string, EndpointSubset>();
  for (const pod of pods) {
    const found = podEndpoint(service, pod, undefined, type);
    if (!found || (isTerminating(pod) && !service.spec.publishNotReadyAddresses)) continue;
    const { endpoint, ports } = found;
    // A service with ports that the pod does not have has no business there.
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const id = JSON.stringify(ports);
    const subset = subsets.get(id) ?? {
      ports: ports
        .toSorted((a, b) => ((a.name ?? "") < (b.name ?? "") ? -1 : 1))
        .map((p) => ({ ...p, port: p.port ?? 0, ...(p.name ? {} : { name: undefined }) })),
    };
    subsets.set(id, subset);
    const address: EndpointAddress = {
      ip: endpoint.addresses[0] ?? "",
      ...(endpoint.hostname ? { hostname: endpoint.hostname } : {}),
      ...(endpoint.nodeName ? { nodeName: endpoint.nodeName } : {}),
      targetRef: endpoint.targetRef,
    };
    if (endpoint.conditions?.ready) (subset.addresses ??= []).push(address);
    else (subset.notReadyAddresses ??= []).push(address);
  }
  for (const subset of subsets.values()) {
    subset.addresses?.sort(byIP);
    subset.notReadyAddresses?.sort(byIP);
    if (subset.ports?.length === 0) delete subset.ports;
  }
  return [...subsets.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, subset]) => subset);
}

function byIP(a: EndpointAddress, b: EndpointAddress): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0;
}

/** At most 1000 addresses fit, ready ones first. Returns whether some were left out. */
export function truncate(subsets: EndpointSubset[]): boolean {
  let room = capacity;
  let cut = false;
  for (const field of ["addresses", "notReadyAddresses"] as const)
    for (const subset of subsets) {
      const list = subset[field] ?? [];
      if (list.length > room) {
        subset[field] = list.slice(0, room);
        cut = true;
      }
      room -= Math.min(room, list.length);
    }
  return cut;
}

/** Keeps the legacy Endpoints object of each service with a selector true to its pods; those made by hand are left alone. */
export const createEndpointsController: ControllerFactory = ({ client, caches }) => {
  const services = caches.of(Services);
  const pods = caches.of(Pods);
  const endpoints = caches.of(Endpoints);
  const rests = new Map<string, number>();
  return {
    name: "endpoints",
    watches: [
      watch(services, (service) => [keyOf(service)]),
      watch(pods, servicesOfPod(services)),
      watch(endpoints, (object) => (object.metadata.labels?.[managedBy] === manager ? [keyOf(object)] : [])),
    ],
    rest: (key) => rests.get(key) ?? 0,
    async reconcile(key) {
      const service = services.byKey(key);
      rests.delete(key);
      const old = endpoints.byKey(key);
      if (!service) {
        if (old) await client.delete(Endpoints, old.metadata, { preconditions: { uid: old.metadata.uid } }).catch(ignoreMissing);
        return;
      }
      if (service.metadata.deletionTimestamp || !hasPodEndpoints(service)) return;
      const all = pods.list(service.metadata.namespace);
      const selected = all.filter((pod) => matchesLabels(service.spec.selector, pod.metadata.labels));
      rests.set(key, restAfter(all.length / 10 + selected.length));
      const subsets = endpointSubsets(service, selected);
      const annotations = { ...old?.metadata.annotations };
      delete annotations[overCapacity];
      if (truncate(subsets)) annotations[overCapacity] = "truncated";
      const labels = { ...service.metadata.labels, ...(isHeadless(service) ? { [headlessLabel]: "" } : {}), [managedBy]: manager };
      const content = { subsets: subsets.length > 0 ? subsets : undefined };
      if (!old) {
        const { namespace, name } = splitKey(key);
        const metadata = { namespace, name, labels, annotations };
        await client.create(Endpoints, { apiVersion: "v1", kind: "Endpoints", metadata, ...content }).catch(ignoreTerminating);
      } else if (!isSame(old, content.subsets, labels, annotations))
        await client.update(Endpoints, { ...old, metadata: { ...old.metadata, labels, annotations }, ...content });
    },
  };
};

function isSame(old: EndpointsKind, subsets: EndpointSubset[] | undefined, labels: object, annotations: object): boolean {
  return (
    deepEqual(old.subsets ?? [], subsets ?? []) &&
    deepEqual(old.metadata.labels, labels) &&
    deepEqual(old.metadata.annotations ?? {}, annotations)
  );
}
