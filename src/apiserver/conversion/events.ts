import type { KubeObject } from "../../api/meta/object.ts";
import { typed } from "../plain-data.ts";

/** core/v1 and events.k8s.io/v1 show one stored object under different names; the stored form is core/v1's. */
const names: readonly (readonly [core: string, events: string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
];
const toEvents = new Map<string, string>(names);
const toCore = new Map<string, string>(names.map(([core, events]) => [events, core]));

function renamed(object: Readonly<KubeObject>, to: ReadonlyMap<string, string>, apiVersion: string): KubeObject {
  const members = Object.entries(object).map(([name, value]) => [to.get(name) ?? name, value]);
  return typed<KubeObject>({ ...Object.fromEntries(members), kind: "Event", apiVersion });
}

/** A core/v1 Event as events.k8s.io/v1 shows it. Shares what it holds. */
export function eventFromCore(object: Readonly<KubeObject>): KubeObject {
  return renamed(object, toEvents, "events.k8s.io/v1");
}

/** An events.k8s.io/v1 Event as core/v1 shows it. Shares what it holds. */
export function eventToCore(object: Readonly<KubeObject>): KubeObject {
  return renamed(object, toCore, "v1");
}
