import type { HorizontalPodAutoscaler, HPAScalingRules } from "../../api/types/autoscaling.v2.ts";

/** Pure: how far a recommendation may be followed: stabilization, policies, minimum and maximum. Times in milliseconds. */

/** What an autoscaler remembers: in memory only, as upstream. */
export interface Memory {
  recommendations: { at: number; replicas: number }[];
  /** How many replicas were added (or removed, negative), and when. */
  changes: { at: number; by: number }[];
}

/** A condition's reason and message. */
export interface Why {
  reason: string;
  message: string;
}

/** The number to scale to, and why it is not what the metrics ask for. */
export interface Limited {
  replicas: number;
  /** AbleToScale. */
  able: Why;
  /** ScalingLimited, true when `isLimited`. */
  limited: Why;
  isLimited: boolean;
}

const defaults: Record<"scaleUp" | "scaleDown", Required<Omit<HPAScalingRules, "tolerance">>> = {
  scaleUp: {
    stabilizationWindowSeconds: 0,
    selectPolicy: "Max",
    policies: [
      { type: "Pods", value: 4, periodSeconds: 15 },
      { type: "Percent", value: 100, periodSeconds: 15 },
    ],
  },
  scaleDown: { stabilizationWindowSeconds: 300, selectPolicy: "Max", policies: [{ type: "Percent", value: 100, periodSeconds: 15 }] },
};

/** Bounds what the metrics ask for, and notes it in the memory. */
export function limit(
  { spec }: HorizontalPodAutoscaler,
  memory: Memory,
  { current, desired, now }: { current: number; desired: number; now: number },
): Limited {
  const up = { ...defaults.scaleUp, ...spec.behavior?.scaleUp };
  const down = { ...defaults.scaleDown, ...spec.behavior?.scaleDown };
  const stable = stabilize(memory, { current, desired, now, up: up.stabilizationWindowSeconds, down: down.stabilizationWindowSeconds });
  const able =
    stable === desired
      ? { reason: "ReadyForNewScale", message: "recommended size matches current size" }
      : stable > desired
        ? {
            reason: "ScaleDownStabilized",
            message: "recent recommendations were higher than current one, applying the highest recent recommendation",
          }
        : {
            reason: "ScaleUpStabilized",
            message: "recent recommendations were lower than current one, applying the lowest recent recommendation",
          };
  const minimum = spec.minReplicas ?? 1;
  const ceiling = stable > current ? Math.max(current, reach(up, memory, current, now, 1)) : Number.POSITIVE_INFINITY;
  const floor = stable < current ? Math.min(current, reach(down, memory, current, now, -1)) : 0;
  const bound = (replicas: number, reason: string, message: string): Limited => ({
    replicas,
    able,
    limited: { reason, message },
    isLimited: true,
  });
  if (stable > Math.min(ceiling, spec.maxReplicas))
    return ceiling < spec.maxReplicas
      ? bound(ceiling, "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
      : bound(spec.maxReplicas, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
  if (stable < Math.max(floor, minimum))
    return floor > minimum
      ? bound(floor, "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
      : bound(minimum, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
  const limited = { reason: "DesiredWithinRange", message: "the desired count is within the acceptable range" };
  return { replicas: stable, able, limited, isLimited: false };
}

/** Scaling up follows the lowest, scaling down the highest recommendation of its window. */
function stabilize(
  memory: Memory,
  { current, desired, now, up, down }: { current: number; desired: number; now: number; up: number; down: number },
): number {
  let lowest = desired;
  let highest = desired;
  for (const { at, replicas } of memory.recommendations) {
    if (at > now - up * 1000) lowest = Math.min(lowest, replicas);
    if (at > now - down * 1000) highest = Math.max(highest, replicas);
  }
  const longest = Math.max(up, down) * 1000;
  memory.recommendations = [...memory.recommendations.filter(({ at }) => at > now - longest), { at: now, replicas: desired }];
  return Math.min(Math.max(current, lowest), highest);
}

/** How far the policies let it go in that direction (1 or -1) from where it was at the beginning of their period. */
function reach(rules: typeof defaults.scaleUp, memory: Memory, current: number, now: number, direction: 1 | -1): number {
  if (rules.selectPolicy === "Disabled") return current;
  const bounds = rules.policies.map(({ type, value, periodSeconds }) => {
    const changes = memory.changes.filter(({ at, by }) => at > now - periodSeconds * 1000 && Math.sign(by) === direction);
    const start = current - changes.reduce((sum, { by }) => sum + by, 0);
    if (type === "Pods") return start + direction * value;
    const scaled = start * (1 + (direction * value) / 100);
    return direction > 0 ? Math.ceil(scaled) : Math.floor(scaled);
  });
  const boldest = (rules.selectPolicy === "Max") === direction > 0;
  return boldest ? Math.max(...bounds) : Math.min(...bounds);
}

/** Notes a change that was made. */
export function remember(memory: Memory, by: number, now: number): void {
  // No policy looks back further than 30 minutes.
  memory.changes = [...memory.changes.filter(({ at }) => at > now - 1_800_000), { at: now, by }];
}
