import { controllerOf } from "../api/meta/owners.ts";
import type { Pod } from "../api/types/core.v1.ts";
import type { LabelSelector } from "../api/types/meta.v1.ts";
import {
  Namespaces,
  PersistentVolumeClaims,
  PersistentVolumes,
  ReplicaSets,
  ReplicationControllers,
  Services,
  StatefulSets,
  StorageClasses,
} from "../api/types/resources.ts";
import type { Caches } from "../client/cache.ts";
import type { Lookups } from "./framework.ts";

/** The rest of the cluster, read from the shared caches. */
export function cacheLookups(caches: Caches): Lookups {
  const namespaces = caches.of(Namespaces);
  const claims = caches.of(PersistentVolumeClaims);
  const volumes = caches.of(PersistentVolumes);
  const classes = caches.of(StorageClasses);
  const services = caches.of(Services);
  const replicaSets = caches.of(ReplicaSets);
  const statefulSets = caches.of(StatefulSets);
  const replicationControllers = caches.of(ReplicationControllers);

  function controllerSelector(pod: Pod): LabelSelector | undefined {
    const owner = controllerOf(pod);
    if (!owner) return undefined;
    const { namespace } = pod.metadata;
    if (owner.kind === "ReplicaSet") return replicaSets.get(namespace, owner.name)?.spec.selector;
    if (owner.kind === "StatefulSet") return statefulSets.get(namespace, owner.name)?.spec.selector;
    if (owner.kind !== "ReplicationController") return undefined;
    const matchLabels = replicationControllers.get(namespace, owner.name)?.spec.selector;
    return matchLabels && { matchLabels };
  }

  return {
    namespace: (name) => namespaces.get(undefined, name),
    claim: (namespace, name) => claims.get(namespace, name),
    volume: (name) => volumes.get(undefined, name),
    volumes: () => volumes.list(),
    storageClass: (name) => classes.get(undefined, name),
    services: (namespace) => services.list(namespace),
    controllerSelector,
  };
}
