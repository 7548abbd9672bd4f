import type { ServerContext } from "./server-context.ts";
import type { ContainerReading, PodReading, Readings } from "./stats.ts";

/** The text of /metrics/resource: what metrics-server reads. */
export function serveResourceMetrics({ node, pods }: Readings, _context: Pick<ServerContext, "nodeName">): string {
  const out = new Exposition();
  out.family("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the container in core-seconds");
  each(pods, (labels, r) => out.sample(labels, r.stats.cpuNanoseconds / 1e9, r.stats.at));
  out.family("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes");
  each(pods, (labels, r) => out.sample(labels, r.stats.memoryWorkingSetBytes, r.stats.at));
  out.family("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds");
  each(pods, (labels, r) => out.sample(labels, r.container.startedAt / 1000));
  out.family("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds");
  out.sample({}, node.cpuNanoseconds / 1e9, node.at);
  out.family("node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes");
  out.sample({}, node.memoryWorkingSet, node.at);
  out.family("pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds");
  for (const p of pods) out.sample(podLabels(p), p.containers.reduce((sum, r) => sum + r.stats.cpuNanoseconds, 0) / 1e9);
  out.family("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes");
  for (const p of pods)
    out.sample(
      podLabels(p),
      p.containers.reduce((sum, r) => sum + r.stats.memoryWorkingSetBytes, 0),
    );
  out.family("resource_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise");
  out.sample({}, 0);
  return out.text;
}

/** The text of /metrics/cadvisor: the series that dashboards use. */
export function serveCadvisor({ node, pods }: Readings): string {
  const out = new Exposition();
  const container = (name: string, type: string, help: string, value: (r: ContainerReading) => number): void => {
    out.family(name, type, help);
    each(pods, (labels, r) => out.sample({ ...labels, image: r.container.image, id: `/docker/${r.container.id}` }, value(r), r.stats.at));
  };
  container(
    "container_cpu_usage_seconds_total",
    "counter",
    "Cumulative cpu time consumed in seconds.",
    (r) => r.stats.cpuNanoseconds / 1e9,
  );
  container("container_memory_usage_bytes", "gauge", "Current memory usage in bytes.", (r) => r.stats.memoryUsageBytes);
  container("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", (r) => r.stats.memoryWorkingSetBytes);
  container("container_memory_rss", "gauge", "Size of RSS in bytes.", (r) => r.stats.memoryRssBytes);
  for (const [name, of] of [
    ["container_network_receive_bytes_total", "rxBytes"],
    ["container_network_transmit_bytes_total", "txBytes"],
  ] as const) {
    out.family(name, "counter", "Cumulative count of bytes.");
    for (const p of pods) if (p.network) out.sample({ ...podLabels(p), interface: "eth0" }, p.network[of]);
  }
  out.family("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.");
  out.sample({}, node.memoryTotal);
  return out.text;
}

function each(pods: readonly PodReading[], call: (labels: Record<string, string>, r: ContainerReading) => void): void {
  for (const p of pods) for (const r of p.containers) call({ container: r.container.name, ...podLabels(p) }, r);
}

function podLabels({ pod }: PodReading): Record<string, string> {
  return { namespace: pod.metadata.namespace, pod: pod.metadata.name };
}

/** Prometheus' text format. */
class Exposition {
  text = "";
  private name = "";

  family(name: string, type: string, help: string): void {
    this.name = name;
    this.text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  sample(labels: Record<string, string>, value: number, at?: number): void {
    const list = Object.entries(labels).map(([k, v]) => `${k}="${v.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`))}"`);
    this.text += `${this.name}${list.length > 0 ? `{${list.join(",")}}` : ""} ${value}${at === undefined ? "" : ` ${at}`}\n`;
  }
}
