/** What one container had used up to a time. */
export interface ContainerSample {
  namespace: string;
  pod: string;
  name: string;
  usage: Sample;
  /** Milliseconds since 1970. */
  startedAt: number;
}

/** Counted CPU and present memory at a time. */
export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  cpuSeconds: number;
  memoryBytes: number;
}

/** One answer of a kubelet. */
export interface NodeSample {
  node: Sample | undefined;
  /** By "namespace/pod/container". */
  containers: ReadonlyMap<string, ContainerSample>;
}

/** A container while its lines are read. */
interface Found extends Partial<Sample> {
  labels: Record<string, string | undefined>;
  startedAt?: number;
}

const line = /^(\w+)(?:\{([^}]*)\})? (\S+)(?: (\d+))?$/gm;
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/**
 * Reads a kubelet's /metrics/resource (KEP-727). `now` in milliseconds is the time of samples that carry none. What is unknown is left
 * out; so are containers without a CPU count.
 */
export function parseResourceMetrics(text: string, now: number): NodeSample {
  let node: Partial<Sample> | undefined;
  const containers = new Map<string, Found>();
  for (const [, metric = "", labelText = "", value, at] of text.matchAll(line)) {
    const time = at === undefined ? now : Number(at);
    if (metric === "node_cpu_usage_seconds_total") node = { ...node, cpuSeconds: Number(value), at: time };
    else if (metric === "node_memory_working_set_bytes") node = { ...node, memoryBytes: Number(value) };
    if (!metric.startsWith("container_")) continue;
    const labels: Found["labels"] = Object.fromEntries([...labelText.matchAll(label)].map(([, name, content]) => [name, content]));
    const key = `${labels["namespace"]}/${labels["pod"]}/${labels["container"]}`;
    const found: Found = containers.get(key) ?? { labels };
    containers.set(key, found);
    if (metric === "container_cpu_usage_seconds_total") Object.assign(found, { cpuSeconds: Number(value), at: time });
    else if (metric === "container_memory_working_set_bytes") found.memoryBytes = Number(value);
    else if (metric === "container_start_time_seconds") found.startedAt = Number(value) * 1000;
  }
  const samples = new Map<string, ContainerSample>();
  for (const [key, { labels, startedAt = 0, ...usage }] of containers) {
    const { namespace = "", pod = "", container: name = "" } = labels;
    if (isComplete(usage)) samples.set(key, { namespace, pod, name, usage, startedAt });
  }
  return { node: node && isComplete(node) ? node : undefined, containers: samples };
}

function isComplete(sample: Partial<Sample>): sample is Sample {
  return sample.at !== undefined && Number.isFinite(sample.cpuSeconds) && Number.isFinite(sample.memoryBytes);
}
