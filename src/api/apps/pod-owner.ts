import { validateTemplate } from "../core/pod-validation.ts";
import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { matchesLabelSelector, validateLabelSelector } from "../meta/labels.ts";
import type { Container, PodSpec, PodTemplateSpec } from "../types/core.v1.ts";
import type { LabelSelector } from "../types/meta.v1.ts";

/** A workload whose pods must run for ever: what its selector and template are checked against. */
export interface Selecting {
  selector?: LabelSelector;
  template?: PodTemplateSpec;
}

/** What is wrong with the selector of a workload: missing, malformed, or empty (which would take all pods). */
export function validateSelector(selector: LabelSelector | undefined, kind: string): FieldError[] {
  if (!selector) return [fault.required("spec.selector")];
  const errors = validateLabelSelector("spec.selector", selector);
  const empty = !Object.keys(selector.matchLabels ?? {}).length && !selector.matchExpressions?.length;
  return empty ? [...errors, fault.invalid("spec.selector", selector, `empty selector is invalid for ${kind}`)] : errors;
}

/** What is wrong with a template whose labels the selector does not take. */
export function validateSelected({ selector, template }: Selecting): FieldError[] {
  const labels = template?.metadata?.labels;
  if (selector && isEmpty(selector)) return [];
  if (selector && (matchesLabelSelector(selector, labels) || validateLabelSelector("", selector).length > 0)) return [];
  return [fault.invalid("spec.template.metadata.labels", labels ? sorted(labels) : null, "`selector` does not match template `labels`")];
}

/** What is wrong with the selector of a workload and with its template, which is only looked at by a selector that can be read. */
export function validateSelectorAndTemplate(spec: Selecting, kind: string, unreadable = "invalid label selector"): FieldError[] {
  const { selector, template } = spec;
  const errors = validateSelector(selector, kind);
  if (selector && validateLabelSelector("", selector).length > 0) return [...errors, fault.invalid("spec.selector", selector, unreadable)];
  return [...errors, ...validateSelected(spec), ...validateLastingTemplate(template)];
}

/** What is wrong with the template of pods that always restart. */
export function validateLastingTemplate(template: PodTemplateSpec | undefined): FieldError[] {
  const errors = validateTemplate("spec.template", template);
  const policy = template?.spec?.restartPolicy;
  if (policy && policy !== "Always" && ["OnFailure", "Never"].includes(policy))
    errors.push(fault.notSupported("spec.template.spec.restartPolicy", policy, ["Always"]));
  if (template?.spec?.activeDeadlineSeconds !== undefined)
    errors.push(fault.forbidden("spec.template.spec.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported"));
  return errors;
}

/** Container names and images as tables print them: joined by commas. */
export function containerCells(spec: PodSpec | undefined): [string, string] {
  const containers: Container[] = spec?.containers ?? [];
  return [containers.map((c) => c.name).join(","), containers.map((c) => c.image ?? "").join(",")];
}

/** What is wrong with a number of pods or a percentage ("25%") of them. */
export function validateIntOrPercent(field: string, value: number | string | undefined): FieldError[] {
  if (value === undefined) return [];
  if (typeof value === "number") return value < 0 ? [fault.invalid(field, value, "must be greater than or equal to 0")] : [];
  if (/^[0-9]+%$/.test(value)) return [];
  return [
    fault.invalid(
      field,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ),
  ];
}

/** What is wrong with a percentage above 100. */
export function validateAtMostAll(field: string, value: number | string | undefined): FieldError[] {
  return typeof value === "string" && Number.parseInt(value, 10) > 100
    ? [fault.invalid(field, value, "must not be greater than 100%")]
    : [];
}

/** A number of pods, or a percentage of the total rounded up or down. */
export function scaledValue(value: number | string | undefined, total: number, roundUp: boolean): number {
  if (typeof value !== "string") return value ?? 0;
  const share = ((Number.parseInt(value, 10) || 0) * total) / 100;
  return roundUp ? Math.ceil(share) : Math.floor(share);
}

// As Go prints a map.
function sorted(labels: Readonly<Record<string, string>>): object {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isEmpty(selector: LabelSelector): boolean {
  return !Object.keys(selector.matchLabels ?? {}).length && !selector.matchExpressions?.length;
}
