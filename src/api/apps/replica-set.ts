import { defaultTemplate } from "../core/pod-defaults.ts";
import { templateWarnings } from "../core/pod-warnings.ts";
import type { KindRules } from "../kind.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { formatLabelSelector } from "../meta/labels.ts";
import { age } from "../meta/time.ts";
import type { ReplicaSet } from "../types/apps.v1.ts";
import { containerCells, validateSelectorAndTemplate } from "./pod-owner.ts";

/** The rules of ReplicaSets. */
export const replicaSetRules: KindRules<ReplicaSet> = {
  default({ spec }) {
    spec.replicas ??= 1;
    defaultTemplate(spec.template);
  },
  validate: ({ spec }) => [
    ...fault.nonNegative("spec.replicas", spec.replicas),
    ...fault.nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...validateSelectorAndTemplate(spec, "deployment"),
  ],
  validateUpdate: ({ spec }, old) => fault.immutable("spec.selector", semanticEqual(spec.selector, old.spec.selector), spec.selector),
  warnings: ({ spec }, old) => templateWarnings("spec.template", spec.template, old?.spec.template),
  cells({ metadata, spec, status }, now) {
    return [
      metadata.name,
      spec.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...containerCells(spec.template?.spec),
      formatLabelSelector(spec.selector),
    ];
  },
  fields: { "status.replicas": ({ status }) => String(status?.replicas ?? 0) },
};
