import { containerCells } from "../apps/pod-owner.ts";
import type { KindRules } from "../kind.ts";
import { formatLabels } from "../meta/labels.ts";
import { age } from "../meta/time.ts";
import type { ComponentStatus, PodTemplate, ServiceAccount } from "../types/core.v1.ts";
import { defaultTemplate } from "./pod-defaults.ts";
import { validateTemplate } from "./pod-validation.ts";

/** The rules of ServiceAccounts. */
export const serviceAccountRules: KindRules<ServiceAccount> = {
  cells: ({ metadata }, now) => [metadata.name, age(metadata.creationTimestamp, now)],
};

/** The rules of PodTemplates. */
export const podTemplateRules: KindRules<PodTemplate> = {
  default: ({ template }) => defaultTemplate(template),
  validate: ({ template }) => validateTemplate("template", template),
  cells: ({ metadata, template }) => [metadata.name, ...containerCells(template?.spec), formatLabels(template?.metadata?.labels)],
};

/** The rules of ComponentStatuses, which nobody stores. */
export const componentStatusRules: KindRules<ComponentStatus> = {
  cells({ metadata, conditions = [] }) {
    const healthy = conditions.find((condition) => condition.type === "Healthy");
    const status = healthy ? (healthy.status === "True" ? "Healthy" : "Unhealthy") : "Unknown";
    return [metadata.name, status, healthy?.message ?? "", healthy?.error ?? ""];
  },
};
