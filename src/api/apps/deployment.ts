import { defaultTemplate } from "../core/pod-defaults.ts";
import { templateWarnings } from "../core/pod-warnings.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { formatLabelSelector } from "../meta/labels.ts";
import { age } from "../meta/time.ts";
import type { Deployment, DeploymentSpec } from "../types/apps.v1.ts";
import { containerCells, scaledValue, validateAtMostAll, validateIntOrPercent, validateSelectorAndTemplate } from "./pod-owner.ts";

/** The rules of Deployments. */
export const deploymentRules: KindRules<Deployment> = {
  default({ spec }) {
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    spec.strategy ??= {};
    spec.strategy.type ||= "RollingUpdate";
    if (spec.strategy.type === "RollingUpdate") {
      spec.strategy.rollingUpdate ??= {};
      spec.strategy.rollingUpdate.maxUnavailable ??= "25%";
      spec.strategy.rollingUpdate.maxSurge ??= "25%";
    }
    defaultTemplate(spec.template);
  },
  validate: ({ spec }) => [
    ...fault.nonNegative("spec.replicas", spec.replicas),
    ...validateSelectorAndTemplate(spec, "deployment"),
    ...validateStrategy(spec),
    ...fault.nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...fault.nonNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit),
    ...validateDeadline(spec),
  ],
  validateUpdate: ({ spec }, old) => fault.immutable("spec.selector", semanticEqual(spec.selector, old.spec.selector), spec.selector),
  warnings: ({ spec }, old) => templateWarnings("spec.template", spec.template, old?.spec.template),
  cells({ metadata, spec, status }, now) {
    return [
      metadata.name,
      `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
      status?.updatedReplicas ?? 0,
      status?.availableReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...containerCells(spec.template?.spec),
      formatLabelSelector(spec.selector),
    ];
  },
};

function validateStrategy({ strategy }: DeploymentSpec): FieldError[] {
  const field = "spec.strategy";
  if (strategy?.type === "Recreate")
    return strategy.rollingUpdate
      ? [fault.forbidden(`${field}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")]
      : [];
  if (strategy?.type !== "RollingUpdate") return [fault.notSupported(field, strategy, ["Recreate", "RollingUpdate"])];
  const { maxSurge, maxUnavailable } = strategy.rollingUpdate ?? {};
  const path = `${field}.rollingUpdate`;
  const errors = [...validateIntOrPercent(`${path}.maxUnavailable`, maxUnavailable), ...validateIntOrPercent(`${path}.maxSurge`, maxSurge)];
  if (scaledValue(maxUnavailable, 100, true) === 0 && scaledValue(maxSurge, 100, true) === 0)
    errors.push(fault.invalid(`${path}.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0"));
  return [...errors, ...validateAtMostAll(`${path}.maxUnavailable`, maxUnavailable)];
}

function validateDeadline({ progressDeadlineSeconds: deadline, minReadySeconds = 0 }: DeploymentSpec): FieldError[] {
  const field = "spec.progressDeadlineSeconds";
  if (deadline === undefined) return [];
  const tooSoon = deadline <= minReadySeconds ? [fault.invalid(field, deadline, "must be greater than minReadySeconds")] : [];
  return [...fault.nonNegative(field, deadline), ...tooSoon];
}
