import { type Plugin, unschedulable } from "../framework.ts";

const rejected = unschedulable(
  "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
);

/** VolumeRestrictions: a claim with access mode ReadWriteOncePod is used by one pod at a time, in the whole cluster. */
export const volumeRestrictions: Plugin = {
  name: "VolumeRestrictions",
  filter(pod, world) {
    const exclusive = pod.claims.filter((name) => world.lookups.claim(pod.namespace, name)?.spec.accessModes?.includes("ReadWriteOncePod"));
    if (exclusive.length === 0) return undefined;
    const users = new Set<string>();
    for (const name of exclusive) for (const user of world.podsOfClaim(pod.namespace, name)) if (user.uid !== pod.uid) users.add(user.uid);
    // The users may be on any node; where one of them is, removing it can help (preemption).
    return {
      check: () => (users.size > 0 ? rejected : undefined),
      add: (other) => {
        if (other.uid !== pod.uid && other.namespace === pod.namespace && other.claims.some((c) => exclusive.includes(c)))
          users.add(other.uid);
      },
      remove: (other) => {
        users.delete(other.uid);
      },
    };
  },
  wakes: (pod, event) =>
    event.type === "claim" ||
    (event.type === "pod" && !event.pod && event.old?.metadata.namespace === pod.namespace && (event.old.spec.volumes?.length ?? 0) > 0),
};
