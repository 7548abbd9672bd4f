import { containerCells, validateLastingTemplate } from "../apps/pod-owner.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { formatLabels, matchesLabels } from "../meta/labels.ts";
import { age } from "../meta/time.ts";
import type { ReplicationController, ReplicationControllerSpec } from "../types/core.v1.ts";
import { defaultTemplate } from "./pod-defaults.ts";
import { templateWarnings } from "./pod-warnings.ts";

/** The rules of ReplicationControllers: selector and labels default to the template's labels. */
export const replicationControllerRules: KindRules<ReplicationController> = {
  default({ metadata, spec }) {
    spec.replicas ??= 1;
    const labels = spec.template?.metadata?.labels;
    if (labels && Object.keys(labels).length > 0) {
      if (!Object.keys(spec.selector ?? {}).length) spec.selector = { ...labels };
      if (!Object.keys(metadata.labels ?? {}).length) metadata.labels = { ...labels };
    }
    defaultTemplate(spec.template);
  },
  validate: ({ spec }) => [
    ...fault.nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...(Object.keys(spec.selector ?? {}).length ? [] : [fault.required("spec.selector")]),
    ...fault.nonNegative("spec.replicas", spec.replicas),
    ...validateTemplateOf(spec),
  ],
  warnings: ({ spec }, old) => templateWarnings("spec.template", spec.template, old?.spec.template),
  cells({ metadata, spec, status }, now) {
    return [
      metadata.name,
      spec.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...containerCells(spec.template?.spec),
      formatLabels(spec.selector),
    ];
  },
  fields: { "status.replicas": ({ status }) => String(status?.replicas ?? 0) },
};

function validateTemplateOf({ selector, template }: ReplicationControllerSpec): ReturnType<typeof validateLastingTemplate> {
  if (!template) return [fault.required("spec.template")];
  const labels = template.metadata?.labels;
  const selected = !Object.keys(selector ?? {}).length || matchesLabels(selector, labels);
  return [
    ...(selected ? [] : [fault.invalid("spec.template.metadata.labels", labels ?? null, "`selector` does not match template `labels`")]),
    ...validateLastingTemplate(template),
  ];
}
