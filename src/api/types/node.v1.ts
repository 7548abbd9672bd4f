// Generated from the facts by src/api/schema/generate.ts; do not edit.
import type { Toleration } from "./core.v1.ts";
import type { ListMeta } from "./meta.v1.ts";
import type { StoredMeta } from "../meta/object.ts";

export interface Overhead {
  podFixed?: Record<string, string>;
}

export interface RuntimeClass {
  apiVersion: "node.k8s.io/v1";
  handler: string;
  kind: "RuntimeClass";
  metadata: StoredMeta;
  overhead?: Overhead;
  scheduling?: Scheduling;
}

export interface RuntimeClassList {
  apiVersion: "node.k8s.io/v1";
  items: RuntimeClass[];
  kind: "RuntimeClassList";
  metadata: ListMeta;
}

export interface Scheduling {
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
}
