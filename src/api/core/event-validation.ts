import type { FieldError } from "../errors.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { goStruct } from "../meta/go-struct.ts";
import { checkQualifiedName } from "../meta/names.ts";
import type { Event } from "../types/core.v1.ts";

const reference = { Kind: "", Namespace: "", Name: "", UID: "", APIVersion: "", ResourceVersion: "", FieldPath: "" };

/** What is wrong with an Event in either group; `reporter` is what the group calls the one that reports. Those with an eventTime say more. */
export function validateEvent(event: Event, reporter = "reportingController"): FieldError[] {
  const { metadata, involvedObject, eventTime, reportingComponent = "", reportingInstance = "" } = event;
  const { namespace = "" } = involvedObject ?? {};
  const clusterWide = namespace === "" && ["default", "kube-system"].includes(metadata.namespace ?? "");
  const fits = clusterWide || namespace === metadata.namespace || (eventTime && namespace !== "");
  const errors = fits ? [] : [fault.invalid("involvedObject.namespace", namespace, "does not match event.namespace")];
  if (!eventTime) return errors;
  if (!reportingComponent) errors.push(fault.required(reporter));
  errors.push(...fault.checked(reporter, reportingComponent, checkQualifiedName));
  for (const [field, text = ""] of Object.entries({ reportingInstance, action: event.action, reason: event.reason })) {
    if (!text) errors.push(fault.required(field));
    errors.push(...atMost(field, text, 128));
  }
  return [...errors, ...atMost("message", event.message ?? "", 1024)];
}

/** What is wrong with a new Event of events.k8s.io. */
export function validateNewEvent(event: Event): FieldError[] {
  const { eventTime, type = "", source, series } = event;
  const errors = validateEvent(event);
  if (!eventTime) errors.push(fault.required("eventTime"));
  if (series) errors.push(...validateSeries(series));
  if (type !== "Normal" && type !== "Warning") errors.push(fault.invalid("type", "", `has invalid value: ${type}`));
  const old = { firstTimestamp: event.firstTimestamp, lastTimestamp: event.lastTimestamp, count: event.count };
  for (const [field, value] of Object.entries({ ...old, source: source?.component || source?.host }))
    if (value) errors.push(fault.invalid(field, "", "needs to be unset"));
  return errors;
}

/** What an update of an Event of events.k8s.io may not change: all but its series. */
export function validateChangedEvent(event: Event, old: Event): FieldError[] {
  const errors = event.series && !deepEqual(event.series, old.series) ? validateSeries(event.series) : [];
  const same = (field: string, key: keyof Event, shown: unknown = event[key]): void => {
    errors.push(...fault.immutable(field, deepEqual(event[key] ?? "", old[key] ?? ""), shown));
  };
  same("involvedObject", "involvedObject", goStruct(event.involvedObject, reference));
  same("related", "related", event.related && goStruct(event.related, reference));
  same("reportingController", "reportingComponent", event.reportingComponent ?? "");
  // Upstream looks at the reason twice.
  for (const key of ["reason", "reason", "message", "type", "action", "reportingInstance"] as const) same(key, key, event[key] ?? "");
  same("count", "count", event.count ?? 0);
  for (const key of ["firstTimestamp", "lastTimestamp", "eventTime"] as const) same(key, key, event[key] ?? null);
  return errors;
}

function validateSeries({ count = 0, lastObservedTime }: NonNullable<Event["series"]>): FieldError[] {
  return [
    ...(count < 2 ? [fault.invalid("series.count", "", "should be at least 2")] : []),
    ...(lastObservedTime ? [] : [fault.required("series.lastObservedTime")]),
  ];
}

function atMost(field: string, text: string, most: number): FieldError[] {
  return text.length > most ? [fault.invalid(field, "", `can have at most ${most} characters`)] : [];
}
