// Generated from the facts by src/api/schema/generate.ts; do not edit.
import type { Condition, DeleteOptions, LabelSelector, ListMeta } from "./meta.v1.ts";
import type { NamespacedMeta, StoredMeta } from "../meta/object.ts";

export interface Eviction {
  apiVersion: "policy/v1";
  deleteOptions?: DeleteOptions;
  kind: "Eviction";
  metadata: StoredMeta;
}

export interface PodDisruptionBudget {
  apiVersion: "policy/v1";
  kind: "PodDisruptionBudget";
  metadata: NamespacedMeta;
  spec: PodDisruptionBudgetSpec;
  status: PodDisruptionBudgetStatus;
}

export interface PodDisruptionBudgetList {
  apiVersion: "policy/v1";
  items: PodDisruptionBudget[];
  kind: "PodDisruptionBudgetList";
  metadata: ListMeta;
}

export interface PodDisruptionBudgetSpec {
  maxUnavailable?: number | string;
  minAvailable?: number | string;
  selector?: LabelSelector;
  unhealthyPodEvictionPolicy?: "AlwaysAllow" | "IfHealthyBudget";
}

export interface PodDisruptionBudgetStatus {
  conditions?: Condition[];
  currentHealthy?: number;
  desiredHealthy?: number;
  disruptedPods?: Record<string, string>;
  disruptionsAllowed?: number;
  expectedPods?: number;
  observedGeneration?: number;
}
