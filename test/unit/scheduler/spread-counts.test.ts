import { describe, expect, it, vi } from "vitest";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import { podInfo } from "../../../src/scheduler/pod-info.ts";
import { cluster, node, pod, selector as labels } from "./objects.ts";

const zone = "topology.kubernetes.io/zone";
const hostname = "kubernetes.io/hostname";

/** Always the same numbers, 0 <= n < 1. */
function numbers(): () => number {
  let seed = 1;
  return () => (seed = (seed * 48271) % 2147483647) / 2147483647;
}

describe("counts of pods by domain", () => {
  it("stay true to pods and nodes that come, change and go in any order", () => {
    const { world } = cluster([]);
    const random = numbers();
    const pick = (n: number): number => Math.floor(random() * n);
    const pods = new Map<string, Pod>();
    const zones = new Map<string, string>();
    const selector = labels({ app: "a" });
    for (let step = 0; step < 2000; step++) {
      const name = `n${pick(8)}`;
      const what = pick(12);
      if (what === 0) {
        world.removeNode(name);
        zones.delete(name);
      } else if (what <= 2) {
        zones.set(name, `z${pick(3)}`);
        world.setNode(node(name, { labels: { [zone]: zones.get(name) ?? "", [hostname]: name } }));
      } else {
        const id = `p${pick(30)}`;
        const known = pods.get(id);
        if (known && what <= 5) {
          pods.delete(id);
          world.removePod(known.metadata.uid);
        } else {
          const changed = pod(id, { spec: { nodeName: name }, labels: { app: pick(3) ? "a" : "b" } });
          if (pick(5) === 0) changed.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
          pods.set(id, changed);
          world.setPod(changed);
        }
      }
      const counted = [...pods.values()].filter((p) => p.metadata.labels?.["app"] === "a" && !p.metadata.deletionTimestamp);
      const inZone = (value: string): number => counted.filter((p) => zones.get(p.spec.nodeName ?? "") === value).length;
      const there = [...new Set(zones.values())];
      const [domains, hosts] = world.selection("default", selector).domains([zone, hostname], true, world.nodes);
      expect(there.map((value) => domains?.get(value))).toEqual(there.map(inZone));
      expect(domains?.min(1)).toBe(there.length > 0 ? Math.min(...there.map(inZone)) : 0);
      for (const host of zones.keys()) expect(hosts?.get(host)).toBe(counted.filter((p) => p.spec.nodeName === host).length);
    }
  });

  it("are not made again for each pod of a service", () => {
    const nodes = Array.from({ length: 20 }, (_, i) => node(`n${i}`));
    const { world, place } = cluster(nodes, [], { controller: labels({ app: "a" }) });
    const looks = vi.spyOn(world, "podsIn");
    const perNode = new Map<string, number>();
    for (let i = 0; i < 100; i++) {
      const next = pod(`p${i}`, { labels: { app: "a" } });
      const chosen = place(next);
      world.assume(podInfo(next), chosen);
      perNode.set(chosen, (perNode.get(chosen) ?? 0) + 1);
    }
    expect(looks).toHaveBeenCalledTimes(1);
    expect([...perNode.values()]).toEqual(Array(20).fill(5));
  });
});
