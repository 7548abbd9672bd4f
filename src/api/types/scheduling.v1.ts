// Generated from the facts by src/api/schema/generate.ts; do not edit.
import type { ListMeta } from "./meta.v1.ts";
import type { StoredMeta } from "../meta/object.ts";

export interface PriorityClass {
  apiVersion: "scheduling.k8s.io/v1";
  description?: string;
  globalDefault?: boolean;
  kind: "PriorityClass";
  metadata: StoredMeta;
  preemptionPolicy?: "Never" | "PreemptLowerPriority";
  value?: number;
}

export interface PriorityClassList {
  apiVersion: "scheduling.k8s.io/v1";
  items: PriorityClass[];
  kind: "PriorityClassList";
  metadata: ListMeta;
}
