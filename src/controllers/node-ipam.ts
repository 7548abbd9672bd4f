import { Nodes } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";

/** Parts of an IPv4 range: the i-th of those whose first `size` bits are fixed; undefined when there are not so many. */
export function subnet(cidr: string, size: number, i: number): string | undefined {
  const [address = "", bits = "0"] = cidr.split("/");
  const base = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  if (i >= 2 ** (size - Number(bits))) return undefined;
  const start = base + i * 2 ** (32 - size);
  return `${[24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join(".")}/${size}`;
}

/** Gives each node its own part of the pod network (spec.podCIDR). */
export function nodeIPAM({ clusterCIDR, nodeCIDRMaskSize = 24 }: { clusterCIDR: string; nodeCIDRMaskSize?: number }): ControllerFactory {
  return ({ client, caches, events }) => {
    const nodes = caches.of(Nodes);
    /** Parts given out, by node: also those that the cache does not show yet. */
    const given = new Map<string, string>();
    /** The same as a set, made anew after a part was given back, and the first of those parts that may be free. */
    let taken: Set<string> | undefined;
    let first = 0;
    const take = (name: string, part: string): void => {
      given.set(name, part);
      taken?.add(part);
    };
    const giveBack = (name: string): void => {
      if (given.delete(name)) [taken, first] = [undefined, 0];
    };
    return {
      name: "node-ipam",
      workers: 1,
      watches: [watch(nodes, (node) => [node.metadata.name])],
      start() {
        for (const { metadata, spec } of nodes.list()) if (spec.podCIDR) take(metadata.name, spec.podCIDR);
      },
      async reconcile(name) {
        const node = nodes.byKey(name);
        if (!node) {
          giveBack(name);
          return;
        }
        if (node.spec?.podCIDR) {
          if (given.get(name) !== node.spec.podCIDR) giveBack(name);
          take(name, node.spec.podCIDR);
          return;
        }
        taken ??= new Set(given.values());
        let part: string | undefined = given.get(name);
        for (; part === undefined; first++) {
          const next = subnet(clusterCIDR, nodeCIDRMaskSize, first);
          if (next === undefined) {
            events.event(node, "Normal", "CIDRNotAvailable", `Node ${name} status is now: CIDRNotAvailable`);
            throw new Error(`the range ${clusterCIDR} has no part left for node ${name}`);
          }
          if (!taken.has(next)) part = next;
        }
        take(name, part);
        await client.patch(Nodes, { name }, { type: "merge", body: { spec: { podCIDR: part, podCIDRs: [part] } } });
      },
    };
  };
}
