import { containerCells } from "../apps/pod-owner.ts";
import { defaultTemplate } from "../core/pod-defaults.ts";
import { templateWarnings } from "../core/pod-warnings.ts";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { formatLabelSelector } from "../meta/labels.ts";
import { age } from "../meta/time.ts";
import type { CronJob, CronJobSpec } from "../types/batch.v1.ts";
import { validateJobSpec } from "./job.ts";
import { checkSchedule, checkTimeZone } from "./schedule.ts";

/** The rules of CronJobs. */
export const cronJobRules: KindRules<CronJob> = {
  default({ spec }) {
    spec.concurrencyPolicy ||= "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    defaultTemplate(spec.jobTemplate?.spec?.template);
  },
  validate: ({ metadata, spec }) => [
    ...validateSchedule(spec),
    ...fault.nonNegative("spec.startingDeadlineSeconds", spec.startingDeadlineSeconds),
    ...fault.oneOf("spec.concurrencyPolicy", spec.concurrencyPolicy, ["Allow", "Forbid", "Replace"]),
    ...validateJobTemplate(spec),
    ...fault.nonNegative("spec.successfulJobsHistoryLimit", spec.successfulJobsHistoryLimit),
    ...fault.nonNegative("spec.failedJobsHistoryLimit", spec.failedJobsHistoryLimit),
    // A Job's name is its CronJob's with 11 characters more, and must stay a label.
    ...((metadata.name ?? "").length > 52 ? [fault.invalid("metadata.name", metadata.name, "must be no more than 52 characters")] : []),
  ],
  warnings: ({ spec }, old) =>
    templateWarnings("spec.jobTemplate.spec.template", spec.jobTemplate?.spec?.template, old?.spec.jobTemplate?.spec?.template),
  cells({ metadata, spec, status }, now) {
    const template = spec.jobTemplate?.spec;
    return [
      metadata.name,
      spec.schedule,
      spec.timeZone ?? "<none>",
      spec.suspend === undefined ? "<unset>" : spec.suspend ? "True" : "False",
      status?.active?.length ?? 0,
      status?.lastScheduleTime ? age(status.lastScheduleTime, now) : "<none>",
      age(metadata.creationTimestamp, now),
      ...containerCells(template?.template?.spec),
      formatLabelSelector(template?.selector),
    ];
  },
};

function validateSchedule({ schedule, timeZone }: CronJobSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (!schedule) errors.push(fault.required("spec.schedule"));
  else if (schedule.includes("TZ"))
    errors.push(fault.invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"));
  else {
    const wrong = checkSchedule(schedule);
    if (wrong) errors.push(fault.invalid("spec.schedule", schedule, wrong));
  }
  const wrongZone = timeZone === undefined ? undefined : checkTimeZone(timeZone);
  if (wrongZone) errors.push(fault.invalid("spec.timeZone", timeZone, wrongZone));
  return errors;
}

function validateJobTemplate({ jobTemplate }: CronJobSpec): FieldError[] {
  const spec = jobTemplate?.spec;
  if (!spec) return [fault.required("spec.jobTemplate.spec")];
  const field = "spec.jobTemplate.spec";
  const errors = validateJobSpec(field, { ...spec, selector: undefined });
  if (spec.selector) errors.push(fault.invalid(`${field}.selector`, spec.selector, "`selector` will be auto-generated"));
  if (spec.manualSelector) errors.push(fault.notSupported(`${field}.manualSelector`, true, ["nil", "false"]));
  return errors;
}
