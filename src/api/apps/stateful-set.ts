import { defaultClaimSpec, validateClaimSpec } from "../core/persistent-volume-claim.ts";
import { defaultTemplate } from "../core/pod-defaults.ts";
import { templateWarnings } from "../core/pod-warnings.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDnsLabel } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { StatefulSet, StatefulSetSpec } from "../types/apps.v1.ts";
import { containerCells, validateAtMostAll, validateIntOrPercent, validateSelectorAndTemplate } from "./pod-owner.ts";

const mutableText =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

/** The rules of StatefulSets. */
export const statefulSetRules: KindRules<StatefulSet> = {
  default({ spec }) {
    spec.replicas ??= 1;
    spec.podManagementPolicy ||= "OrderedReady";
    spec.revisionHistoryLimit ??= 10;
    spec.updateStrategy ??= {};
    if (!spec.updateStrategy.type) {
      spec.updateStrategy.type = "RollingUpdate";
      spec.updateStrategy.rollingUpdate ??= {};
    }
    if (spec.updateStrategy.type === "RollingUpdate" && spec.updateStrategy.rollingUpdate)
      spec.updateStrategy.rollingUpdate.partition ??= 0;
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= "Retain";
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= "Retain";
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion = "v1";
      claim.kind = "PersistentVolumeClaim";
      defaultClaimSpec(claim.spec);
      claim.status ??= {};
      claim.status.phase ||= "Pending";
    }
    defaultTemplate(spec.template);
  },
  validate: ({ spec }, old) => [
    ...(["OrderedReady", "Parallel"].includes(spec.podManagementPolicy ?? "")
      ? []
      : [fault.invalid("spec.podManagementPolicy", spec.podManagementPolicy ?? "", "must be 'OrderedReady' or 'Parallel'")]),
    ...validateStrategy(spec),
    ...validateRetention(spec),
    ...fault.nonNegative("spec.replicas", spec.replicas),
    ...fault.nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...fault.nonNegative("spec.ordinals.start", spec.ordinals?.start),
    // What cannot change any more is not looked at again.
    ...(old ? [] : validateFixed(spec)),
    ...validateSelectorAndTemplate({ ...spec, template: withClaimVolumes(spec) }, "statefulset", ""),
  ],
  validateUpdate({ spec }, old) {
    return semanticEqual(withoutMutable(spec), withoutMutable(old.spec)) ? [] : [fault.forbidden("spec", mutableText)];
  },
  warnings: ({ spec }, old) => [
    ...templateWarnings("spec.template", spec.template, old?.spec.template),
    ...((spec.revisionHistoryLimit ?? 0) < 0
      ? ["spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"]
      : []),
  ],
  cells({ metadata, spec, status }, now) {
    return [
      metadata.name,
      `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
      age(metadata.creationTimestamp, now),
      ...containerCells(spec.template?.spec),
    ];
  },
};

function validateFixed({ serviceName, volumeClaimTemplates = [] }: StatefulSetSpec): FieldError[] {
  return [
    ...volumeClaimTemplates.flatMap((claim, i) => validateClaimSpec(`spec.volumeClaimTemplates[${i}].spec`, claim.spec)),
    ...fault.checkedIfNonEmpty("spec.serviceName", serviceName, checkDnsLabel),
  ];
}

function validateStrategy({ updateStrategy }: StatefulSetSpec): FieldError[] {
  const field = "spec.updateStrategy";
  const rolling = updateStrategy?.rollingUpdate;
  if (updateStrategy?.type === "OnDelete")
    return rolling ? [fault.invalid(`${field}.rollingUpdate`, rolling, "only allowed for updateStrategy 'RollingUpdate'")] : [];
  if (updateStrategy?.type !== "RollingUpdate") return [fault.invalid(field, updateStrategy, "must be 'RollingUpdate' or 'OnDelete'")];
  return [
    ...fault.nonNegative(`${field}.rollingUpdate.partition`, rolling?.partition),
    ...validateIntOrPercent(`${field}.rollingUpdate.maxUnavailable`, rolling?.maxUnavailable),
    ...validateAtMostAll(`${field}.rollingUpdate.maxUnavailable`, rolling?.maxUnavailable),
  ];
}

function validateRetention({ persistentVolumeClaimRetentionPolicy: policy }: StatefulSetSpec): FieldError[] {
  const field = "spec.persistentVolumeClaimRetentionPolicy";
  return (["whenDeleted", "whenScaled"] as const).flatMap((key) => fault.oneOf(`${field}.${key}`, policy?.[key], ["Retain", "Delete"]));
}

/** The template with a volume for each claim template, which its containers may mount. */
function withClaimVolumes({ template, volumeClaimTemplates = [] }: StatefulSetSpec): StatefulSetSpec["template"] {
  if (!template?.spec || volumeClaimTemplates.length === 0) return template;
  const names = new Set(volumeClaimTemplates.map((claim) => claim.metadata?.name ?? ""));
  const volumes = (template.spec.volumes ?? []).filter((volume) => !names.has(volume.name));
  const claims = Array.from(names, (name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...template, spec: { ...template.spec, volumes: [...volumes, ...claims] } };
}

function withoutMutable(spec: StatefulSetSpec): object {
  const { replicas: _r, ordinals: _o, template: _t, updateStrategy: _u, persistentVolumeClaimRetentionPolicy: _p, ...rest } = spec;
  const { minReadySeconds: _m, revisionHistoryLimit: _h, ...fixed } = rest;
  return fixed;
}
