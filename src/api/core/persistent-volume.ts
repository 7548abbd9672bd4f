import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { difference } from "../meta/difference.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { type GoShape, goStruct } from "../meta/go-struct.ts";
import { checkDnsSubdomain } from "../meta/names.ts";
import { canonicalQuantity, compareQuantities } from "../meta/quantity.ts";
import { age } from "../meta/time.ts";
import type {
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PersistentVolume,
  PersistentVolumeSpec,
  SecretReference,
  VolumeNodeAffinity,
} from "../types/core.v1.ts";
import { shortAccessModes, storageClassOf, validateAccessModes } from "./persistent-volume-claim.ts";
import { validateNodeSelector } from "./scheduling-validation.ts";
import { validateHostPath, validateNfs } from "./volume-validation.ts";

const protection = "kubernetes.io/pv-protection";
const notSources = new Set(
  `capacity accessModes claimRef persistentVolumeReclaimPolicy storageClassName mountOptions volumeMode nodeAffinity
  volumeAttributesClassName`.split(/\s+/),
);

/** The rules of PersistentVolumes. */
export const persistentVolumeRules: KindRules<PersistentVolume> = {
  default({ spec }) {
    spec.persistentVolumeReclaimPolicy ||= "Retain";
    spec.volumeMode ??= "Filesystem";
    if (spec.hostPath) spec.hostPath.type ??= "";
  },
  prepareForCreate(volume) {
    volume.status = {
      phase: "Pending",
      ...(volume.metadata.creationTimestamp ? { lastPhaseTransitionTime: volume.metadata.creationTimestamp } : {}),
    };
    volume.metadata.finalizers ??= [];
    if (!volume.metadata.finalizers.includes(protection)) volume.metadata.finalizers.push(protection);
  },
  validate: ({ spec }) => [
    ...validateAccessModes("spec.accessModes", spec.accessModes, ""),
    ...validateCapacity(spec),
    ...validateSource(spec),
    ...fault.oneOf("spec.persistentVolumeReclaimPolicy", spec.persistentVolumeReclaimPolicy, ["Delete", "Recycle", "Retain"]),
    ...fault.checkedIfNonEmpty("spec.storageClassName", spec.storageClassName, checkDnsSubdomain),
    ...fault.oneOfIfSet("spec.volumeMode", spec.volumeMode, ["Block", "Filesystem"]),
    ...validateAffinity(spec),
  ],
  validateUpdate(volume, { spec: old }) {
    const { spec } = volume;
    // Upstream checks a changed volume twice.
    const errors = [...(persistentVolumeRules.validate?.(volume) ?? [])];
    if (!semanticEqual(sourceOf(spec), sourceOf(old))) {
      const changes = difference(goStruct(old, goSource), goStruct(spec, goSource));
      errors.push(fault.forbidden("spec.persistentvolumesource", `spec.persistentvolumesource is immutable after creation\n${changes}`));
    }
    if (spec.volumeMode !== old.volumeMode) errors.push(fault.invalid("volumeMode", spec.volumeMode, "field is immutable"));
    if (old.nodeAffinity && !semanticEqual(spec.nodeAffinity, withNewLabels(old.nodeAffinity, spec.nodeAffinity)))
      errors.push(
        fault.invalid(
          "nodeAffinity",
          spec.nodeAffinity ? goStruct(spec.nodeAffinity, goNodeAffinity) : null,
          "field is immutable, except for updating from beta label to GA",
        ),
      );
    return errors;
  },
  warnings: ({ spec }) =>
    spec.persistentVolumeReclaimPolicy === "Recycle"
      ? [
          "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.",
        ]
      : [],
  cells(volume, now) {
    const { metadata, spec, status } = volume;
    return [
      metadata.name,
      canonicalQuantity(spec.capacity?.["storage"] ?? "0"),
      shortAccessModes(spec.accessModes),
      spec.persistentVolumeReclaimPolicy ?? "",
      metadata.deletionTimestamp ? "Terminating" : (status?.phase ?? ""),
      spec.claimRef ? `${spec.claimRef.namespace ?? ""}/${spec.claimRef.name ?? ""}` : "",
      storageClassOf(volume),
      spec.volumeAttributesClassName || "<unset>",
      status?.reason ?? "",
      age(metadata.creationTimestamp, now),
      spec.volumeMode ?? "<unset>",
    ];
  },
};

function sourceOf(spec: PersistentVolumeSpec): object {
  return Object.fromEntries(Object.entries(spec).filter(([key]) => !notSources.has(key)));
}

const asItIs = (value: object): object => value;
const goSecret = (reference: SecretReference): object => goStruct(reference, { Name: "", Namespace: "" });
const goHostPath = { Path: "", Type: null };
const goNfs = { Server: "", Path: "", ReadOnly: false };
const goLocal = { Path: "", FSType: null };
const goCsi = {
  ...{ Driver: "", VolumeHandle: "", ReadOnly: false, FSType: "", VolumeAttributes: null, ControllerPublishSecretRef: goSecret },
  ...{ NodeStageSecretRef: goSecret, NodePublishSecretRef: goSecret, ControllerExpandSecretRef: goSecret, NodeExpandSecretRef: goSecret },
};

/** Upstream's struct of sources; those that nothing serves any more are shown as JSON has them. */
const goSource: GoShape = {
  ...{ GCEPersistentDisk: asItIs, AWSElasticBlockStore: asItIs, HostPath: (source: object) => goStruct(source, goHostPath) },
  ...{ Glusterfs: asItIs, NFS: (source: object) => goStruct(source, goNfs), RBD: asItIs, Quobyte: asItIs, ISCSI: asItIs },
  ...{ FlexVolume: asItIs, Cinder: asItIs, CephFS: asItIs, FC: asItIs, Flocker: asItIs, AzureFile: asItIs, VsphereVolume: asItIs },
  ...{ AzureDisk: asItIs, PhotonPersistentDisk: asItIs, PortworxVolume: asItIs, ScaleIO: asItIs },
  ...{ Local: (source: object) => goStruct(source, goLocal), StorageOS: asItIs, CSI: (source: object) => goStruct(source, goCsi) },
};

function validateCapacity({ capacity: given }: PersistentVolumeSpec): FieldError[] {
  const capacity = Object.fromEntries(Object.entries(given ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
  const errors: FieldError[] = [];
  if (Object.keys(capacity).length === 0)
    return [fault.required("spec.capacity"), fault.notSupported("spec.capacity", given ?? null, ["storage"])];
  if (capacity["storage"] === undefined || Object.keys(capacity).length > 1)
    errors.push(fault.notSupported("spec.capacity", capacity, ["storage"]));
  for (const [name, amount] of Object.entries(capacity))
    if (compareQuantities(amount, "0") <= 0) errors.push(fault.invalid(`spec.capacity[${name}]`, amount, "must be greater than zero"));
  return errors;
}

function validateSource(spec: PersistentVolumeSpec): FieldError[] {
  const [first, ...others] = Object.keys(sourceOf(spec));
  if (!first) return [fault.required("spec", "must specify a volume type")];
  const errors = others.map((key) => fault.forbidden(`spec.${key}`, "may not specify more than 1 volume type"));
  if (first === "hostPath" && spec.hostPath) errors.push(...validateHostPath("spec.hostPath", spec.hostPath));
  if (first === "nfs" && spec.nfs) errors.push(...validateNfs("spec.nfs", spec.nfs));
  if (first === "local" && !spec.local?.path) errors.push(fault.required("spec.local.path"));
  if (first === "local" && !spec.nodeAffinity) errors.push(fault.required("spec.nodeAffinity", "Local volume requires node affinity"));
  if (first === "csi")
    for (const key of ["driver", "volumeHandle"] as const) if (!spec.csi?.[key]) errors.push(fault.required(`spec.csi.${key}`));
  return errors;
}

const requirements = (list: NodeSelectorRequirement[]): object[] =>
  list.map((item) => goStruct(item, { Key: "", Operator: "", Values: null }));
const nodeSelector = {
  NodeSelectorTerms: (terms: NodeSelectorTerm[]) =>
    terms.length === 0 ? null : terms.map((term) => goStruct(term, { MatchExpressions: requirements, MatchFields: requirements })),
};
const goNodeAffinity = { Required: (required: NodeSelector) => goStruct(required, nodeSelector) };

const newLabels: Readonly<Record<string, string>> = {
  "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
  "beta.kubernetes.io/os": "kubernetes.io/os",
  "beta.kubernetes.io/arch": "kubernetes.io/arch",
  "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
};

/** The affinity as it was, with the labels that `next` has by their new names, and the keys that it leaves out: those are found elsewhere. */
function withNewLabels(affinity: VolumeNodeAffinity, next: VolumeNodeAffinity | undefined): VolumeNodeAffinity {
  const terms = affinity.required?.nodeSelectorTerms.map((term, i) => ({
    ...term,
    matchExpressions: term.matchExpressions?.map((requirement, j) => {
      const key = next?.required?.nodeSelectorTerms?.[i]?.matchExpressions?.[j]?.key ?? "";
      return key === (newLabels[requirement.key] ?? "") ? { ...requirement, key } : requirement;
    }),
  }));
  return { ...affinity, required: terms && { ...affinity.required, nodeSelectorTerms: terms } };
}

function validateAffinity({ nodeAffinity }: PersistentVolumeSpec): FieldError[] {
  if (!nodeAffinity) return [];
  if (!nodeAffinity.required) return [fault.required("spec.nodeAffinity.required", "must specify required node constraints")];
  return validateNodeSelector("spec.nodeAffinity.required", nodeAffinity.required);
}
