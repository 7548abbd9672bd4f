// Generated from the facts by src/api/schema/generate.ts; do not edit.
import type { ListMeta } from "./meta.v1.ts";
import type { StoredMeta } from "../meta/object.ts";

export interface ContainerMetrics {
  name: string;
  usage: Record<string, string>;
}

export interface NodeMetrics {
  apiVersion: "metrics.k8s.io/v1beta1";
  kind: "NodeMetrics";
  metadata: StoredMeta;
  timestamp: string;
  usage: Record<string, string>;
  window: string;
}

export interface NodeMetricsList {
  apiVersion: "metrics.k8s.io/v1beta1";
  items: NodeMetrics[];
  kind: "NodeMetricsList";
  metadata: ListMeta;
}

export interface PodMetrics {
  apiVersion: "metrics.k8s.io/v1beta1";
  containers: ContainerMetrics[];
  kind: "PodMetrics";
  metadata: StoredMeta;
  timestamp: string;
  window: string;
}

export interface PodMetricsList {
  apiVersion: "metrics.k8s.io/v1beta1";
  items: PodMetrics[];
  kind: "PodMetricsList";
  metadata: ListMeta;
}
