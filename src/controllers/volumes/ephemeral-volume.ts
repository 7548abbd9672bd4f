import { keyOf } from "../../api/meta/object.ts";
import { controllerReference, isControlledBy } from "../../api/meta/owners.ts";
import { PersistentVolumeClaims, Pods } from "../../api/types/resources.ts";
import { type ControllerFactory, watch } from "../../client/controller.ts";
import { ignoreExistingOrTerminating } from "../service-account.ts";

/** Makes the claims of generic ephemeral volumes: they belong to their pod and go with it. */
export const createEphemeralVolumeController: ControllerFactory = ({ client, caches, events }) => {
  const pods = caches.of(Pods);
  const claims = caches.of(PersistentVolumeClaims);
  return {
    name: "ephemeral-volume",
    watches: [watch(pods, (pod) => (pod.spec.volumes?.some((v) => v.ephemeral) ? [keyOf(pod)] : [])), watch(claims, () => [])],
    async reconcile(key) {
      const pod = pods.byKey(key);
      if (!pod || pod.metadata.deletionTimestamp) return;
      for (const { name: volume, ephemeral } of pod.spec.volumes ?? []) {
        const template = ephemeral?.volumeClaimTemplate;
        if (!template) continue;
        const { namespace } = pod.metadata;
        const name = `${pod.metadata.name}-${volume}`;
        const old = claims.get(namespace, name);
        if (old && !isControlledBy(old, pod)) {
          const message = `PVC ${namespace}/${name} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`;
          events.event(pod, "Warning", "FailedBinding", `ephemeral volume controller: ${message}`);
        }
        if (old) continue;
        const { labels, annotations } = template.metadata ?? {};
        const metadata = { namespace, name, labels, annotations, ownerReferences: [controllerReference(pod)] };
        await client
          .create(PersistentVolumeClaims, { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata, spec: template.spec })
          .catch(ignoreExistingOrTerminating);
      }
    },
  };
};
