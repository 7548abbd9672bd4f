import { defaultTemplate } from "../core/pod-defaults.ts";
import { templateWarnings } from "../core/pod-warnings.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { formatLabelSelector, formatLabels } from "../meta/labels.ts";
import { age } from "../meta/time.ts";
import type { DaemonSet, DaemonSetSpec } from "../types/apps.v1.ts";
import {
  containerCells,
  scaledValue,
  validateAtMostAll,
  validateIntOrPercent,
  validateLastingTemplate,
  validateSelected,
  validateSelector,
} from "./pod-owner.ts";

/** Where DaemonSets keep the number of their template's changes. */
export const templateGenerationAnnotation = "deprecated.daemonset.template.generation";

/** The rules of DaemonSets. */
export const daemonSetRules: KindRules<DaemonSet> = {
  default({ metadata, spec }) {
    metadata.annotations = { [templateGenerationAnnotation]: "0", ...metadata.annotations };
    spec.revisionHistoryLimit ??= 10;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate") {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    defaultTemplate(spec.template);
  },
  prepareForCreate({ metadata }) {
    metadata.annotations = { ...metadata.annotations, [templateGenerationAnnotation]: "1" };
  },
  prepareForUpdate({ metadata, spec }, old) {
    const before = Number(old.metadata.annotations?.[templateGenerationAnnotation] ?? "1");
    const changed = !semanticEqual(spec.template, old.spec.template);
    metadata.annotations = { ...metadata.annotations, [templateGenerationAnnotation]: String(changed ? before + 1 : before) };
  },
  validate: ({ spec }) => [
    // Upstream asks for a selector by that of the template only.
    ...(spec.selector ? validateSelector(spec.selector, "daemonset") : []),
    ...validateSelected(spec),
    ...validateLastingTemplate(spec.template),
    ...fault.nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...validateStrategy(spec),
    ...fault.nonNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit),
  ],
  validateUpdate: ({ spec }, old) => fault.immutable("spec.selector", semanticEqual(spec.selector, old.spec.selector), spec.selector),
  warnings: ({ spec }, old) => templateWarnings("spec.template", spec.template, old?.spec.template),
  cells({ metadata, spec, status }, now) {
    return [
      metadata.name,
      status?.desiredNumberScheduled ?? 0,
      status?.currentNumberScheduled ?? 0,
      status?.numberReady ?? 0,
      status?.updatedNumberScheduled ?? 0,
      status?.numberAvailable ?? 0,
      formatLabels(spec.template?.spec?.nodeSelector),
      age(metadata.creationTimestamp, now),
      ...containerCells(spec.template?.spec),
      formatLabelSelector(spec.selector),
    ];
  },
};

function validateStrategy({ updateStrategy }: DaemonSetSpec): FieldError[] {
  const field = "spec.updateStrategy";
  if (updateStrategy?.type === "OnDelete") return [];
  if (updateStrategy?.type !== "RollingUpdate") return [fault.notSupported(field, updateStrategy, ["RollingUpdate", "OnDelete"])];
  const rolling = updateStrategy.rollingUpdate;
  const path = `${field}.rollingUpdate`;
  if (!rolling) return [fault.required(path)];
  const { maxUnavailable, maxSurge } = rolling;
  const errors = [
    ...validateIntOrPercent(`${path}.maxUnavailable`, maxUnavailable),
    ...validateAtMostAll(`${path}.maxUnavailable`, maxUnavailable),
    ...validateIntOrPercent(`${path}.maxSurge`, maxSurge),
    ...validateAtMostAll(`${path}.maxSurge`, maxSurge),
  ];
  const unavailable = scaledValue(maxUnavailable, 100, true);
  const surge = scaledValue(maxSurge, 100, true);
  if (unavailable !== 0 && surge !== 0)
    errors.push(fault.invalid(`${path}.maxSurge`, maxSurge, "may not be set when maxUnavailable is non-zero"));
  if (unavailable === 0 && surge === 0) errors.push(fault.required(`${path}.maxUnavailable`, "cannot be 0 when maxSurge is 0"));
  return errors;
}
