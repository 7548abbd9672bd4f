import type { HorizontalPodAutoscaler as Autoscaler1 } from "../types/autoscaling.v1.ts";
import type { HorizontalPodAutoscaler as Autoscaler2, MetricSpec, MetricTarget } from "../types/autoscaling.v2.ts";

// What version v1 cannot say is kept in these annotations, in the shapes that upstream gives it.
const metricsAnnotation = "autoscaling.alpha.kubernetes.io/metrics";
const statusAnnotation = "autoscaling.alpha.kubernetes.io/current-metrics";
const conditionsAnnotation = "autoscaling.alpha.kubernetes.io/conditions";
const behaviorAnnotation = "autoscaling.alpha.kubernetes.io/behavior";

type Plain = Record<string, unknown>;

/** The autoscaler as version v1 shows it. */
export function toV1(autoscaler: Autoscaler2): Autoscaler1 {
  const { metadata, spec, status } = autoscaler;
  const cpu = spec.metrics?.find(isCpuUtilization);
  const others = (spec.metrics ?? []).filter((metric) => metric !== cpu);
  const annotations: Record<string, string> = { ...metadata.annotations };
  if (others.length > 0) annotations[metricsAnnotation] = JSON.stringify(others.map(oldMetric));
  if (spec.behavior)
    annotations[behaviorAnnotation] = JSON.stringify(renamed(spec.behavior, (key) => key.charAt(0).toUpperCase() + key.slice(1)));
  if (status?.conditions?.length) annotations[conditionsAnnotation] = JSON.stringify(status.conditions);
  const currentCpu = status?.currentMetrics?.find(
    (m) => m.resource?.name === "cpu" && m.resource.current?.averageUtilization !== undefined,
  );
  const currentOthers = (status?.currentMetrics ?? []).filter((metric) => metric !== currentCpu);
  if (currentOthers.length > 0) annotations[statusAnnotation] = JSON.stringify(currentOthers);
  return {
    apiVersion: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    metadata: Object.keys(annotations).length > 0 ? { ...metadata, annotations } : metadata,
    spec: {
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      targetCPUUtilizationPercentage: cpu?.resource?.target.averageUtilization,
    },
    status: {
      observedGeneration: status?.observedGeneration,
      lastScaleTime: status?.lastScaleTime,
      currentReplicas: status?.currentReplicas ?? 0,
      desiredReplicas: status?.desiredReplicas ?? 0,
      currentCPUUtilizationPercentage: currentCpu?.resource?.current.averageUtilization,
    },
  };
}

/** An autoscaler of version v1 as v2 shows it, with what its annotations keep. */
export function fromV1(autoscaler: Autoscaler1): Autoscaler2 {
  const { spec, status } = autoscaler;
  const kept = (name: string): unknown => parsed(autoscaler.metadata.annotations?.[name]);
  const {
    [metricsAnnotation]: _m,
    [statusAnnotation]: _s,
    [conditionsAnnotation]: _c,
    [behaviorAnnotation]: _b,
    ...annotations
  } = autoscaler.metadata.annotations ?? {};
  const { annotations: had, ...metadata } = autoscaler.metadata;
  const metrics = list(kept(metricsAnnotation)).map(newMetric);
  const percentage = spec.targetCPUUtilizationPercentage;
  if (percentage !== undefined)
    metrics.unshift({ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: percentage } } });
  const current = list(kept(statusAnnotation));
  if (status?.currentCPUUtilizationPercentage !== undefined)
    current.unshift({
      type: "Resource",
      resource: { name: "cpu", current: { averageUtilization: status.currentCPUUtilizationPercentage } },
    });
  const behavior = renamed(kept(behaviorAnnotation), (key) => key.charAt(0).toLowerCase() + key.slice(1));
  const conditions = list(kept(conditionsAnnotation));
  // What annotations hold is checked with the rest of the object by v2's validation.
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: had && Object.keys(annotations).length > 0 ? { ...metadata, annotations } : metadata,
    spec: {
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      ...(metrics.length > 0 ? { metrics } : {}),
      ...(behavior ? { behavior } : {}),
    },
    status: {
      observedGeneration: status?.observedGeneration,
      lastScaleTime: status?.lastScaleTime,
      currentReplicas: status?.currentReplicas,
      desiredReplicas: status?.desiredReplicas ?? 0,
      ...(current.length > 0 ? { currentMetrics: current } : {}),
      ...(conditions.length > 0 ? { conditions } : {}),
    },
  } as Autoscaler2;
}

function isCpuUtilization({ type, resource }: MetricSpec): boolean {
  return type === "Resource" && resource?.name === "cpu" && resource.target?.averageUtilization !== undefined;
}

/** A metric in v1's shape: targetAverageValue instead of target.averageValue, and so on. */
function oldMetric({ type, resource, containerResource, pods, object, external }: MetricSpec): Plain {
  const utilization = ({ averageUtilization, averageValue }: MetricTarget): Plain => ({
    targetAverageUtilization: averageUtilization,
    targetAverageValue: averageValue,
  });
  if (resource) return { type, resource: { name: resource.name, ...utilization(resource.target) } };
  if (containerResource)
    return {
      type,
      containerResource: { name: containerResource.name, container: containerResource.container, ...utilization(containerResource.target) },
    };
  if (pods)
    return { type, pods: { metricName: pods.metric.name, targetAverageValue: pods.target.averageValue, selector: pods.metric.selector } };
  if (object) {
    const { describedObject, metric, target } = object;
    const { value, averageValue } = target;
    return {
      type,
      object: { target: describedObject, metricName: metric.name, targetValue: value ?? "0", averageValue, selector: metric.selector },
    };
  }
  const { metric, target } = external ?? { metric: { name: "" }, target: { type: "" } };
  return {
    type,
    external: {
      metricName: metric.name,
      metricSelector: metric.selector,
      targetValue: target.value,
      targetAverageValue: target.averageValue,
    },
  };
}

function newMetric(old: Plain): MetricSpec {
  const type = String(old["type"]);
  const member = (name: string): Record<string, never> | undefined => old[name] as Record<string, never> | undefined;
  const utilization = (m: Plain): Plain =>
    m["targetAverageUtilization"] !== undefined
      ? { type: "Utilization", averageUtilization: m["targetAverageUtilization"] }
      : { type: "AverageValue", averageValue: m["targetAverageValue"] };
  const byValue = (value: unknown, average: unknown): Plain =>
    average !== undefined ? { type: "AverageValue", averageValue: average } : { type: "Value", value };
  const { resource, containerResource, pods, object, external } = {
    resource: member("resource"),
    containerResource: member("containerResource"),
    pods: member("pods"),
    object: member("object"),
    external: member("external"),
  };
  // The members have the shapes that oldMetric writes.
  return {
    type,
    ...(resource && { resource: { name: resource["name"], target: utilization(resource) } }),
    ...(containerResource && {
      containerResource: {
        name: containerResource["name"],
        container: containerResource["container"],
        target: utilization(containerResource),
      },
    }),
    ...(pods && {
      pods: {
        metric: { name: pods["metricName"], selector: pods["selector"] },
        target: { type: "AverageValue", averageValue: pods["targetAverageValue"] },
      },
    }),
    ...(object && {
      object: {
        describedObject: object["target"],
        metric: { name: object["metricName"], selector: object["selector"] },
        target: byValue(object["targetValue"], object["averageValue"]),
      },
    }),
    ...(external && {
      external: {
        metric: { name: external["metricName"], selector: external["metricSelector"] },
        target: byValue(external["targetValue"], external["targetAverageValue"]),
      },
    }),
  } as MetricSpec;
}

/** The value with its members under other names and nulls left out: upstream keeps behavior under the names of Go's fields. */
function renamed(value: unknown, name: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, name));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
  return Object.fromEntries(members.map(([key, item]) => [name(key), renamed(item, name)]));
}

function list(value: unknown): Plain[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
}

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
