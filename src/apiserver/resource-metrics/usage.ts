import type { ContainerSample, NodeSample, Sample } from "./samples.ts";

/** What was used in the time between two samples. */
export interface Usage {
  cpuNanoCores: number;
  memoryBytes: number;
  /** When the window ends; milliseconds since 1970. */
  at: number;
  /** Its length in milliseconds. */
  window: number;
}

/** One container's usage. */
export interface ContainerUsage extends Usage {
  name: string;
}

/** What a node and the pods on it use. */
export interface NodeUsage {
  node: Usage | undefined;
  /** By "namespace/pod". */
  pods: ReadonlyMap<string, ContainerUsage[]>;
}

/** What was used between two samples of a node. A container that has started since then is measured from its start. */
export function usageBetween(before: NodeSample, after: NodeSample): NodeUsage {
  const pods = new Map<string, ContainerUsage[]>();
  for (const [key, container] of after.containers) {
    const usage = between(startOf(before.containers.get(key), container), container.usage);
    if (!usage) continue;
    const pod = `${container.namespace}/${container.pod}`;
    const siblings = pods.get(pod);
    const named = { name: container.name, ...usage };
    if (siblings) siblings.push(named);
    else pods.set(pod, [named]);
  }
  return { node: before.node && after.node && between(before.node, after.node), pods };
}

/** The sample to compare with: the one before, unless the container has begun again since it was taken. */
function startOf(before: ContainerSample | undefined, { usage, startedAt }: ContainerSample): Sample | undefined {
  if (before && before.usage.at >= startedAt && before.usage.cpuSeconds <= usage.cpuSeconds) return before.usage;
  return startedAt > 0 ? { at: startedAt, cpuSeconds: 0, memoryBytes: 0 } : undefined;
}

function between(before: Sample | undefined, { at, cpuSeconds, memoryBytes }: Sample): Usage | undefined {
  if (!before || at <= before.at || cpuSeconds < before.cpuSeconds) return undefined;
  const window = at - before.at;
  return { cpuNanoCores: Math.round(((cpuSeconds - before.cpuSeconds) * 1e12) / window), memoryBytes, at, window };
}

/** The usage of all parts together: of a pod, from its containers'. The window is the shortest one that holds for all of them. */
export function totalUsage(parts: readonly Usage[]): Usage {
  const sum = (of: (part: Usage) => number): number => parts.reduce((total, part) => total + of(part), 0);
  const at = Math.max(...parts.map((part) => part.at));
  const window = Math.max(...parts.map((part) => part.window));
  return { cpuNanoCores: sum((part) => part.cpuNanoCores), memoryBytes: sum((part) => part.memoryBytes), at, window };
}
