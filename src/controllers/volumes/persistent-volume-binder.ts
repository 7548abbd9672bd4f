import { deepEqual } from "../../api/meta/equality.ts";
import { findVolume, isReservedFor, storageClassOf } from "../../api/core/volume-matching.ts";
import { key as keyFor, keyOf } from "../../api/meta/object.ts";
import { now } from "../../api/meta/time.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../../api/types/core.v1.ts";
import type { StorageClass } from "../../api/types/storage.v1.ts";
import { PersistentVolumeClaims, PersistentVolumes, StorageClasses } from "../../api/types/resources.ts";
import { type Controller, type ControllerContext, type ControllerFactory, watch } from "../../client/controller.ts";
import { Written } from "../../client/written.ts";
import { ignoreMissing } from "../ownership.ts";
import {
  boundByController,
  boundClaim,
  boundClaimStatus,
  boundVolume,
  isBindCompleted,
  isBoundTo,
  selectedNode,
  volumeVerdict,
} from "./binding.ts";

const provisionerAnnotations = ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];
const noProvisioner = "kubernetes.io/no-provisioner";

/**
 * Brings claims and volumes together. Its keys are both volumes ("name") and claims ("namespace/name"). One worker: two claims must not
 * choose the same volume.
 */
export const createPersistentVolumeBinder: ControllerFactory = (context) => new Binder(context);

class Binder implements Controller {
  readonly name = "persistentvolume-binder";
  readonly workers = 1;
  readonly watches;
  private readonly context: ControllerContext;
  private readonly claims;
  private readonly volumes;
  private readonly classes;
  private readonly written: Written;

  constructor(context: ControllerContext) {
    this.context = context;
    this.claims = context.caches.of(PersistentVolumeClaims);
    this.volumes = context.caches.of(PersistentVolumes);
    this.classes = context.caches.of(StorageClasses);
    this.written = new Written(context.clock);
    this.watches = [
      watch(this.claims, (claim) => [keyOf(claim), ...(claim.spec.volumeName ? [claim.spec.volumeName] : [])]),
      watch(this.volumes, (volume) => [volume.metadata.name, ...this.claimsFor(volume)]),
      watch(this.classes, () => []),
    ];
  }

  /** The claims that a change of the volume concerns: its own, or, when it is free, those that wait for one like it. */
  private claimsFor(volume: PersistentVolume): string[] {
    const ref = volume.spec.claimRef;
    if (ref) return [keyFor(ref.namespace, ref.name ?? "")];
    const storageClass = storageClassOf(volume);
    return this.claims
      .list()
      .filter((claim) => !isBindCompleted(claim) && storageClassOf(claim) === storageClass)
      .map(keyOf);
  }

  async reconcile(key: string): Promise<number | void> {
    // All keys share one memory of writes: a volume just promised to a claim is not to be promised to another one.
    const wait = this.written.behind("");
    if (wait) return Math.min(wait, 50);
    const claim = this.claims.byKey(key);
    if (claim) return this.syncClaim(claim);
    const volume = key.includes("/") ? undefined : this.volumes.byKey(key);
    if (volume) await this.syncVolume(volume);
  }

  private async syncClaim(claim: PersistentVolumeClaim): Promise<void> {
    if (isBindCompleted(claim)) return this.checkBound(claim);
    if (claim.metadata.deletionTimestamp) return;
    const { volumeName } = claim.spec;
    if (!volumeName) return this.findAndBind(claim);
    const volume = this.volumes.byKey(volumeName);
    if (volume && (!volume.spec.claimRef || isReservedFor(volume, claim))) return this.bind(claim, volume);
    if (volume) this.tell(claim, "Warning", "FailedBinding", `volume "${volumeName}" already bound to a different claim.`);
    await this.setClaimStatus(claim, { ...claim.status, phase: "Pending" });
  }

  /** A bound claim whose volume is gone, or belongs to another one, is lost. */
  private async checkBound(claim: PersistentVolumeClaim): Promise<void> {
    const volume = this.volumes.byKey(claim.spec.volumeName ?? "");
    if (volume && isBoundTo(volume, claim)) return this.bind(claim, volume);
    if (volume && !volume.spec.claimRef) return this.bind(claim, volume);
    if (claim.status?.phase === "Lost") return;
    if (volume) this.tell(claim, "Warning", "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly");
    else this.tell(claim, "Warning", "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    await this.setClaimStatus(claim, { ...claim.status, phase: "Lost" });
  }

  private async findAndBind(claim: PersistentVolumeClaim): Promise<void> {
    const storageClass = this.classes.byKey(storageClassOf(claim));
    const waits = storageClass?.volumeBindingMode === "WaitForFirstConsumer" && !claim.metadata.annotations?.[selectedNode];
    // While the claim waits for its first pod, only a volume that is reserved for it will do.
    const candidates = waits ? this.volumes.list().filter((v) => isReservedFor(v, claim)) : this.volumes.list();
    const volume = findVolume(claim, candidates);
    if (volume) return this.bind(claim, volume);
    if (waits) this.tell(claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
    else if (storageClass && storageClass.provisioner !== noProvisioner) await this.askProvisioner(claim, storageClass);
    else this.tellUnbound(claim, storageClass);
    await this.setClaimStatus(claim, { ...claim.status, phase: "Pending" });
  }

  private tellUnbound(claim: PersistentVolumeClaim, storageClass: StorageClass | undefined): void {
    const name = storageClassOf(claim);
    if (name && !storageClass) this.tell(claim, "Warning", "ProvisioningFailed", `storageclass.storage.k8s.io "${name}" not found`);
    else this.tell(claim, "Normal", "FailedBinding", "no persistent volumes available for this claim and no storage class is set");
  }

  /** Provisioners look for the annotation with their name. */
  private async askProvisioner(claim: PersistentVolumeClaim, { provisioner }: StorageClass): Promise<void> {
    this.tell(
      claim,
      "Normal",
      "ExternalProvisioning",
      `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
    );
    if (provisionerAnnotations.every((name) => claim.metadata.annotations?.[name] === provisioner)) return;
    const annotations = Object.fromEntries(provisionerAnnotations.map((name) => [name, provisioner]));
    const patch = { type: "merge", body: { metadata: { annotations } } } as const;
    this.written.wrote("", this.claims, await this.context.client.patch(PersistentVolumeClaims, claim.metadata, patch));
  }

  /** Volume, its status, claim, its status: each step can be taken up again where another process or a crash has left it. */
  private async bind(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
    const { client } = this.context;
    const wantedVolume = boundVolume(volume, claim);
    const promised = wantedVolume === volume ? volume : await client.update(PersistentVolumes, wantedVolume);
    if (promised !== volume) this.written.wrote("", this.volumes, promised);
    await this.setVolumePhase(promised, "Bound");
    const wantedClaim = boundClaim(claim, promised);
    const bound = wantedClaim === claim ? claim : await client.update(PersistentVolumeClaims, wantedClaim);
    if (bound !== claim) this.written.wrote("", this.claims, bound);
    await this.setClaimStatus(bound, boundClaimStatus(bound, promised));
  }

  private async syncVolume(volume: PersistentVolume): Promise<void> {
    const ref = volume.spec.claimRef;
    const claimKey = ref && { namespace: ref.namespace ?? "", name: ref.name ?? "" };
    let claim = claimKey && this.claims.get(claimKey.namespace, claimKey.name);
    // Before a volume is given up, and perhaps deleted, the claim is looked for live.
    if (claimKey && ref.uid && claim?.metadata.uid !== ref.uid)
      claim = await this.context.client.get(PersistentVolumeClaims, claimKey).catch(ignoreMissing);
    const decision = volumeVerdict(volume, claim);
    if (decision.phase !== undefined) await this.setVolumePhase(volume, decision.phase);
    else if ("unbind" in decision) await this.unbind(volume);
    else if (claim && (isReservedFor(volume, claim) || isBoundTo(volume, claim))) await this.syncClaim(claim);
  }

  private async unbind(volume: PersistentVolume): Promise<void> {
    const { resourceVersion, name } = volume.metadata;
    const body = { metadata: { resourceVersion, annotations: { [boundByController]: null } }, spec: { claimRef: null } };
    this.written.wrote("", this.volumes, await this.context.client.patch(PersistentVolumes, { name }, { type: "merge", body }));
  }

  private async setVolumePhase(volume: PersistentVolume, phase: "Available" | "Bound" | "Released"): Promise<void> {
    if (volume.status?.phase === phase || (phase === "Released" && volume.status?.phase === "Failed")) return;
    const status = { phase, lastPhaseTransitionTime: now(this.context.clock), message: null, reason: null };
    const patch = { type: "merge", body: { metadata: { uid: volume.metadata.uid }, status } } as const;
    const written = await this.context.client
      .patch(PersistentVolumes, { name: volume.metadata.name }, patch, { subresource: "status" })
      .catch(ignoreMissing);
    if (written) this.written.wrote("", this.volumes, written);
  }

  private async setClaimStatus(claim: PersistentVolumeClaim, status: PersistentVolumeClaim["status"]): Promise<void> {
    if (deepEqual(claim.status ?? {}, status)) return;
    const patch = { type: "merge", body: { metadata: { uid: claim.metadata.uid }, status } } as const;
    const written = await this.context.client
      .patch(PersistentVolumeClaims, claim.metadata, patch, { subresource: "status" })
      .catch(ignoreMissing);
    if (written) this.written.wrote("", this.claims, written);
  }

  private tell(claim: PersistentVolumeClaim, type: "Normal" | "Warning", reason: string, message: string): void {
    this.context.events.event(claim, type, reason, message);
  }
}
