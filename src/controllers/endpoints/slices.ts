import { deepEqual } from "../../api/meta/equality.ts";
import type { ObjectMeta } from "../../api/types/meta.v1.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "../../api/types/discovery.v1.ts";

/** Endpoints that share their ports and so may share slices. */
export interface Group {
  addressType: EndpointSlice["addressType"];
  ports: EndpointPort[];
  endpoints: Endpoint[];
}

/** What has to be written. */
export interface SlicePlan {
  create: Pick<EndpointSlice, "addressType" | "ports" | "endpoints">[];
  update: EndpointSlice[];
  remove: EndpointSlice[];
}

/**
 * The fewest writes that make the slices show the groups: endpoints stay in the slice that has them, new ones fill up slices that change anyway,
 * then others with room, then new slices. `metadata` is what every slice has to carry; slices of unknown groups go.
 */
export function planSlices(
  existing: readonly EndpointSlice[],
  groups: readonly Group[],
  metadata: Pick<ObjectMeta, "labels" | "annotations">,
  limit = 100,
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [] };
  const unused = new Set(existing);
  for (const group of groups) {
    const own = existing.filter((s) => s.addressType === group.addressType && deepEqual(s.ports ?? [], group.ports));
    for (const slice of own) unused.delete(slice);
    planGroup(plan, own, group, metadata, limit);
  }
  plan.remove.push(...unused);
  return plan;
}

function planGroup(
  plan: SlicePlan,
  own: readonly EndpointSlice[],
  group: Group,
  metadata: Pick<ObjectMeta, "labels" | "annotations">,
  limit: number,
): void {
  const missing = new Map(group.endpoints.map((e) => [identity(e), e]));
  const drafts = own.map((slice) => {
    const endpoints = (slice.endpoints ?? []).flatMap((old) => {
      const wanted = missing.get(identity(old));
      missing.delete(identity(old));
      return wanted ? [wanted] : [];
    });
    return { slice, endpoints, changed: !deepEqual(endpoints, slice.endpoints ?? []) };
  });
  const queue = [...missing.values()];
  for (const draft of drafts.toSorted((a, b) => Number(b.changed) - Number(a.changed)))
    draft.endpoints.push(...queue.splice(0, Math.max(0, limit - draft.endpoints.length)));
  const kept = drafts.filter((d, i) => d.endpoints.length > 0 || (i === 0 && group.endpoints.length === 0));
  for (const draft of drafts) if (!kept.includes(draft)) plan.remove.push(draft.slice);
  for (const { slice, endpoints } of kept) {
    const next = { ...slice, endpoints, metadata: { ...slice.metadata, ...metadata } };
    if (!deepEqual(next.endpoints, slice.endpoints ?? []) || !sameMetadata(slice.metadata, metadata)) plan.update.push(next);
  }
  if (group.endpoints.length === 0 && own.length === 0)
    plan.create.push({ addressType: group.addressType, ports: group.ports, endpoints: [] });
  while (queue.length > 0) plan.create.push({ addressType: group.addressType, ports: group.ports, endpoints: queue.splice(0, limit) });
}

/** The same pod (or address, where no pod is named) in another state is the same endpoint. */
function identity(endpoint: Endpoint): string {
  return endpoint.targetRef?.uid ?? endpoint.addresses.join();
}

function sameMetadata(has: ObjectMeta, wants: Pick<ObjectMeta, "labels" | "annotations">): boolean {
  return deepEqual(has.labels ?? {}, wants.labels ?? {}) && deepEqual(has.annotations ?? {}, wants.annotations ?? {});
}

/** Endpoints with the ports of each, gathered by equal ports. At least one group for each address type, so that there is always a slice. */
export function groupByPorts(
  addressType: EndpointSlice["addressType"],
  endpoints: readonly { endpoint: Endpoint; ports: EndpointPort[] }[],
): Group[] {
  const groups = new Map<string, Group>();
  for (const { endpoint, ports } of endpoints) {
    const id = JSON.stringify(ports);
    const group = groups.get(id) ?? { addressType, ports, endpoints: [] };
    groups.set(id, group);
    group.endpoints.push(endpoint);
  }
  return groups.size > 0 ? [...groups.values()] : [{ addressType, ports: [], endpoints: [] }];
}
