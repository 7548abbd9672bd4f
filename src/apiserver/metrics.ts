import type { ServerResponse } from "node:http";
import { Counter, Gauge, Histogram, Registry as PrometheusRegistry } from "prom-client";
import type { Clock } from "../lib/clock.ts";
import type { Store } from "../store/store.ts";
import type { Registry } from "./registry.ts";
import type { RequestPath } from "./request-path.ts";

/** What /metrics shows of the API server, under the names that dashboards for Kubernetes know. */
export class Metrics {
  private readonly registry = new PrometheusRegistry();
  private readonly clock: Clock;
  private readonly requests: Counter<"verb" | "group" | "version" | "resource" | "subresource" | "scope" | "code">;
  private readonly durations: Histogram<"verb" | "group" | "version" | "resource" | "subresource" | "scope">;
  private readonly watches: Gauge<"group" | "version" | "resource">;
  private readonly inFlight: Gauge<"request_kind">;

  constructor(clock: Clock, store: Store, resources: Registry) {
    this.clock = clock;
    const registers = [this.registry];
    const labels = ["verb", "group", "version", "resource", "subresource", "scope"] as const;
    this.requests = new Counter({
      name: "apiserver_request_total",
      help: "Counter of apiserver requests broken out for each verb, group, version, resource, scope and HTTP response code.",
      labelNames: [...labels, "code"],
      registers,
    });
    this.durations = new Histogram({
      name: "apiserver_request_duration_seconds",
      help: "Response latency distribution in seconds for each verb, group, version, resource, subresource and scope.",
      labelNames: labels,
      buckets: [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60],
      registers,
    });
    this.watches = new Gauge({
      name: "apiserver_longrunning_requests",
      help: "Gauge of all active long-running apiserver requests.",
      labelNames: ["group", "version", "resource"],
      registers,
    });
    this.inFlight = new Gauge({
      name: "apiserver_current_inflight_requests",
      help: "Number of currently used inflight request limit of this apiserver by request kind.",
      labelNames: ["request_kind"],
      registers,
    });
    new Gauge({
      name: "apiserver_storage_objects",
      help: "Number of stored objects by kind.",
      labelNames: ["resource"],
      registers,
      collect() {
        this.reset();
        for (const groupVersion of resources.groupVersions())
          for (const { info, storage, virtual } of resources.resources(groupVersion))
            if (!virtual) this.set({ resource: info.group ? `${info.plural}.${info.group}` : info.plural }, store.count(storage));
      },
    });
    processMetrics(registers);
  }

  /** Counts a request; call the result when it has been answered. */
  begin(path: RequestPath, method: string, response: ServerResponse): () => void {
    const start = this.clock.now();
    const { group, version, resource, subresource } = path;
    const verb = path.isResource ? path.verb.toUpperCase() : method;
    const scope = !path.isResource ? "" : path.name ? "resource" : path.namespace ? "namespace" : "cluster";
    const labels = { verb, group, version, resource, subresource, scope };
    const isLong = verb === "WATCH";
    const kind = { request_kind: ["GET", "LIST", "WATCH", "HEAD"].includes(verb) ? "readOnly" : "mutating" };
    if (isLong) this.watches.inc({ group, version, resource });
    else this.inFlight.inc(kind);
    let done = false;
    const finish = (): void => {
      if (done) return;
      done = true;
      this.requests.inc({ ...labels, code: String(response.statusCode) });
      if (isLong) this.watches.dec({ group, version, resource });
      else {
        this.inFlight.dec(kind);
        this.durations.observe(labels, (this.clock.now() - start) / 1000);
      }
    };
    if (!isLong) return finish;
    response.on("close", finish);
    return () => {};
  }

  /** The text of /metrics, and its content type. */
  async text(): Promise<{ text: string; contentType: string }> {
    return { text: await this.registry.metrics(), contentType: this.registry.contentType };
  }
}

/** The process itself. prom-client's own collectors keep a timer running; these look only when asked. */
function processMetrics(registers: PrometheusRegistry[]): void {
  const show = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  show("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  show("process_resident_memory_bytes", "Resident memory size in bytes.", () => process.memoryUsage.rss());
  show("nodejs_heap_size_used_bytes", "Process heap size used from Node.js in bytes.", () => process.memoryUsage().heapUsed);
  show("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", () => performance.timeOrigin / 1000);
}
