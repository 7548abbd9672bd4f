import { containerCells, validateSelected } from "../apps/pod-owner.ts";
import { defaultTemplate } from "../core/pod-defaults.ts";
import { validateTemplate } from "../core/pod-validation.ts";
import { templateWarnings } from "../core/pod-warnings.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { hasCondition } from "../meta/conditions.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { formatLabelSelector, matchesLabelSelector, validateLabelSelector } from "../meta/labels.ts";
import { checkDnsLabel } from "../meta/names.ts";
import { validateDomainPath } from "../meta/object-names.ts";
import { age, humanDuration, parseTime } from "../meta/time.ts";
import type { Job, JobSpec } from "../types/batch.v1.ts";
import type { Container, PodSpec } from "../types/core.v1.ts";
import type { LabelSelector } from "../types/meta.v1.ts";
import { validatePodFailurePolicy, validateSuccessPolicy } from "./job-policies.ts";

/** Labels that tie pods to their Job; the short ones are from before v1.27. */
export const controllerUidLabel = "batch.kubernetes.io/controller-uid";
const jobNameLabel = "batch.kubernetes.io/job-name";
const legacyControllerUidLabel = "controller-uid";
const legacyJobNameLabel = "job-name";

/** Fills in what the spec of a Job does not say. Templates of Jobs get only the pod's defaults. */
export const jobRules: KindRules<Job> = {
  default({ metadata, spec }) {
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
    spec.parallelism ??= 1;
    spec.backoffLimit ??= spec.backoffLimitPerIndex !== undefined ? 2 ** 31 - 1 : 6;
    spec.completionMode ??= "NonIndexed";
    spec.suspend ??= false;
    spec.manualSelector ??= false;
    spec.podReplacementPolicy ??= spec.podFailurePolicy ? "Failed" : "TerminatingOrFailed";
    for (const rule of spec.podFailurePolicy?.rules ?? []) for (const pattern of rule.onPodConditions ?? []) pattern.status ||= "True";
    defaultLabels(metadata, spec);
    defaultTemplate(spec.template);
  },
  prepareForCreate(job) {
    if (!job.spec.manualSelector) generateSelector(job);
    defaultLabels(job.metadata, job.spec);
  },
  validate: (job, old) => [...validatePodNames(job), ...validateGenerated(job, old), ...validateSpec(job.spec)],
  validateUpdate(job, old) {
    const { spec } = job;
    const before = old.spec;
    return [
      // Upstream looks at the whole spec again, and says everything twice.
      ...validateSpec(spec),
      ...validateCompletions(spec, before),
      ...fault.immutable("spec.selector", semanticEqual(spec.selector, before.selector), spec.selector),
      ...validateTemplateUpdate(job, old),
      ...(["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] as const).flatMap((key) =>
        fault.immutable(`spec.${key}`, semanticEqual(spec[key], before[key]), spec[key]),
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

/** A Job without labels has those of its pods: shared and not copied, so that the generated ones reach it, too. */
function defaultLabels(metadata: Job["metadata"], { template }: JobSpec): void {
  const labels = template?.metadata?.labels;
  if (labels && !Object.keys(metadata.labels ?? {}).length && Object.keys(labels).length) metadata.labels = labels;
}

/** The pods of an indexed Job get host names: its name and their index. */
function validatePodNames({ metadata, spec }: Job): FieldError[] {
  if (spec.completionMode !== "Indexed" || !spec.completions || spec.completions < 1) return [];
  const last = `${metadata.name ?? ""}-${spec.completions - 1}`;
  const sound = checkDnsLabel(last).length === 0 && !last.includes(".");
  return sound ? [] : [fault.invalid("metadata.name", metadata.name ?? "", `will not able to create pod with invalid DNS label: ${last}`)];
}

/** The labels that a Job's pods carry, unless its selector is made by hand. */
function generatedLabels({ metadata: { uid = "", name = "" } }: Job): Record<string, string> {
  return { [legacyControllerUidLabel]: uid, [legacyJobNameLabel]: name, [controllerUidLabel]: uid, [jobNameLabel]: name };
}

/** What the client has set itself stays, and is refused afterwards. */
function generateSelector(job: Job): void {
  const { spec } = job;
  spec.template.metadata ??= {};
  const labels = (spec.template.metadata.labels ??= {});
  for (const [key, value] of Object.entries(generatedLabels(job))) labels[key] ??= value;
  spec.selector ??= {};
  spec.selector.matchLabels ??= {};
  spec.selector.matchLabels[controllerUidLabel] ??= job.metadata.uid ?? "";
}

function validateGenerated(job: Job, old: Job | undefined): FieldError[] {
  const { manualSelector, selector, template } = job.spec;
  if (manualSelector || !selector) return [];
  const labels = template.metadata?.labels ?? {};
  const before = old?.spec.template.metadata?.labels;
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(generatedLabels(job))) {
    const field = `spec.template.metadata.labels[${key}]`;
    // A Job from before v1.27 has only the short labels.
    if (labels[key] === value || (before && key.includes("/") && before[key] === undefined)) continue;
    errors.push(
      labels[key] === undefined ? fault.required(field, `must be '${value}'`) : fault.invalid(field, labels, `must be '${value}'`),
    );
  }
  if (isSound(selector) && !matchesLabelSelector(selector, generatedLabels(job)))
    errors.push(fault.invalid("spec.selector", selector, "`selector` not auto-generated"));
  return errors;
}

function isSound(selector: LabelSelector): boolean {
  return validateLabelSelector("", selector).length === 0;
}

function validateSpec(spec: JobSpec): FieldError[] {
  return [...validateJobSpec("spec", spec), ...(spec.selector ? [] : [fault.required("spec.selector")]), ...validateSelected(spec)];
}

/** What is wrong with the spec of a Job or, the selector left out, of a CronJob's template. */
export function validateJobSpec(field: string, spec: JobSpec): FieldError[] {
  return [
    ...fault.nonNegative(`${field}.parallelism`, spec.parallelism),
    ...fault.nonNegative(`${field}.completions`, spec.completions),
    ...fault.nonNegative(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds),
    ...fault.nonNegative(`${field}.backoffLimit`, spec.backoffLimit),
    ...fault.nonNegative(`${field}.ttlSecondsAfterFinished`, spec.ttlSecondsAfterFinished),
    ...fault.nonNegative(`${field}.backoffLimitPerIndex`, spec.backoffLimitPerIndex),
    ...fault.nonNegative(`${field}.maxFailedIndexes`, spec.maxFailedIndexes),
    ...validateManagedBy(`${field}.managedBy`, spec.managedBy),
    ...validateIndexed(field, spec),
    ...validatePodFailurePolicy(`${field}.podFailurePolicy`, spec),
    ...validateSuccessPolicy(`${field}.successPolicy`, spec),
    ...fault.oneOfIfSet(
      `${field}.podReplacementPolicy`,
      spec.podReplacementPolicy,
      spec.podFailurePolicy ? ["Failed"] : ["Failed", "TerminatingOrFailed"],
    ),
    ...validateLabelSelector(`${field}.selector`, spec.selector),
    ...validateTemplate(`${field}.template`, spec.template),
    ...validateRestart(`${field}.template.spec.restartPolicy`, spec),
  ];
}

function validateManagedBy(field: string, name: string | undefined): FieldError[] {
  if (name === undefined) return [];
  return [...validateDomainPath(field, name), ...(name.length > 63 ? [fault.tooLong(field, 63)] : [])];
}

const manyCompletions = 100_000;
const fewForMany = 10_000;

function validateIndexed(field: string, spec: JobSpec): FieldError[] {
  const { completionMode, completions, backoffLimitPerIndex, maxFailedIndexes } = spec;
  const errors = fault.oneOfIfSet(`${field}.completionMode`, completionMode, ["NonIndexed", "Indexed"]);
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined)
    errors.push(fault.required(`${field}.backoffLimitPerIndex`, "when maxFailedIndexes is specified"));
  if (completionMode !== "Indexed") {
    if (completionMode === "NonIndexed")
      for (const key of ["backoffLimitPerIndex", "maxFailedIndexes"] as const)
        if (spec[key] !== undefined) errors.push(fault.invalid(`${field}.${key}`, spec[key], "requires indexed completion mode"));
    return errors;
  }
  const atMost = (key: "parallelism" | "maxFailedIndexes", most: number, when = ""): void => {
    if ((spec[key] ?? 0) > most) errors.push(fault.invalid(`${field}.${key}`, spec[key], `must be less than or equal to ${most}${when}`));
  };
  if (completions === undefined) errors.push(fault.required(`${field}.completions`, "when completion mode is Indexed"));
  atMost("parallelism", manyCompletions, " when completion mode is Indexed");
  if (completions !== undefined && maxFailedIndexes !== undefined && maxFailedIndexes > completions)
    errors.push(fault.invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, "must be less than or equal to completions"));
  atMost("maxFailedIndexes", manyCompletions);
  if ((completions ?? 0) > manyCompletions && backoffLimitPerIndex !== undefined) {
    if (maxFailedIndexes === undefined)
      errors.push(fault.required(`${field}.maxFailedIndexes`, `must be specified when completions is above ${manyCompletions}`));
    const when = ` when completions are above ${manyCompletions} and used with backoff limit per index`;
    atMost("parallelism", fewForMany, when);
    atMost("maxFailedIndexes", fewForMany, when);
  }
  return errors;
}

function validateRestart(field: string, { template, podFailurePolicy }: JobSpec): FieldError[] {
  const policy = template?.spec?.restartPolicy;
  if (policy === "Always") return [fault.required(field, 'valid values: "OnFailure", "Never"')];
  if (policy && policy !== "OnFailure" && policy !== "Never") return [fault.notSupported(field, policy, ["OnFailure", "Never"])];
  if (podFailurePolicy && policy === "OnFailure")
    return [fault.invalid(field, policy, 'only "Never" is supported when podFailurePolicy is specified')];
  return [];
}

/** An indexed Job may change its completions together with its parallelism. */
function validateCompletions(spec: JobSpec, old: JobSpec): FieldError[] {
  if (spec.completionMode !== "Indexed") return fault.immutable("spec.completions", spec.completions === old.completions, spec.completions);
  if (spec.completions === old.completions || spec.completions === undefined || spec.completions === spec.parallelism) return [];
  return [fault.invalid("spec.completions", spec.completions, "can only be modified in tandem with spec.parallelism")];
}

/** A suspended Job without active pods may change where its pods are put and what they get; else its template stays. */
function validateTemplateUpdate({ spec: { template } }: Job, { spec: old, status = {} }: Job): FieldError[] {
  const before = old.template;
  const isMutable = old.suspend && (!status.startTime || hasCondition(status.conditions, "Suspended")) && !status.active;
  if (!isMutable || !template.spec || !before.spec) return fault.immutable("spec.template", semanticEqual(template, before), template);
  const { nodeSelector, tolerations, schedulingGates } = template.spec;
  const allowed: PodSpec = {
    ...before.spec,
    nodeSelector,
    tolerations,
    schedulingGates,
    affinity: { ...before.spec.affinity, nodeAffinity: template.spec.affinity?.nodeAffinity },
    containers: withResources(before.spec.containers, template.spec.containers) ?? [],
    initContainers: withResources(before.spec.initContainers, template.spec.initContainers),
  };
  return fault.immutable("spec.template.spec", semanticEqual(template.spec, allowed), template.spec);
}

function withResources(containers: Container[] | undefined, others: Container[] | undefined): Container[] | undefined {
  if (containers?.length !== others?.length) return containers;
  return containers?.map((container, i) =>
    container.name === others?.[i]?.name ? { ...container, resources: others[i].resources } : container,
  );
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
