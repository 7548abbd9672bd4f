import { milliValue } from "../../api/meta/quantity.ts";
import type { MetricTarget } from "../../api/types/autoscaling.v2.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import type { PodMetrics } from "../../api/types/metrics.v1beta1.ts";
import { podCondition } from "../pod-state.ts";

/**
 * Pure: how many replicas a resource metric asks for.
 * https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
 */

/** Changes smaller than this part of the target are left alone. */
const tolerance = 0.1;
/** A pod's CPU in its first 5 minutes counts only while it is ready; pods that were never ready are given 30 seconds. Milliseconds. */
const initialization = 300_000;
const initialReadiness = 30_000;

/** What a metric is reckoned from. Times in milliseconds. */
export interface Sample {
  /** "cpu" or "memory". */
  resource: string;
  /** Only this container, else all. */
  container?: string | undefined;
  target: MetricTarget;
  pods: readonly Pod[];
  metrics: readonly PodMetrics[];
  /** The replicas that are there now. */
  current: number;
  now: number;
}

/** What a metric asks for. */
export interface Proposal {
  replicas: number;
  /** The usage of a pod on average in thousandths (millicores), and in percent of its request where that is the target. */
  averageValue: number;
  averageUtilization?: number;
}

interface Groups {
  /** Usage in thousandths by pod, of pods that count. */
  usage: Map<string, number>;
  unready: Set<string>;
  missing: Set<string>;
}

/** The proposal. Throws in upstream's words when there is nothing to reckon with. */
export function proposeReplicas(sample: Sample): Proposal {
  const { resource, target, current, pods } = sample;
  const groups = group(sample);
  if (groups.usage.size === 0) throw new Error("did not receive metrics for targeted pods (pods might be unready)");
  if (target.type === "AverageValue") return byValue(groups, milliValue(target.averageValue ?? "0"), current);
  const requests = requestsOf(pods, resource, sample.container);
  const wanted = target.averageUtilization ?? 80;
  const utilization = (usage: ReadonlyMap<string, number>): number => percent(usage, requests);
  const now = utilization(groups.usage);
  // Pods without metrics count as exactly at their request (or the target) when scaling down, as idle when scaling up.
  const assumed = (name: string): number => ((requests.get(name) ?? 0) * Math.max(100, wanted)) / 100;
  const replicas = decide(groups, { current, ratio: now / wanted, again: (usage) => utilization(usage) / wanted, assumed });
  return { replicas, averageValue: mean(groups.usage), averageUtilization: now };
}

function byValue(groups: Groups, wanted: number, current: number): Proposal {
  const average = mean(groups.usage);
  const replicas = decide(groups, { current, ratio: average / wanted, again: (usage) => mean(usage) / wanted, assumed: () => wanted });
  return { replicas, averageValue: average };
}

interface Ratio {
  current: number;
  ratio: number;
  again: (usage: ReadonlyMap<string, number>) => number;
  assumed: (name: string) => number;
}

function decide({ usage, unready, missing }: Groups, { current, ratio, again, assumed }: Ratio): number {
  const scaleUp = ratio > 1;
  if (missing.size === 0 && !(scaleUp && unready.size > 0)) return isSmall(ratio) ? current : Math.ceil(round(ratio * usage.size));
  const all = new Map(usage);
  for (const name of missing) all.set(name, scaleUp ? 0 : assumed(name));
  if (scaleUp) for (const name of unready) all.set(name, 0);
  const careful = again(all);
  const turned = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1);
  if (isSmall(careful) || turned) return current;
  const replicas = Math.ceil(round(careful * all.size));
  return (careful < 1 && replicas > current) || (careful > 1 && replicas < current) ? current : replicas;
}

/** Takes away the error of binary fractions, so that 1.1 * 10 is 11 and not a little more. */
function round(value: number): number {
  return Number(value.toFixed(9));
}

function isSmall(ratio: number): boolean {
  return Math.abs(1 - ratio) <= tolerance;
}

function group({ pods, metrics, resource, container, now }: Sample): Groups {
  const byName = new Map(metrics.map((metric) => [metric.metadata.name, metric]));
  const groups: Groups = { usage: new Map(), unready: new Set(), missing: new Set() };
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp || pod.status.phase === "Failed") continue;
    const metric = byName.get(name);
    const used = metric && usageOf(metric, resource, container);
    if (pod.status.phase === "Pending") groups.unready.add(name);
    else if (!metric || used === undefined) groups.missing.add(name);
    else if (resource === "cpu" && !cpuCounts(pod, metric, now)) groups.unready.add(name);
    else groups.usage.set(name, used);
  }
  return groups;
}

/** Starting takes CPU that says nothing of the load. */
function cpuCounts(pod: Pod, metric: PodMetrics, now: number): boolean {
  const ready = podCondition(pod, "Ready");
  if (!ready || !pod.status.startTime) return false;
  const start = Date.parse(pod.status.startTime);
  const since = Date.parse(ready.lastTransitionTime ?? pod.status.startTime);
  if (now < start + initialization) return ready.status !== "False" && Date.parse(metric.timestamp) >= since + windowOf(metric);
  return !(ready.status === "False" && start + initialReadiness > since);
}

function windowOf({ window }: PodMetrics): number {
  return (Number.parseFloat(window) || 0) * 1000;
}

function usageOf({ containers }: PodMetrics, resource: string, container: string | undefined): number | undefined {
  let sum = 0;
  const chosen = containers.filter(({ name }) => container === undefined || name === container);
  for (const { usage } of chosen) {
    const quantity = usage[resource];
    if (quantity === undefined) return undefined;
    sum += milliValue(quantity);
  }
  return chosen.length ? sum : undefined;
}

function requestsOf(pods: readonly Pod[], resource: string, container: string | undefined): Map<string, number> {
  const requests = new Map<string, number>();
  for (const { metadata, spec } of pods) {
    const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
    let sum = 0;
    for (const { name, resources } of [...spec.containers, ...sidecars]) {
      if (container !== undefined && name !== container) continue;
      const request = resources?.requests?.[resource];
      if (request === undefined) throw new Error(`missing request for ${resource} in container ${name} of Pod ${metadata.name}`);
      sum += milliValue(request);
    }
    requests.set(metadata.name, sum);
  }
  return requests;
}

function percent(usage: ReadonlyMap<string, number>, requests: ReadonlyMap<string, number>): number {
  let used = 0;
  let requested = 0;
  for (const [name, value] of usage) {
    used += value;
    requested += requests.get(name) ?? 0;
  }
  if (requested === 0) throw new Error("no metrics returned matched known pods");
  return Math.floor((used * 100) / requested);
}

function mean(usage: ReadonlyMap<string, number>): number {
  return Math.floor([...usage.values()].reduce((a, b) => a + b, 0) / usage.size);
}
