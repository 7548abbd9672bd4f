import type { KindRules } from "../kind.ts";
import type { Event as CoreEvent } from "../types/core.v1.ts";
import type { Event } from "../types/events.v1.ts";
import { eventCells, eventRules } from "./event.ts";
import { validateChangedEvent, validateEvent, validateNewEvent } from "./event-validation.ts";

/** An Event of events.k8s.io as one of the core group: the same object under other names. */
export function toCoreEvent(event: Event): CoreEvent {
  const {
    regarding,
    note,
    reportingController,
    deprecatedCount,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedSource,
    ...rest
  } = event;
  return {
    ...rest,
    apiVersion: "v1",
    kind: "Event",
    involvedObject: regarding ?? {},
    message: note,
    reportingComponent: reportingController ?? "",
    reportingInstance: event.reportingInstance ?? "",
    count: deprecatedCount,
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    source: deprecatedSource ?? {},
  };
}

/** An Event of the core group as one of events.k8s.io. */
export function fromCoreEvent(event: CoreEvent): Event {
  const {
    involvedObject,
    message,
    reportingComponent,
    count,
    firstTimestamp,
    lastTimestamp,
    source,
    eventTime,
    series,
    reportingInstance,
    ...rest
  } = event;
  return {
    ...rest,
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    // Null is what an absent time looks like: the field itself is always there.
    eventTime: eventTime ?? (null as unknown as string),
    ...(series ? { series: { count: series.count ?? 0, lastObservedTime: series.lastObservedTime ?? "" } } : {}),
    ...(reportingInstance ? { reportingInstance } : {}),
    regarding: involvedObject,
    note: message,
    reportingController: reportingComponent,
    deprecatedCount: count,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedSource: source,
  };
}

/** The rules of Events of events.k8s.io. */
export const eventsEventRules: KindRules<Event> = {
  validate: (event, old) => (old ? validateEvent : validateNewEvent)(toCoreEvent(event)),
  validateUpdate: (event, old) => validateChangedEvent(toCoreEvent(event), toCoreEvent(old)),
  cells: (event, now) => eventCells(toCoreEvent(event), now),
  fields: Object.fromEntries(
    Object.entries(eventRules.fields ?? {})
      .filter(([field]) => field !== "source")
      .map(([field, get]) => [
        field.replace("involvedObject", "regarding").replace("reportingComponent", "reportingController"),
        (event: Event) => get(toCoreEvent(event)),
      ]),
  ),
};
