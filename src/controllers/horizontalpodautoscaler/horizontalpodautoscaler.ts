import { setCondition } from "../../api/meta/conditions.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import { parseLabelSelector } from "../../api/meta/labels.ts";
import { keyOf, type KubeObject } from "../../api/meta/object.ts";
import { formatQuantity, quantityOfMilli } from "../../api/meta/quantity.ts";
import { formatTime } from "../../api/meta/time.ts";
import { findKind, type Resource } from "../../api/resource.ts";
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  MetricSpec,
  MetricStatus,
} from "../../api/types/autoscaling.v2.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import type { PodMetrics } from "../../api/types/metrics.v1beta1.ts";
import { HorizontalPodAutoscalers, Pods } from "../../api/types/resources.ts";
import type { Cache } from "../../client/cache.ts";
import { type ControllerContext, type ControllerFactory, watch } from "../../client/controller.ts";
import { messageOf } from "../pod-control.ts";
import { sameStatus, withoutZeros } from "../status.ts";
import { limit, type Memory, remember } from "./limits.ts";
import { type Proposal, proposeReplicas } from "./replicas.ts";

/** How often metrics are looked at, in milliseconds. */
const period = 15_000;

const podMetrics: Resource<PodMetrics> = {
  group: "metrics.k8s.io",
  version: "v1beta1",
  groupVersion: "metrics.k8s.io/v1beta1",
  plural: "pods",
  singular: "pod",
  kind: "PodMetrics",
  namespaced: true,
  verbs: ["get", "list"],
  shortNames: [],
  categories: [],
  type: "metrics.v1beta1.PodMetrics",
  subresources: {},
};

interface Scale extends KubeObject {
  spec?: { replicas?: number };
  status?: { replicas?: number; selector?: string };
}

/** Scales workloads by their CPU and memory: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/ */
export const createHorizontalPodAutoscalerController: ControllerFactory = (context) => {
  const autoscalers = context.caches.of(HorizontalPodAutoscalers);
  const scaler = new Autoscaler(context, autoscalers, context.caches.of(Pods));
  return {
    name: "horizontalpodautoscaler",
    // Its own status must not wake it: what it does depends on time and metrics alone.
    watches: [
      watch(
        autoscalers,
        (hpa) => [keyOf(hpa)],
        ({ object, old }) => !deepEqual(object?.spec, old?.spec),
      ),
    ],
    reconcile: (key) => scaler.reconcile(key),
  };
};

/** A metric that could not be had: the condition's reason says which kind. */
class MetricError extends Error {
  readonly reason: string;
  /** Which value could not be had. */
  readonly context: string;

  constructor(reason: string, context: string, message: string) {
    super(message);
    this.reason = reason;
    this.context = context;
  }
}

interface Found extends Proposal {
  status: MetricStatus;
  name: string;
}

class Autoscaler {
  private readonly context: ControllerContext;
  private readonly autoscalers: Cache<HorizontalPodAutoscaler>;
  private readonly pods: Cache<Pod>;
  private readonly memories = new Map<string, Memory>();

  constructor(context: ControllerContext, autoscalers: Cache<HorizontalPodAutoscaler>, pods: Cache<Pod>) {
    this.context = context;
    this.autoscalers = autoscalers;
    this.pods = pods;
  }

  async reconcile(key: string): Promise<number | void> {
    const hpa = this.autoscalers.byKey(key);
    if (!hpa) {
      this.memories.delete(key);
      return;
    }
    const memory = this.memories.get(key) ?? { recommendations: [], changes: [] };
    this.memories.set(key, memory);
    const run = new Run(this.context, hpa, this.pods, memory);
    await run.scale();
    if (!sameStatus(hpa.status, run.status))
      await this.context.client.updateStatus(HorizontalPodAutoscalers, { ...hpa, status: run.status });
    return period;
  }
}

/** One look at one autoscaler. */
class Run {
  status: HorizontalPodAutoscaler["status"];
  private readonly context: ControllerContext;
  private readonly hpa: HorizontalPodAutoscaler;
  private readonly pods: Cache<Pod>;
  private readonly memory: Memory;
  private readonly now: number;

  constructor(context: ControllerContext, hpa: HorizontalPodAutoscaler, pods: Cache<Pod>, memory: Memory) {
    this.context = context;
    this.hpa = hpa;
    this.pods = pods;
    this.memory = memory;
    this.now = context.clock.now();
    this.status = { ...hpa.status };
  }

  async scale(): Promise<void> {
    const { spec, metadata } = this.hpa;
    const { kind, name, apiVersion = "v1" } = spec.scaleTargetRef;
    const target: Resource<Scale> | undefined = findKind(apiVersion, kind);
    let scale: Scale;
    try {
      if (!target?.subresources.scale) throw new Error(`no matches for kind "${kind}" in group "${apiVersion.split("/")[0]}"`);
      scale = await this.context.client.get(target, { namespace: metadata.namespace, name }, { subresource: "scale" });
    } catch (error) {
      this.warn("FailedGetScale", messageOf(error));
      this.condition(
        "AbleToScale",
        "False",
        "FailedGetScale",
        `the HPA controller was unable to get the target's current scale: ${messageOf(error)}`,
      );
      return;
    }
    this.condition("AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale");
    const current = scale.spec?.replicas ?? 0;
    const desired = await this.desired(current, scale.status?.selector ?? "");
    this.finish(current, desired?.replicas ?? this.status.desiredReplicas ?? 0);
    if (!desired || desired.replicas === current) return;
    await this.apply(target, scale, desired.replicas, desired.reason);
  }

  private async desired(current: number, selector: string): Promise<{ replicas: number; reason: string } | undefined> {
    const { minReplicas = 1, maxReplicas } = this.hpa.spec;
    if (current === 0 && minReplicas !== 0) {
      this.condition("ScalingActive", "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero");
      return { replicas: 0, reason: "" };
    }
    if (current > maxReplicas) return { replicas: maxReplicas, reason: "Current number of replicas above Spec.MaxReplicas" };
    if (current < minReplicas) return { replicas: minReplicas, reason: "Current number of replicas below Spec.MinReplicas" };
    const best = await this.measure(current, selector);
    if (!best) return undefined;
    const result = limit(this.hpa, this.memory, { current, desired: best.replicas, now: this.now });
    this.condition("AbleToScale", "True", result.able.reason, result.able.message);
    this.condition("ScalingLimited", result.isLimited ? "True" : "False", result.limited.reason, result.limited.message);
    const reason = result.replicas > current ? `${best.name} above target` : "All metrics below target";
    return { replicas: result.replicas, reason };
  }

  /** The largest proposal of all metrics; undefined when nothing can be said, or when one is missing and the others would scale down. */
  private async measure(current: number, selector: string): Promise<Found | undefined> {
    const found: Found[] = [];
    let failure: MetricError | undefined;
    for (const metric of this.hpa.spec.metrics ?? []) {
      try {
        found.push(await this.propose(metric, current, selector));
      } catch (error) {
        if (!(error instanceof MetricError)) throw error;
        this.warn(error.reason, error.message);
        failure ??= error;
      }
    }
    const best = found.sort((a, b) => b.replicas - a.replicas)[0];
    if (failure && (!best || best.replicas < current)) {
      const message = `the HPA was unable to compute the replica count: ${failure.message}`;
      this.condition("ScalingActive", "False", failure.reason, message);
      const count = (this.hpa.spec.metrics ?? []).length;
      const invalid = `invalid metrics (${count - found.length} invalid out of ${count}), first error is: ${failure.context}: ${failure.message}`;
      this.warn("FailedComputeMetricsReplicas", invalid);
      return undefined;
    }
    this.status.currentMetrics = found.map(({ status }) => status);
    if (best)
      this.condition(
        "ScalingActive",
        "True",
        "ValidMetricFound",
        `the HPA was able to successfully calculate a replica count from ${best.name}`,
      );
    return best;
  }

  private async propose(metric: MetricSpec, current: number, selector: string): Promise<Found> {
    const source = metric.resource ?? metric.containerResource;
    if (!source) {
      const kind = metric.type.toLowerCase();
      throw new MetricError(`FailedGet${metric.type}Metric`, `failed to get ${kind} metric value`, `no ${kind} metrics API is served`);
    }
    const container = metric.containerResource?.container;
    const reason = metric.resource ? "FailedGetResourceMetric" : "FailedGetContainerResourceMetric";
    const { namespace } = this.hpa.metadata;
    const matches = parseLabelSelector(selector);
    const pods = this.pods.list(namespace).filter(({ metadata }) => matches.matches(metadata.labels));
    const isUtilization = source.target.type !== "AverageValue";
    const failed = (why: string): MetricError => {
      const kind = metric.resource ? "resource" : "container resource";
      const what = isUtilization ? "utilization" : "usage";
      return new MetricError(reason, `failed to get ${source.name} ${kind} metric value`, `failed to get ${source.name} ${what}: ${why}`);
    };
    let metrics: PodMetrics[];
    try {
      metrics = (await this.context.client.list(podMetrics, { namespace, labelSelector: selector })).items;
    } catch (error) {
      const api = "unable to fetch metrics from resource metrics API";
      throw failed(`unable to get metrics for resource ${source.name}: ${api}: ${messageOf(error)}`);
    }
    let proposal: Proposal;
    try {
      const { name: resource, target } = source;
      proposal = proposeReplicas({ resource, container, target, pods, metrics, current, now: this.now });
    } catch (error) {
      throw failed(messageOf(error));
    }
    const { averageUtilization, averageValue } = proposal;
    const value = formatQuantity(quantityOfMilli(averageValue, source.name === "memory" ? "BinarySI" : "DecimalSI"));
    const now = { ...(averageUtilization === undefined ? {} : { averageUtilization }), averageValue: value };
    const status: MetricStatus = metric.containerResource
      ? { type: metric.type, containerResource: { name: source.name, container: metric.containerResource.container, current: now } }
      : { type: metric.type, resource: { name: source.name, current: now } };
    const kind = metric.resource ? `${source.name} resource` : `${source.name} container resource`;
    return { ...proposal, status, name: isUtilization ? `${kind} utilization (percentage of request)` : kind };
  }

  private async apply(target: Resource<Scale>, scale: Scale, replicas: number, reason: string): Promise<void> {
    const { client, events } = this.context;
    const before = scale.spec?.replicas ?? 0;
    try {
      await client.update(target, { ...scale, spec: { ...scale.spec, replicas } }, { subresource: "scale" });
    } catch (error) {
      events.event(this.hpa, "Warning", "FailedRescale", `New size: ${replicas}; reason: ${reason}; error: ${messageOf(error)}`);
      this.condition(
        "AbleToScale",
        "False",
        "FailedUpdateScale",
        `the HPA controller was unable to update the target scale: ${messageOf(error)}`,
      );
      return;
    }
    remember(this.memory, replicas - before, this.now);
    events.event(this.hpa, "Normal", "SuccessfulRescale", `New size: ${replicas}; reason: ${reason}`);
    this.condition("AbleToScale", "True", "SucceededRescale", `the HPA controller was able to update the target scale to ${replicas}`);
    this.status.lastScaleTime = formatTime(this.now);
  }

  private finish(current: number, desired: number): void {
    const sizes = { currentReplicas: current, desiredReplicas: desired };
    this.status = withoutZeros({ ...this.status, ...sizes }, "desiredReplicas");
  }

  private condition(type: string, status: string, reason: string, message: string): void {
    const condition: HorizontalPodAutoscalerCondition = { type, status, reason, message };
    this.status.conditions = [...setCondition(this.status.conditions, condition, formatTime(this.now))];
  }

  private warn(reason: string, message: string): void {
    this.context.events.event(this.hpa, "Warning", reason, message);
  }
}
