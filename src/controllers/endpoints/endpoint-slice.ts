import { matchesLabels } from "../../api/meta/labels.ts";
import { keyOf } from "../../api/meta/object.ts";
import type { Pod, Service } from "../../api/types/core.v1.ts";
import { EndpointSlices, Nodes, Pods, Services } from "../../api/types/resources.ts";
import type { Cache } from "../../client/cache.ts";
import { type ControllerFactory, restAfter, watch } from "../../client/controller.ts";
import { Written } from "../../client/written.ts";
import { addressTypes, hasPodEndpoints, headlessLabel, isHeadless, podEndpoint, serviceNameLabel } from "./pod-endpoints.ts";
import { groupByPorts, planSlices } from "./slices.ts";
import { indexSlices, managedByLabel, serviceKeyOf, slicesOf, writeSlices } from "./slice-writer.ts";

const manager = "endpointslice-controller.k8s.io";

/** The keys of the services that select the pod. */
export function servicesOfPod(services: Cache<Service>): (pod: Pod) => string[] {
  return (pod) =>
    services
      .list(pod.metadata.namespace)
      .filter((service) => service.spec.selector && matchesLabels(service.spec.selector, pod.metadata.labels))
      .map(keyOf);
}

/** The labels of a service's slices. */
function sliceLabels(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    ...(isHeadless(service) ? { [headlessLabel]: "" } : {}),
    [serviceNameLabel]: service.metadata.name,
    [managedByLabel]: manager,
  };
}

/** Keeps the EndpointSlices of services with a selector true to the pods behind them. */
export const createEndpointSliceController: ControllerFactory = ({ client, caches, clock }) => {
  const services = caches.of(Services);
  const pods = caches.of(Pods);
  const nodes = caches.of(Nodes);
  const slices = caches.of(EndpointSlices);
  const written = new Written(clock);
  const rests = new Map<string, number>();
  indexSlices(slices);
  return {
    name: "endpointslice",
    watches: [
      watch(services, (service) => [keyOf(service)]),
      watch(pods, servicesOfPod(services)),
      watch(slices, (slice) => serviceKeyOf(slice, manager)),
      watch(nodes, () => []),
    ],
    rest: (key) => rests.get(key) ?? 0,
    async reconcile(key) {
      const wait = written.behind(key);
      if (wait) return wait;
      const service = services.byKey(key);
      rests.delete(key);
      // Without a service the slices have lost their owner, and the garbage collector takes them.
      if (!service || service.metadata.deletionTimestamp || !hasPodEndpoints(service)) return;
      const all = pods.list(service.metadata.namespace);
      const selected = all.filter((pod) => matchesLabels(service.spec.selector, pod.metadata.labels));
      rests.set(key, restAfter(all.length / 10 + selected.length));
      const groups = addressTypes(service).flatMap((type) =>
        groupByPorts(
          type,
          selected.flatMap((pod) => podEndpoint(service, pod, nodes.get(undefined, pod.spec.nodeName ?? ""), type) ?? []),
        ),
      );
      const metadata = { labels: sliceLabels(service) };
      const plan = planSlices(slicesOf(slices, key, manager), groups, metadata);
      await writeSlices(plan, { owner: service, metadata, client, cache: slices, written });
    },
  };
};
