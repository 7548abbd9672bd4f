import type { KindRules } from "../kind.ts";
import { age, humanDuration, parseTime } from "../meta/time.ts";
import type { Event } from "../types/core.v1.ts";
import { validateEvent } from "./event-validation.ts";

/** The rules of Events of the core group. */
export const eventRules: KindRules<Event> = {
  validate: (event) => validateEvent(event, "reportingComponent"),
  cells: eventCells,
  fields: {
    "involvedObject.kind": ({ involvedObject }) => involvedObject?.kind ?? "",
    "involvedObject.namespace": ({ involvedObject }) => involvedObject?.namespace ?? "",
    "involvedObject.name": ({ involvedObject }) => involvedObject?.name ?? "",
    "involvedObject.uid": ({ involvedObject }) => involvedObject?.uid ?? "",
    "involvedObject.apiVersion": ({ involvedObject }) => involvedObject?.apiVersion ?? "",
    "involvedObject.resourceVersion": ({ involvedObject }) => involvedObject?.resourceVersion ?? "",
    "involvedObject.fieldPath": ({ involvedObject }) => involvedObject?.fieldPath ?? "",
    reason: ({ reason }) => reason ?? "",
    reportingComponent: ({ reportingComponent }) => reportingComponent ?? "",
    source: ({ source, reportingComponent }) => source?.component || reportingComponent || "",
    type: ({ type }) => type ?? "",
  },
};

/** The row of an Event in a table. `now` in milliseconds. */
export function eventCells(event: Event, now: number): unknown[] {
  const { metadata, involvedObject, series, count } = event;
  const first = event.firstTimestamp ? age(event.firstTimestamp, now) : microAge(event.eventTime, now);
  let last = event.lastTimestamp ? age(event.lastTimestamp, now) : first;
  let times = count ?? 0;
  if (series) {
    last = microAge(series.lastObservedTime, now);
    times = series.count ?? 0;
  } else if (times === 0) times = 1;
  const kind = (involvedObject?.kind ?? "").toLowerCase();
  return [
    last,
    event.type ?? "",
    event.reason ?? "",
    involvedObject?.name ? `${kind}/${involvedObject.name}` : kind,
    involvedObject?.fieldPath ?? "",
    sourceText(event),
    (event.message ?? "").trim(),
    first,
    times,
    metadata.name,
  ];
}

function sourceText({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || reportingComponent || "";
  const host = source?.host || reportingInstance || "";
  return host ? `${component}, ${host}` : component;
}

function microAge(timestamp: string | undefined, now: number): string {
  const time = parseTime(timestamp);
  return time === undefined ? "<unknown>" : humanDuration(now - time);
}
