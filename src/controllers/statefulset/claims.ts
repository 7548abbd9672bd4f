import { deepEqual } from "../../api/meta/equality.ts";
import { keyOf } from "../../api/meta/object.ts";
import { controllerReference } from "../../api/meta/owners.ts";
import type { StatefulSet } from "../../api/types/apps.v1.ts";
import type { PersistentVolumeClaim, Pod } from "../../api/types/core.v1.ts";
import type { OwnerReference } from "../../api/types/meta.v1.ts";
import { PersistentVolumeClaims } from "../../api/types/resources.ts";
import type { Cache } from "../../client/cache.ts";
import type { ControllerContext } from "../../client/controller.ts";
import type { Written } from "../../client/written.ts";
import { messageOf } from "../pod-control.ts";
import { claimsFor, ordinalOf, startOrdinal } from "./identity.ts";

/**
 * Who owns the claims of a pod, by persistentVolumeClaimRetentionPolicy: the set when they shall go with it, the pod when they shall go with a
 * pod that is scaled away, nobody when they stay. References of others are kept. Undefined when nothing has to change.
 */
export function claimOwners(set: StatefulSet, pod: Pod | undefined, claim: PersistentVolumeClaim): OwnerReference[] | undefined {
  const { whenDeleted = "Retain", whenScaled = "Retain" } = set.spec.persistentVolumeClaimRetentionPolicy ?? {};
  const ordinal = pod && ordinalOf(set, pod);
  const condemned = ordinal !== undefined && (ordinal < startOrdinal(set) || ordinal >= startOrdinal(set) + (set.spec.replicas ?? 1));
  const byPod = whenScaled === "Delete" && condemned;
  const bySet = whenDeleted === "Delete" && !byPod;
  const before = claim.metadata.ownerReferences ?? [];
  // A reference to an earlier pod of that name is as dead as the pod.
  const mine = ({ uid, kind, name }: OwnerReference): boolean =>
    uid === set.metadata.uid || (kind === "Pod" && name === pod?.metadata.name);
  const owners = before.filter((reference) => !mine(reference));
  if (bySet) owners.push(controllerReference(set));
  if (byPod && pod) owners.push(controllerReference(pod));
  return deepEqual(owners, before) ? undefined : owners;
}

/** Makes the claims of a StatefulSet's pods, and says who owns them. */
export class ClaimKeeper {
  private readonly context: ControllerContext;
  private readonly claims: Cache<PersistentVolumeClaim>;
  private readonly written: Written;

  constructor(context: ControllerContext, claims: Cache<PersistentVolumeClaim>, written: Written) {
    this.context = context;
    this.claims = claims;
    this.written = written;
  }

  /** Creates what is missing for the pod of that ordinal. Throws while an old claim of that name is still being deleted. */
  async create(set: StatefulSet, ordinal: number): Promise<void> {
    const { client, events } = this.context;
    for (const claim of claimsFor(set, ordinal)) {
      const { namespace, name = "" } = claim.metadata;
      const there = this.claims.get(namespace, name);
      if (there?.metadata.deletionTimestamp) throw new Error(`pvc ${name} is being deleted`);
      if (there) continue;
      const pod = `${set.metadata.name}-${ordinal}`;
      try {
        this.written.wrote(keyOf(set), this.claims, await client.create(PersistentVolumeClaims, claim));
        events.event(set, "Normal", "SuccessfulCreate", `Create Claim ${name} Pod ${pod} in StatefulSet ${set.metadata.name} success`);
      } catch (error) {
        const message = `Create Claim ${name} for Pod ${pod} in StatefulSet ${set.metadata.name} failed error: ${messageOf(error)}`;
        events.event(set, "Warning", "FailedCreate", message);
        throw error;
      }
    }
  }

  /** Brings the owners of the pod's claims to what the retention policy asks for. */
  async own(set: StatefulSet, pod: Pod): Promise<void> {
    for (const { metadata } of claimsFor(set, ordinalOf(set, pod) ?? 0)) {
      const { namespace, name = "" } = metadata;
      const claim = this.claims.get(namespace, name);
      const ownerReferences = claim && !claim.metadata.deletionTimestamp ? claimOwners(set, pod, claim) : undefined;
      if (!claim || !ownerReferences) continue;
      const body = {
        metadata: { resourceVersion: claim.metadata.resourceVersion, ownerReferences: ownerReferences.length ? ownerReferences : null },
      };
      const patched = await this.context.client.patch(PersistentVolumeClaims, { namespace, name }, { type: "merge", body });
      this.written.wrote(keyOf(set), this.claims, patched);
    }
  }
}
