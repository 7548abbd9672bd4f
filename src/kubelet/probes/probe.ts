import type { Container, Pod, Probe } from "../../api/types/core.v1.ts";

/** The three probes of a container, in upstream's words for events. */
export type ProbeKind = "Liveness" | "Readiness" | "Startup";

/** The result of one attempt. `unknown` is a probe that could not be made: it counts for nothing. */
export interface ProbeResult {
  outcome: "success" | "failure" | "unknown";
  /** What the event says behind "Readiness probe failed: ". */
  output: string;
}

/** How a run of attempts stands. */
export interface ProbeTally {
  /** The last outcome, and how often in a row it has come. */
  last: "success" | "failure" | undefined;
  run: number;
  /** What the thresholds have made of it. */
  verdict: "success" | "failure" | undefined;
}

/** The tally after one more result; thresholds as in the probe's spec. */
export function count(tally: ProbeTally, result: ProbeResult, probe: Pick<Probe, "failureThreshold" | "successThreshold">): ProbeTally {
  if (result.outcome === "unknown") return tally;
  const run = tally.last === result.outcome ? tally.run + 1 : 1;
  const threshold = result.outcome === "success" ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  return { last: result.outcome, run, verdict: run >= threshold ? result.outcome : tally.verdict };
}

/** What a probe counts as before its first verdict: alive, but not ready and not started. */
export function initialTally(kind: ProbeKind): ProbeTally {
  return { last: undefined, run: 0, verdict: kind === "Liveness" ? "success" : kind === "Readiness" ? "failure" : undefined };
}

/** The probes that a container has. */
export function probesOf(container: Container): { kind: ProbeKind; probe: Probe }[] {
  const { livenessProbe, readinessProbe, startupProbe } = container;
  return [
    ...(startupProbe ? [{ kind: "Startup" as const, probe: startupProbe }] : []),
    ...(livenessProbe ? [{ kind: "Liveness" as const, probe: livenessProbe }] : []),
    ...(readinessProbe ? [{ kind: "Readiness" as const, probe: readinessProbe }] : []),
  ];
}

/** A port by number or by its name in the container. Throws when there is none. */
export function resolvePort(port: number | string, container: Container, _pod?: Pod): number {
  const number =
    typeof port === "number" ? port : /^\d+$/.test(port) ? Number(port) : container.ports?.find((p) => p.name === port)?.containerPort;
  if (number === undefined || number < 1 || number > 65_535) throw new Error(`couldn't find port: ${JSON.stringify(port)} in container`);
  return number;
}
