import { family, type Sample } from "../metrics.ts";
import type { FlowCounts, PriorityLevel } from "./priority-level.ts";

interface Counted {
  schema: { metadata: { name: string } };
  level: PriorityLevel;
  counts: FlowCounts;
}

const seatsHelp = "(number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests";

/** The families apiserver_flowcontrol_*, under upstream's names. */
export function fairnessMetrics(levels: readonly PriorityLevel[], flows: readonly Counted[]): string[] {
  const name = (suffix: string): string => `apiserver_flowcontrol_${suffix}`;
  const ofFlows = (value: (counts: FlowCounts) => number): Sample[] =>
    flows.map(({ schema, level, counts }) => [{ flow_schema: schema.metadata.name, priority_level: level.name }, value(counts)]);
  const ofLevels = (suffix: string, help: string, value: (level: PriorityLevel) => number): string =>
    family(
      name(suffix),
      "gauge",
      help,
      levels.map((level): Sample => [{ priority_level: level.name }, value(level)]),
    );
  const rejected = flows.flatMap(({ schema, level, counts }) =>
    [...counts.rejected].map(
      ([reason, count]): Sample => [{ flow_schema: schema.metadata.name, priority_level: level.name, reason }, count],
    ),
  );
  const help = (what: string): string => `${what} API Priority and Fairness subsystem`;
  return [
    family(
      name("dispatched_requests_total"),
      "counter",
      help("Number of requests executed by"),
      ofFlows(({ dispatched }) => dispatched),
    ),
    family(name("rejected_requests_total"), "counter", help("Number of requests rejected by"), rejected),
    family(
      name("current_inqueue_requests"),
      "gauge",
      help("Number of requests currently pending in queues of the"),
      ofFlows(({ waiting }) => waiting),
    ),
    family(
      name("current_inqueue_seats"),
      "gauge",
      help("Number of seats currently pending in queues of the"),
      ofFlows(({ seatsWaiting }) => seatsWaiting),
    ),
    family(
      name("current_executing_requests"),
      "gauge",
      help("Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the"),
      ofFlows(({ executing }) => executing),
    ),
    family(
      name("current_executing_seats"),
      "gauge",
      help(`Concurrency ${seatsHelp} in the`),
      ofFlows(({ seatsInUse }) => seatsInUse),
    ),
    ofLevels("nominal_limit_seats", "Nominal number of execution seats configured for each priority level", ({ bounds }) => bounds.nominal),
    ofLevels(
      "lower_limit_seats",
      "Configured lower bound on number of execution seats available to each priority level",
      ({ bounds }) => bounds.min,
    ),
    ofLevels(
      "upper_limit_seats",
      "Configured upper bound on number of execution seats available to each priority level",
      ({ bounds }) => bounds.max,
    ),
    ofLevels("current_limit_seats", "current derived number of execution seats available to each priority level", ({ limit }) => limit),
    ofLevels(
      "demand_seats_high_watermark",
      "High watermark, over last adjustment period, of demand_seats",
      ({ demand }) => demand.highWatermark,
    ),
    ofLevels("demand_seats_smoothed", "Smoothed seat demands", ({ demand }) => demand.smoothed),
  ];
}
