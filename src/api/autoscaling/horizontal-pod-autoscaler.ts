import type { FieldError } from "../errors.ts";
import { validateContainerResourceName } from "../core/resource-validation.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDnsLabel, checkPathSegment } from "../meta/names.ts";
import { compareQuantities } from "../meta/quantity.ts";
import { age } from "../meta/time.ts";
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
  HPAScalingPolicy,
  HPAScalingRules,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from "../types/autoscaling.v2.ts";

const types = ["ContainerResource", "External", "Object", "Pods", "Resource"];
const upPolicies: HPAScalingPolicy[] = [
  { type: "Pods", value: 4, periodSeconds: 15 },
  { type: "Percent", value: 100, periodSeconds: 15 },
];
const downPolicies: HPAScalingPolicy[] = [{ type: "Percent", value: 100, periodSeconds: 15 }];

/** The rules of HorizontalPodAutoscalers in version v2, the one that is stored. */
export const horizontalPodAutoscalerRules: KindRules<HorizontalPodAutoscaler> = {
  default({ spec }) {
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length)
      spec.metrics = [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } }];
    if (!spec.behavior) return;
    const { scaleUp, scaleDown } = spec.behavior;
    spec.behavior = {
      scaleUp: { stabilizationWindowSeconds: 0, ...rulesOf(scaleUp, upPolicies) },
      scaleDown: rulesOf(scaleDown, downPolicies),
    };
  },
  validate: ({ spec }) => validateSpec(spec),
  cells: ({ metadata, spec, status }, now) => [
    metadata.name,
    `${spec.scaleTargetRef?.kind}/${spec.scaleTargetRef?.name}`,
    metricsText(spec.metrics ?? [], status?.currentMetrics ?? []),
    spec.minReplicas === undefined ? "<unset>" : String(spec.minReplicas),
    spec.maxReplicas ?? 0,
    status?.currentReplicas ?? 0,
    age(metadata.creationTimestamp, now),
  ],
};

/** How fast to scale where nothing is said: up by 4 pods or double, down to the minimum, every 15 seconds. */
function rulesOf(rules: HPAScalingRules | undefined, policies: readonly HPAScalingPolicy[]): HPAScalingRules {
  return { ...rules, selectPolicy: rules?.selectPolicy ?? "Max", policies: rules?.policies ?? policies.map((policy) => ({ ...policy })) };
}

const shown = 2;

function metricsText(specs: readonly MetricSpec[], statuses: readonly MetricStatus[]): string {
  if (specs.length === 0) return "<none>";
  const texts = specs.map((spec, i) => metricText(spec, statuses[i]));
  const text = texts.slice(0, shown).join(", ");
  return texts.length > shown ? `${text} + ${texts.length - shown} more...` : text;
}

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  const resource = spec.resource ?? spec.containerResource;
  const currentResource = status?.resource?.current ?? status?.containerResource?.current;
  if (resource && (spec.type === "Resource" || spec.type === "ContainerResource"))
    return `${resource.name}: ${resourceText(resource.target ?? { type: "" }, currentResource)}`;
  if (spec.type === "Pods" && spec.pods)
    return `${status?.pods?.current?.averageValue ?? "<unknown>"}/${spec.pods.target?.averageValue ?? ""}`;
  if (spec.type === "External" && spec.external) return valueText(spec.external.target, status?.external?.current);
  if (spec.type === "Object" && spec.object) return valueText(spec.object.target, status?.object?.current);
  return "<unknown type>";
}

function resourceText({ averageValue, averageUtilization }: MetricTarget, current: MetricValueStatus | undefined): string {
  if (averageValue !== undefined) return `${current?.averageValue ?? "<unknown>"}/${averageValue}`;
  const percent = (n: number | undefined, otherwise: string): string => (n === undefined ? otherwise : `${n}%`);
  return `${percent(current?.averageUtilization, "<unknown>")}/${percent(averageUtilization, "<auto>")}`;
}

function valueText({ averageValue, value }: MetricTarget, current: MetricValueStatus | undefined): string {
  if (averageValue !== undefined) return `${current?.averageValue ?? "<unknown>"}/${averageValue} (avg)`;
  return `${current?.value ?? "<unknown>"}/${value ?? ""}`;
}

function validateSpec(spec: HorizontalPodAutoscalerSpec): FieldError[] {
  const { minReplicas, maxReplicas = 0 } = spec;
  const errors: FieldError[] = [];
  if (minReplicas !== undefined && minReplicas < 1)
    errors.push(fault.invalid("spec.minReplicas", minReplicas, "must be greater than or equal to 1"));
  if (minReplicas === 0 && !spec.metrics?.some(({ type }) => type === "Object" || type === "External"))
    errors.push(fault.forbidden("spec.metrics", "must specify at least one Object or External metric to support scaling to zero replicas"));
  if (maxReplicas === 0) errors.push(fault.required("spec.maxReplicas", "must be set and greater than 0"));
  if (maxReplicas < 0) errors.push(fault.invalid("spec.maxReplicas", maxReplicas, "must be greater than or equal to 1"));
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(fault.invalid("spec.maxReplicas", maxReplicas, "must be greater than or equal to `minReplicas`"));
  const target = spec.scaleTargetRef;
  errors.push(...validateReference("spec.scaleTargetRef", target));
  if (target && !target.apiVersion?.includes("/"))
    errors.push(fault.invalid("spec.scaleTargetRef.apiVersion", target.apiVersion ?? "", "apiVersion must specify API group"));
  for (const [i, metric] of (spec.metrics ?? []).entries()) errors.push(...validateMetric(`spec.metrics[${i}]`, metric));
  for (const key of ["scaleUp", "scaleDown"] as const) errors.push(...validateRules(`spec.behavior.${key}`, spec.behavior?.[key]));
  return errors;
}

const sources = {
  ContainerResource: "containerResource",
  External: "external",
  Object: "object",
  Pods: "pods",
  Resource: "resource",
} as const;

function validateMetric(field: string, metric: MetricSpec): FieldError[] {
  if (!types.includes(metric.type)) {
    // Upstream looks at the type twice: which it is, and which source belongs to it.
    const missing = metric.type ? [] : [fault.required(`${field}.type`, "must specify a metric source type")];
    const unknown = fault.notSupported(`${field}.type`, metric.type ?? "", types);
    return [...missing, unknown, unknown];
  }
  const wanted = sources[metric.type as keyof typeof sources];
  const errors: FieldError[] = [];
  for (const key of Object.values(sources))
    if (key !== wanted && metric[key]) errors.push(fault.forbidden(`${field}.${key}`, "must populate the given metric source only"));
  const source = metric[wanted];
  if (!source) return [...errors, fault.required(`${field}.${wanted}`, "must populate information for the given metric source")];
  const { target } = source;
  const path = `${field}.${wanted}.target`;
  if ("name" in source && !source.name) errors.push(fault.required(`${field}.${wanted}.name`, "must specify a resource name"));
  if ("metric" in source && !source.metric?.name)
    errors.push(fault.required(`${field}.${wanted}.metric.name`, "must specify a metric name"));
  if ("describedObject" in source || wanted === "object")
    errors.push(...validateReference(`${field}.object.describedObject`, metric.object?.describedObject));
  if (wanted === "containerResource") errors.push(...validateContainer(`${field}.${wanted}`, metric.containerResource ?? {}));
  if (!target?.type) errors.push(fault.required(`${path}.type`, "must specify a metric target type"));
  if (!["Utilization", "Value", "AverageValue"].includes(target?.type ?? ""))
    errors.push(fault.invalid(`${path}.type`, target?.type ?? "", "must be either Utilization, Value, or AverageValue"));
  for (const key of ["value", "averageValue"] as const)
    if (target?.[key] !== undefined && compareQuantities(target[key], "0") <= 0)
      errors.push(fault.invalid(`${path}.${key}`, target[key], "must be positive"));
  errors.push(...fault.positive(`${path}.averageUtilization`, target?.averageUtilization));
  if (wanted === "resource" || wanted === "containerResource") {
    if (target?.averageUtilization === undefined && target?.averageValue === undefined)
      errors.push(fault.required(`${path}.averageUtilization`, "must set either a target raw value or a target utilization"));
    if (target?.averageUtilization !== undefined && target.averageValue !== undefined)
      errors.push(fault.forbidden(`${path}.averageValue`, "may not set both a target raw value and a target utilization"));
  } else if (wanted === "pods" && target?.averageValue === undefined)
    errors.push(fault.required(`${path}.averageValue`, "must specify a positive target averageValue"));
  else if ((wanted === "external" || wanted === "object") && target?.value === undefined && target?.averageValue === undefined)
    errors.push(
      fault.required(
        `${path}.averageValue`,
        wanted === "object"
          ? "must set either a target value or averageValue"
          : "must set either a target value for metric or a per-pod target",
      ),
    );
  return errors;
}

function validateContainer(field: string, { name, container }: { name?: string; container?: string }): FieldError[] {
  return [
    ...(name ? validateContainerResourceName(`${field}.name`, name) : []),
    ...fault.requiredAndChecked(`${field}.container`, container, checkDnsLabel, "must specify a container"),
  ];
}

function validateReference(field: string, target: CrossVersionObjectReference | undefined): FieldError[] {
  return (["kind", "name"] as const).flatMap((key) =>
    target?.[key] ? fault.checked(`${field}.${key}`, target[key], checkPathSegment) : [fault.required(`${field}.${key}`)],
  );
}

function validateRules(field: string, rules: HPAScalingRules | undefined): FieldError[] {
  if (!rules) return [];
  const errors: FieldError[] = [];
  if ((rules.stabilizationWindowSeconds ?? 0) < 0)
    errors.push(
      fault.invalid(`${field}.stabilizationWindowSeconds`, rules.stabilizationWindowSeconds, "must be greater than or equal to zero"),
    );
  if ((rules.stabilizationWindowSeconds ?? 0) > 3600)
    errors.push(
      fault.invalid(`${field}.stabilizationWindowSeconds`, rules.stabilizationWindowSeconds, "must be less than or equal to 3600"),
    );
  errors.push(...fault.oneOfIfSet(`${field}.selectPolicy`, rules.selectPolicy, ["Disabled", "Max", "Min"]));
  if (!rules.policies?.length) errors.push(fault.required(`${field}.policies`, "must specify at least one Policy"));
  for (const [i, { type, value, periodSeconds }] of (rules.policies ?? []).entries()) {
    const path = `${field}.policies[${i}]`;
    errors.push(
      ...fault.supported(`${path}.type`, type, ["Percent", "Pods"]),
      ...(value > 0 ? [] : [fault.invalid(`${path}.value`, value ?? 0, "must be greater than zero")]),
      ...(periodSeconds > 0 ? [] : [fault.invalid(`${path}.periodSeconds`, periodSeconds ?? 0, "must be greater than zero")]),
    );
    if (periodSeconds > 1800) errors.push(fault.invalid(`${path}.periodSeconds`, periodSeconds, "must be less than or equal to 1800"));
  }
  return errors;
}
