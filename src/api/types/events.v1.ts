// Generated from the facts by src/api/schema/generate.ts; do not edit.
import type { EventSource, ObjectReference } from "./core.v1.ts";
import type { ListMeta } from "./meta.v1.ts";
import type { NamespacedMeta } from "../meta/object.ts";

export interface Event {
  action?: string;
  apiVersion: "events.k8s.io/v1";
  deprecatedCount?: number;
  deprecatedFirstTimestamp?: string;
  deprecatedLastTimestamp?: string;
  deprecatedSource?: EventSource;
  eventTime: string;
  kind: "Event";
  metadata: NamespacedMeta;
  note?: string;
  reason?: string;
  regarding?: ObjectReference;
  related?: ObjectReference;
  reportingController?: string;
  reportingInstance?: string;
  series?: EventSeries;
  type?: string;
}

export interface EventList {
  apiVersion: "events.k8s.io/v1";
  items: Event[];
  kind: "EventList";
  metadata: ListMeta;
}

export interface EventSeries {
  count: number;
  lastObservedTime: string;
}
