import type { ServerResponse } from "node:http";
import type { Clock } from "../lib/clock.ts";
import type { Store } from "../store/store.ts";
import type { Registry } from "./registry.ts";
import type { RequestPath } from "./request-path.ts";

/** Seconds. */
const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60];

const nothing = { group: "", version: "", resource: "", subresource: "" };

/** All requests that look alike to whoever reads the metrics. */
interface Series {
  labels: Readonly<Record<string, string>>;
  isLong: boolean;
  isReadOnly: boolean;
  running: number;
  codes: Map<number, number>;
  /** How many took up to as long as each bucket, and longer than the bucket before. */
  durations: number[];
  count: number;
  seconds: number;
}

/** One value, with what tells it apart from others of its metric, and what its name has at the end. */
export type Sample = [labels: Readonly<Record<string, string | number>>, value: number, suffix?: string];

/**
 * What /metrics shows of the API server, under the names that dashboards for Kubernetes know, in the text format of Prometheus. A request
 * costs one look-up; everything else is done when somebody reads.
 */
export class Metrics {
  private readonly clock: Clock;
  private readonly store: Store;
  private readonly resources: Registry;
  private readonly more: (() => string[]) | undefined;
  private readonly series = new Map<string, Series>();

  /** `more` gives families of other parts. */
  constructor(clock: Clock, store: Store, resources: Registry, more?: () => string[]) {
    this.clock = clock;
    this.store = store;
    this.resources = resources;
    this.more = more;
  }

  /** Counts a request; call the result when it has been answered. */
  begin(path: RequestPath, method: string, response: ServerResponse): () => void {
    const start = this.clock.now();
    const series = this.seriesOf(path, method);
    series.running++;
    let done = false;
    const finish = (): void => {
      if (done) return;
      done = true;
      const code = response.statusCode;
      series.running--;
      series.codes.set(code, (series.codes.get(code) ?? 0) + 1);
      if (series.isLong) return;
      const seconds = (this.clock.now() - start) / 1000;
      const bucket = buckets.findIndex((bound) => seconds <= bound);
      if (bucket >= 0) series.durations[bucket] = (series.durations[bucket] ?? 0) + 1;
      series.count++;
      series.seconds += seconds;
    };
    if (!series.isLong) return finish;
    response.on("close", finish);
    return () => {};
  }

  private seriesOf(path: RequestPath, method: string): Series {
    const { group, version, resource, subresource, isResource } = path;
    const verb = isResource ? path.verb : method;
    const scope = !isResource ? "" : path.name ? "resource" : path.namespace ? "namespace" : "cluster";
    const id = `${verb} ${scope} ${group}/${version}/${resource}/${subresource}`;
    let series = this.series.get(id);
    if (!series) {
      // What anybody can make up is one series: each takes memory for good.
      if (isResource && !this.isServed(path)) return this.seriesOf({ ...path, ...nothing, isResource: false }, method);
      const name = verb.toUpperCase();
      series = {
        labels: { verb: name, group, version, resource, subresource, scope },
        isLong: name === "WATCH",
        isReadOnly: ["GET", "LIST", "WATCH", "HEAD"].includes(name),
        running: 0,
        codes: new Map(),
        durations: buckets.map(() => 0),
        count: 0,
        seconds: 0,
      };
      this.series.set(id, series);
    }
    return series;
  }

  private isServed({ groupVersion, resource, subresource }: RequestPath): boolean {
    const handler = this.resources.find(groupVersion, resource);
    if (!handler || !subresource) return handler !== undefined;
    return handler.subresources.has(subresource) || Object.hasOwn(handler.info.subresources, subresource);
  }

  /** The text of /metrics. */
  page(): { body: string; contentType: string } {
    const all = [...this.series.values()];
    const inFlight = (isReadOnly: boolean): number =>
      all.reduce((sum, one) => sum + (one.isLong || one.isReadOnly !== isReadOnly ? 0 : one.running), 0);
    const families = [
      family(
        "apiserver_request_total",
        "counter",
        "Counter of apiserver requests broken out for each verb, group, version, resource, scope and HTTP response code.",
        all.flatMap(({ labels, codes }) => [...codes].map(([code, count]): Sample => [{ ...labels, code }, count])),
      ),
      family(
        "apiserver_request_duration_seconds",
        "histogram",
        "Response latency distribution in seconds for each verb, group, version, resource, subresource and scope.",
        all.filter(({ isLong }) => !isLong).flatMap(histogram),
      ),
      family(
        "apiserver_longrunning_requests",
        "gauge",
        "Gauge of all active long-running apiserver requests.",
        all.filter(({ isLong }) => isLong).map(({ labels, running }) => [labels, running]),
      ),
      family(
        "apiserver_current_inflight_requests",
        "gauge",
        "Number of currently used inflight request limit of this apiserver by request kind.",
        [
          [{ request_kind: "mutating" }, inFlight(false)],
          [{ request_kind: "readOnly" }, inFlight(true)],
        ],
      ),
      family("apiserver_storage_objects", "gauge", "Number of stored objects by kind.", this.storedObjects()),
      ...processFamilies(this.store),
      ...(this.more?.() ?? []),
    ];
    return { body: families.join(""), contentType: "text/plain; version=0.0.4; charset=utf-8" };
  }

  private storedObjects(): Sample[] {
    return this.resources
      .groupVersions()
      .flatMap((groupVersion) => this.resources.resources(groupVersion))
      .filter(({ virtual }) => !virtual)
      .map(({ info, storage }) => [{ resource: info.group ? `${info.plural}.${info.group}` : info.plural }, this.store.count(storage)]);
  }
}

function histogram({ labels, durations, count, seconds }: Series): Sample[] {
  let sum = 0;
  const upTo = buckets.map((le, i): Sample => [{ ...labels, le }, (sum += durations[i] ?? 0), "_bucket"]);
  return [...upTo, [{ ...labels, le: "+Inf" }, count, "_bucket"], [labels, seconds, "_sum"], [labels, count, "_count"]];
}

function processFamilies({ counts: { batches, syncs }, past }: Store): string[] {
  const { bytes, since = 0 } = past.facts();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  // Counted in blocks of 512 bytes.
  const written = process.resourceUsage().fsWrite * 512;
  const show = (name: string, help: string, value: number, type = "gauge"): string => family(name, type, help, [[{}, value]]);
  return [
    show("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", (user + system) / 1e6, "counter"),
    show("process_resident_memory_bytes", "Resident memory size in bytes.", rss),
    show("nodejs_heap_size_used_bytes", "Process heap size used from Node.js in bytes.", heapUsed),
    show("hue_written_bytes_total", "Bytes that the whole process has sent to disks.", written, "counter"),
    show("hue_store_batches_total", "Transactions of the store.", batches, "counter"),
    show("hue_store_fsyncs_total", "Calls of fsync by the store.", syncs, "counter"),
    show("hue_history_bytes", "About how many bytes the past takes on the disk.", bytes),
    show("hue_history_start_time_seconds", "From when on the past is kept, since unix epoch in seconds.", since / 1000),
    show("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", performance.timeOrigin / 1000),
  ];
}

/** One metric with its samples; a resource that two group versions serve is told once. */
export function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const lines = new Set([`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]);
  for (const [labels, value, suffix = ""] of samples) {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(String(text))}`);
    lines.add(`${name}${suffix}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`);
  }
  return `${[...lines].join("\n")}\n`;
}
