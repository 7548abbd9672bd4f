import { describe, expect, it } from "vitest";
import { parseResourceMetrics } from "../../../../src/apiserver/resource-metrics/samples.ts";
import { totalUsage, usageBetween } from "../../../../src/apiserver/resource-metrics/usage.ts";

interface Figures {
  at: number;
  cpu: number;
  memory?: number;
  startedAt?: number;
}

const text = ({ at, cpu, memory = 2048, startedAt = 1 }: Figures): string =>
  [
    "# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed by the container in core-seconds",
    "# TYPE container_cpu_usage_seconds_total counter",
    `container_cpu_usage_seconds_total{container="app",namespace="default",pod="web"} ${cpu} ${at}`,
    `container_memory_working_set_bytes{container="app",namespace="default",pod="web"} ${memory} ${at}`,
    `container_start_time_seconds{container="app",namespace="default",pod="web"} ${startedAt / 1000}`,
    `node_cpu_usage_seconds_total ${cpu * 2} ${at}`,
    `node_memory_working_set_bytes 1e+06 ${at}`,
    "scrape_error 0",
  ].join("\n");

const usage = (before: Figures, after: Figures) =>
  usageBetween(parseResourceMetrics(text(before), 0), parseResourceMetrics(text(after), 0));

describe("usage between two answers of a kubelet", () => {
  it("is the CPU counted between them, and the memory of the later one", () => {
    const { node, pods } = usage({ at: 10_000, cpu: 1 }, { at: 14_000, cpu: 2, memory: 4096 });
    expect(pods.get("default/web")).toEqual([{ name: "app", cpuNanoCores: 250_000_000, memoryBytes: 4096, at: 14_000, window: 4000 }]);
    expect(node).toEqual({ cpuNanoCores: 500_000_000, memoryBytes: 1_000_000, at: 14_000, window: 4000 });
  });

  it("measures a container that began again from its start, not below zero", () => {
    const { pods } = usage({ at: 10_000, cpu: 50 }, { at: 14_000, cpu: 1, startedAt: 12_000 });
    expect(pods.get("default/web")).toMatchObject([{ cpuNanoCores: 500_000_000, window: 2000 }]);
  });

  it("says nothing of containers that the kubelet counts no CPU of", () => {
    const sample = parseResourceMetrics('container_memory_working_set_bytes{container="a",namespace="b",pod="c"} 1 2\n', 5);
    expect(sample).toEqual({ node: undefined, containers: new Map() });
  });

  it("adds up containers to their pod", () => {
    const one = { cpuNanoCores: 5, memoryBytes: 10, at: 100, window: 10 };
    expect(totalUsage([one, { ...one, cpuNanoCores: 7, at: 90, window: 20 }])).toEqual({
      cpuNanoCores: 12,
      memoryBytes: 20,
      at: 100,
      window: 20,
    });
  });
});
