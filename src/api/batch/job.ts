import { containerCells, validateSelected } from "../apps/pod-owner.ts";
import { defaultTemplate } from "../core/pod-defaults.ts";
import { validateTemplate } from "../core/pod-validation.ts";
import { templateWarnings } from "../core/pod-warnings.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { hasCondition } from "../meta/conditions.ts";
import { semanticEqual } from "../meta/equality.ts";
import { immutable, invalidValue, nonNegative, notSupported, oneOf, oneOfIfSet, requiredValue } from "../meta/field-errors.ts";
import { formatLabelSelector, validateLabelSelector } from "../meta/labels.ts";
import { checkDnsLabel } from "../meta/names.ts";
import { age, humanDuration, parseTime } from "../meta/time.ts";
import type { Job, JobSpec } from "../types/batch.v1.ts";
import { validatePodFailurePolicy, validateSuccessPolicy } from "./job-policies.ts";

/** Labels that tie pods to their Job; the short ones are from before v1.27. */
export const controllerUidLabel = "batch.kubernetes.io/controller-uid";
export const jobNameLabel = "batch.kubernetes.io/job-name";
const legacyControllerUidLabel = "controller-uid";
const legacyJobNameLabel = "job-name";

/** Fills in what the spec of a Job does not say. Templates of Jobs get only the pod's defaults. */
export const jobRules: KindRules<Job> = {
  default({ metadata, spec }) {
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
    spec.parallelism ??= 1;
    spec.backoffLimit ??= spec.backoffLimitPerIndex !== undefined ? 2 ** 31 - 1 : 6;
    spec.completionMode ||= "NonIndexed";
    spec.suspend ??= false;
    spec.manualSelector ??= false;
    spec.podReplacementPolicy ||= spec.podFailurePolicy ? "Failed" : "TerminatingOrFailed";
    for (const rule of spec.podFailurePolicy?.rules ?? []) for (const pattern of rule.onPodConditions ?? []) pattern.status ||= "True";
    const labels = spec.template?.metadata?.labels;
    // Shared and not copied, so that the generated labels reach the Job too, as they do upstream.
    if (labels && !Object.keys(metadata.labels ?? {}).length && Object.keys(labels).length) metadata.labels = labels;
    defaultTemplate(spec.template);
  },
  prepareForCreate(job) {
    if (!job.spec.manualSelector) generateSelector(job);
  },
  validate: (job) => [
    ...validatePodNames(job),
    ...validateGenerated(job),
    ...validateJobSpec("spec", job.spec),
    ...validateSelected(job.spec),
  ],
  validateUpdate(job, old) {
    const { spec } = job;
    const before = old.spec;
    return [
      ...validateCompletions(spec, before),
      ...immutable("spec.selector", semanticEqual(spec.selector, before.selector), spec.selector),
      ...immutable("spec.template", semanticEqual(comparableTemplate(job, old), before.template), spec.template),
      ...(["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] as const).flatMap((key) =>
        immutable(`spec.${key}`, semanticEqual(spec[key], before[key]), spec[key]),
      ),
    ];
  },
  warnings: ({ spec }, old) => templateWarnings("spec.template", spec.template, old?.spec.template),
  cells({ metadata, spec, status = {} }, now) {
    const started = parseTime(status.startTime);
    const ended = parseTime(status.completionTime) ?? now;
    return [
      metadata.name,
      statusOf({ metadata, status }),
      completions(spec, status.succeeded ?? 0),
      started === undefined ? "" : humanDuration(ended - started),
      age(metadata.creationTimestamp, now),
      ...containerCells(spec.template?.spec),
      formatLabelSelector(spec.selector),
    ];
  },
  fields: { "status.successful": ({ status }) => String(status?.succeeded ?? 0) },
};

/** The pods of an indexed Job get host names: its name and their index. */
function validatePodNames({ metadata, spec }: Job): FieldError[] {
  if (spec.completionMode !== "Indexed" || !spec.completions || spec.completions < 1 || !metadata.name) return [];
  const last = `${metadata.name}-${spec.completions - 1}`;
  const sound = checkDnsLabel(last).length === 0 && !last.includes(".");
  return sound ? [] : [invalidValue("metadata.name", metadata.name, `will not able to create pod with invalid DNS label: ${last}`)];
}

function generateSelector({ metadata, spec }: Job): void {
  const { uid = "", name = "" } = metadata;
  spec.template.metadata ??= {};
  const labels = (spec.template.metadata.labels ??= {});
  labels[legacyJobNameLabel] = name;
  labels[jobNameLabel] = name;
  labels[legacyControllerUidLabel] = uid;
  labels[controllerUidLabel] = uid;
  spec.selector ??= {};
  spec.selector.matchLabels = { ...spec.selector.matchLabels, [controllerUidLabel]: uid };
}

function validateGenerated({ metadata, spec }: Job): FieldError[] {
  if (spec.manualSelector || !spec.selector) return spec.selector ? [] : [requiredValue("spec.selector")];
  const wanted = { matchLabels: { [controllerUidLabel]: metadata.uid ?? "" } };
  const legacy = { matchLabels: { [legacyControllerUidLabel]: metadata.uid ?? "" } };
  if (semanticEqual(spec.selector, wanted) || semanticEqual(spec.selector, legacy)) return [];
  return [invalidValue("spec.selector", spec.selector, "`selector` not auto-generated")];
}

/** What is wrong with the spec of a Job or, the selector left out, of a CronJob's template. */
export function validateJobSpec(field: string, spec: JobSpec): FieldError[] {
  return [
    ...nonNegative(`${field}.parallelism`, spec.parallelism),
    ...nonNegative(`${field}.completions`, spec.completions),
    ...nonNegative(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds),
    ...nonNegative(`${field}.backoffLimit`, spec.backoffLimit),
    ...nonNegative(`${field}.ttlSecondsAfterFinished`, spec.ttlSecondsAfterFinished),
    ...nonNegative(`${field}.backoffLimitPerIndex`, spec.backoffLimitPerIndex),
    ...nonNegative(`${field}.maxFailedIndexes`, spec.maxFailedIndexes),
    ...(spec.managedBy !== undefined && !spec.managedBy.includes("/")
      ? [invalidValue(`${field}.managedBy`, spec.managedBy, 'must be a domain-prefixed path (such as "acme.io/foo")')]
      : []),
    ...validateIndexed(field, spec),
    ...validatePodFailurePolicy(`${field}.podFailurePolicy`, spec),
    ...validateSuccessPolicy(`${field}.successPolicy`, spec),
    ...oneOfIfSet(
      `${field}.podReplacementPolicy`,
      spec.podReplacementPolicy,
      spec.podFailurePolicy ? ["Failed"] : ["Failed", "TerminatingOrFailed"],
    ),
    ...validateLabelSelector(`${field}.selector`, spec.selector),
    ...validateTemplate(`${field}.template`, spec.template),
    ...validateRestart(`${field}.template.spec.restartPolicy`, spec),
  ];
}

const largest = 100_000;

function validateIndexed(field: string, spec: JobSpec): FieldError[] {
  const { completionMode, completions, backoffLimitPerIndex, maxFailedIndexes } = spec;
  const errors: FieldError[] = [];
  if (completionMode && completionMode !== "NonIndexed" && completionMode !== "Indexed")
    errors.push(...oneOf(`${field}.completionMode`, completionMode, ["NonIndexed", "Indexed"]));
  if (completionMode === "Indexed") {
    if (completions === undefined) errors.push(requiredValue(`${field}.completions`, "when completion mode is Indexed"));
    if ((spec.parallelism ?? 0) > largest)
      errors.push(
        invalidValue(`${field}.parallelism`, spec.parallelism, `must be less than or equal to ${largest} when completion mode is Indexed`),
      );
  } else {
    for (const key of ["backoffLimitPerIndex", "maxFailedIndexes"] as const)
      if (spec[key] !== undefined) errors.push(invalidValue(`${field}.${key}`, spec[key], "requires indexed completion mode"));
    return errors;
  }
  if (maxFailedIndexes !== undefined) {
    if (backoffLimitPerIndex === undefined)
      errors.push(requiredValue(`${field}.backoffLimitPerIndex`, "when maxFailedIndexes is specified"));
    if (completions !== undefined && maxFailedIndexes > completions)
      errors.push(invalidValue(`${field}.maxFailedIndexes`, maxFailedIndexes, "must be less than or equal to completions"));
  }
  return errors;
}

function validateRestart(field: string, { template, podFailurePolicy }: JobSpec): FieldError[] {
  const policy = template?.spec?.restartPolicy;
  if (policy === "Always") return [requiredValue(field, 'valid values: "OnFailure", "Never"')];
  if (policy && policy !== "OnFailure" && policy !== "Never") return [notSupported(field, policy, ["OnFailure", "Never"])];
  if (podFailurePolicy && policy === "OnFailure")
    return [invalidValue(field, policy, 'only "Never" is supported when podFailurePolicy is specified')];
  return [];
}

/** An indexed Job may change its completions together with its parallelism. */
function validateCompletions(spec: JobSpec, old: JobSpec): FieldError[] {
  if (spec.completions === old.completions) return [];
  if (spec.completionMode !== "Indexed" || spec.completions === undefined) return immutable("spec.completions", false, spec.completions);
  if (spec.completions === spec.parallelism) return [];
  return [invalidValue("spec.completions", spec.completions, "can only be modified in tandem with spec.parallelism")];
}

/** The new template, where a suspended Job that has not started may change how its pods are scheduled. */
function comparableTemplate(job: Job, old: Job): JobSpec["template"] {
  const { template } = job.spec;
  if (!old.spec.suspend || old.status?.startTime || !template.spec || !old.spec.template.spec) return template;
  const before = old.spec.template;
  const { nodeSelector, tolerations, schedulingGates, affinity } = before.spec ?? { containers: [] };
  const containers = template.spec.containers.map((container, i) => ({ ...container, resources: before.spec?.containers[i]?.resources }));
  return {
    metadata: { ...template.metadata, labels: before.metadata?.labels, annotations: before.metadata?.annotations },
    spec: { ...template.spec, containers, nodeSelector, tolerations, schedulingGates, affinity },
  };
}

function statusOf({ metadata, status }: Pick<Job, "metadata" | "status">): string {
  const first = ["Complete", "Failed"].find((type) => hasCondition(status.conditions, type));
  if (first) return first;
  if (metadata.deletionTimestamp) return "Terminating";
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find((type) => hasCondition(status.conditions, type)) ?? "Running";
}

function completions(spec: JobSpec, succeeded: number): string {
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  return (spec.parallelism ?? 0) > 1 ? `${succeeded}/1 of ${spec.parallelism}` : `${succeeded}/1`;
}
