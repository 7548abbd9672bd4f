import type { KubeObject } from "../../api/meta/object.ts";
import type { HorizontalPodAutoscaler as HpaV1 } from "../../api/types/autoscaling.v1.ts";
import type { HorizontalPodAutoscaler as HpaV2, MetricSpec, MetricStatus } from "../../api/types/autoscaling.v2.ts";
import { typed, untyped } from "../plain-data.ts";

/** What v1 has no fields for travels in these annotations, as upstream does. */
const annotations = {
  metrics: "autoscaling.alpha.kubernetes.io/metrics",
  currentMetrics: "autoscaling.alpha.kubernetes.io/current-metrics",
  conditions: "autoscaling.alpha.kubernetes.io/conditions",
  behavior: "autoscaling.alpha.kubernetes.io/behavior",
};

/** A v2 autoscaler, the stored form, as autoscaling/v1 shows it. */
export function autoscalerToV1(object: Readonly<KubeObject>): KubeObject {
  const { spec, status, metadata } = typed<HpaV2>(object);
  const carried: Record<string, string> = { ...metadata.annotations };
  const isCpu = (metric: MetricSpec): boolean =>
    metric.type === "Resource" && metric.resource?.name === "cpu" && metric.resource.target.averageUtilization !== undefined;
  const cpu = spec?.metrics?.find(isCpu);
  const others = spec?.metrics?.filter((metric) => metric !== cpu) ?? [];
  const currentCpu = status?.currentMetrics?.find(
    (metric: MetricStatus) => metric.resource?.name === "cpu" && metric.resource.current.averageUtilization !== undefined,
  );
  if (others.length > 0) carried[annotations.metrics] = JSON.stringify(others);
  if (status?.currentMetrics?.length) carried[annotations.currentMetrics] = JSON.stringify(status.currentMetrics);
  if (status?.conditions?.length) carried[annotations.conditions] = JSON.stringify(status.conditions);
  if (spec?.behavior) carried[annotations.behavior] = JSON.stringify(spec.behavior);
  const { currentMetrics: _m, conditions: _c, ...plainStatus } = status ?? {};
  const percentage = cpu?.resource?.target.averageUtilization;
  const current = currentCpu?.resource?.current.averageUtilization;
  const v1 = {
    kind: object.kind,
    apiVersion: "autoscaling/v1",
    metadata: Object.keys(carried).length > 0 ? { ...metadata, annotations: carried } : metadata,
    spec: {
      scaleTargetRef: spec?.scaleTargetRef,
      ...(spec?.minReplicas === undefined ? {} : { minReplicas: spec.minReplicas }),
      maxReplicas: spec?.maxReplicas,
      ...(percentage === undefined ? {} : { targetCPUUtilizationPercentage: percentage }),
    },
    status: {
      ...plainStatus,
      currentReplicas: status?.currentReplicas ?? 0,
      desiredReplicas: status?.desiredReplicas ?? 0,
      ...(current === undefined ? {} : { currentCPUUtilizationPercentage: current }),
    },
  };
  return untyped(v1);
}

/** A v1 autoscaler in the stored form, v2. */
export function autoscalerFromV1(object: Readonly<KubeObject>): KubeObject {
  const { spec, status, metadata } = typed<HpaV1>(object);
  const carried: Record<string, string> = { ...metadata.annotations };
  const take = (name: string): unknown => {
    const text = carried[name];
    delete carried[name];
    return text === undefined ? undefined : parsed(text);
  };
  const metrics = take(annotations.metrics);
  const currentMetrics = take(annotations.currentMetrics);
  const conditions = take(annotations.conditions);
  const behavior = take(annotations.behavior);
  const { targetCPUUtilizationPercentage: percentage, ...plainSpec } = spec ?? {};
  const { currentCPUUtilizationPercentage: _p, ...plainStatus } = status ?? {};
  const cpu =
    percentage === undefined
      ? []
      : [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: percentage } } }];
  const all = [...(Array.isArray(metrics) ? metrics : []), ...cpu];
  const { annotations: _a, ...plainMetadata } = metadata;
  const v2 = {
    kind: object.kind,
    apiVersion: "autoscaling/v2",
    metadata: Object.keys(carried).length > 0 ? { ...plainMetadata, annotations: carried } : plainMetadata,
    spec: { ...plainSpec, ...(all.length > 0 ? { metrics: all } : {}), ...(behavior ? { behavior } : {}) },
    status: { ...plainStatus, ...(currentMetrics ? { currentMetrics } : {}), ...(conditions ? { conditions } : {}) },
  };
  return untyped(v2);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
