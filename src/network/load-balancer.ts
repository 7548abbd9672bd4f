import type { LoadBalancerIngress, Node, Service } from "../api/types/core.v1.ts";
import { Nodes, Services } from "../api/types/resources.ts";
import { keyOf, splitKey } from "../api/meta/object.ts";
import { type Controller, type ControllerContext, watch } from "../client/controller.ts";

/** The class that Services name when another controller is to serve them is theirs; hue serves those without one and its own. */
const ownClass = "hue.dev/service-lb";

/** A Service's claim on host ports, oldest first. */
interface Claim {
  key: string;
  created: string;
  ports: readonly string[];
}

/**
 * Which of these Services get their ports on the hosts: the oldest wins a port, and a Service gets all its ports or none.
 * `taken` are ports that the host uses itself ("TCP/80"). A pure function; gives the keys of those that are served.
 */
export function servedLoadBalancers(services: readonly Service[], taken: ReadonlySet<string>): Set<string> {
  const claims: Claim[] = services.filter(wantsUs).map((service) => ({
    key: keyOf(service),
    created: service.metadata.creationTimestamp,
    ports: (service.spec.ports ?? []).map((p) => `${p.protocol ?? "TCP"}/${p.port}`),
  }));
  claims.sort((a, b) => (a.created < b.created ? -1 : a.created > b.created ? 1 : a.key < b.key ? -1 : 1));
  const used = new Set(taken);
  const served = new Set<string>();
  for (const claim of claims) {
    if (claim.ports.some((port) => used.has(port))) continue;
    for (const port of claim.ports) used.add(port);
    served.add(claim.key);
  }
  return served;
}

function wantsUs(service: Service): boolean {
  return service.spec.type === "LoadBalancer" && (!service.spec.loadBalancerClass || service.spec.loadBalancerClass === ownClass);
}

/** The addresses that a served Service shows: those of the ready nodes. */
export function loadBalancerAddresses(nodes: readonly Node[]): LoadBalancerIngress[] {
  const ready = nodes.filter((node) => node.status.conditions?.some((c) => c.type === "Ready" && c.status === "True"));
  const ips = ready.flatMap((node) => (node.status.addresses ?? []).filter((a) => a.type === "InternalIP").map((a) => a.address));
  return [...new Set(ips)].sort().map((ip) => ({ ip }));
}

/** Gives LoadBalancer Services the nodes' own addresses, as k3s does; the service proxy leads their ports to the pods. */
export function loadBalancerController(context: ControllerContext, taken: ReadonlySet<string>): Controller {
  const services = context.caches.of(Services);
  const nodes = context.caches.of(Nodes);
  const all = (): string[] => services.list().filter(wantsUs).map(keyOf);
  return {
    name: "service-lb",
    watches: [watch(services, (service) => (wantsUs(service) ? all() : [keyOf(service)])), watch(nodes, all)],
    async reconcile(key) {
      const service = services.byKey(key);
      if (!service || service.metadata.deletionTimestamp) return;
      const current = service.status.loadBalancer?.ingress ?? [];
      if (!wantsUs(service)) {
        if (service.spec.type !== "LoadBalancer" && current.length > 0) await writeAddresses(context, key, []);
        return;
      }
      const served = servedLoadBalancers(services.list(), taken).has(key);
      const wanted = served ? loadBalancerAddresses(nodes.list()) : [];
      if (!served) context.events.event(service, "Warning", "PortConflict", "a port of this Service is taken on the nodes by another one");
      if (JSON.stringify(current.map((i) => i.ip)) === JSON.stringify(wanted.map((i) => i.ip))) return;
      await writeAddresses(context, key, wanted);
    },
  };
}

async function writeAddresses(context: ControllerContext, key: string, ingress: LoadBalancerIngress[]): Promise<void> {
  await context.client.patch(
    Services,
    splitKey(key),
    { type: "merge", body: { status: { loadBalancer: { ingress } } } },
    { subresource: "status" },
  );
}
