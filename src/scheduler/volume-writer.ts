import type { PersistentVolumeClaim } from "../api/types/core.v1.ts";
import { PersistentVolumeClaims, PersistentVolumes } from "../api/types/resources.ts";
import type { ControllerContext } from "../client/controller.ts";
import { isBound, selectedNode, type VolumeWriter } from "./plugins/volume-binding.ts";

/** How long a pod waits for its volumes before it is scheduled anew, in milliseconds. */
const bindTimeout = 600_000;

/** Volume binding by the API. */
export function volumeWriter({ client, caches, clock }: Pick<ControllerContext, "client" | "caches" | "clock">): VolumeWriter {
  const cache = caches.of(PersistentVolumeClaims);
  return {
    async reserve(volume, claim) {
      const { namespace, name, uid, resourceVersion } = claim.metadata;
      const body = {
        metadata: { resourceVersion: volume.metadata.resourceVersion, annotations: { "pv.kubernetes.io/bound-by-controller": "yes" } },
        spec: { claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid, resourceVersion } },
      };
      await client.patch(PersistentVolumes, { name: volume.metadata.name }, { type: "merge", body });
    },
    async provision({ metadata: { namespace, name, uid } }, nodeName) {
      const body = { metadata: { uid, annotations: { [selectedNode]: nodeName } } };
      await client.patch(PersistentVolumeClaims, { namespace, name }, { type: "merge", body });
    },
    async untilBound(claims) {
      const waiting = new Map(claims.map((claim) => [claim.metadata.uid, claim.metadata.name]));
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = (claim: PersistentVolumeClaim | undefined, old: PersistentVolumeClaim | undefined): void => {
        const { uid = "", name } = (claim ?? old)?.metadata ?? {};
        if (!waiting.has(uid)) return;
        if (!claim) reject(new Error(`persistentvolumeclaim "${name}" not found`));
        else if (isBound(claim)) waiting.delete(uid);
        // The provisioner cannot make a volume there and takes the choice back.
        else if (old?.metadata.annotations?.[selectedNode] && !claim.metadata.annotations?.[selectedNode])
          reject(new Error(`selectedNode annotation of persistentvolumeclaim "${name}" was removed`));
        if (waiting.size === 0) resolve();
      };
      const cancel = clock.after(bindTimeout, () => reject(new Error("binding volumes: timed out waiting for the condition")));
      const unsubscribe = cache.onChange(({ object, old }) => look(object, old));
      try {
        await promise;
      } finally {
        cancel();
        unsubscribe();
      }
    },
  };
}
