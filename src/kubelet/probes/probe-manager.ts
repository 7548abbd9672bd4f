import type { Pod, Probe } from "../../api/types/core.v1.ts";
import type { EventRecorder } from "../../client/events.ts";
import type { Clock } from "../../lib/clock.ts";
import { fieldPath, type PodContainer } from "../pods/containers.ts";
import { runCommand } from "../pods/run-command.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { probeGRPC } from "./grpc.ts";
import { probeHTTP } from "./http.ts";
import { count, initialTally, type ProbeKind, type ProbeResult, type ProbeTally, probesOf, resolvePort } from "./probe.ts";
import { probeTCP } from "./tcp.ts";

/** A running container whose probes are made. */
export interface ProbeTarget {
  pod: Pod;
  container: PodContainer;
  containerId: string;
  podIP: string;
  /** Milliseconds since 1970. */
  startedAt: number;
  /** What the pod's object says of this very container: after a restart of hue its verdicts hold until the probes say otherwise. */
  known: { ready: boolean; started: boolean };
}

interface Watched {
  target: ProbeTarget;
  tallies: Map<ProbeKind, ProbeTally>;
  cancels: Set<() => void>;
}

/** Makes the probes of running containers, each on its own timer, and tells a pod's worker when a verdict changes. */
export class ProbeManager {
  private readonly watched = new Map<string, Watched>();
  private readonly runtime: Runtime;
  private readonly clock: Clock;
  private readonly events: EventRecorder;
  private readonly changed: (podUid: string) => void;

  constructor(runtime: Runtime, clock: Clock, events: EventRecorder, changed: (podUid: string) => void) {
    this.runtime = runtime;
    this.clock = clock;
    this.events = events;
    this.changed = changed;
  }

  /** Begins to probe a container; nothing when it is probed already or has no probes. */
  add(target: ProbeTarget): void {
    const known = this.watched.get(target.containerId);
    if (known) {
      known.target = { ...known.target, pod: target.pod };
      return;
    }
    const probes = probesOf(target.container.container);
    if (probes.length === 0) return;
    const watched: Watched = { target, tallies: new Map(probes.map(({ kind }) => [kind, initialTally(kind)])), cancels: new Set() };
    // Without Docker nobody answers: all is well at once.
    if (!this.runtime.usesHost) for (const { kind } of probes) watched.tallies.set(kind, { last: "success", run: 1, verdict: "success" });
    const succeeded: ProbeTally = { last: "success", run: 1, verdict: "success" };
    if (target.known.started && watched.tallies.has("Startup")) watched.tallies.set("Startup", succeeded);
    if (target.known.ready && watched.tallies.has("Readiness")) watched.tallies.set("Readiness", succeeded);
    this.watched.set(target.containerId, watched);
    if (!this.runtime.usesHost) return;
    const hasStartup = watched.tallies.has("Startup");
    for (const { kind, probe } of probes)
      if (!hasStartup || kind === "Startup") this.schedule(watched, kind, probe, this.firstWait(target, probe));
  }

  /** Stops the probes of one container. */
  remove(containerId: string): void {
    const watched = this.watched.get(containerId);
    for (const cancel of watched?.cancels ?? []) cancel();
    this.watched.delete(containerId);
  }

  /** Stops the liveness and startup probes of a pod: it is being ended. Readiness goes on to be told. */
  removePod(podUid: string, keep: (containerId: string) => boolean = () => false): void {
    for (const [id, { target }] of this.watched) if (target.pod.metadata.uid === podUid && !keep(id)) this.remove(id);
  }

  /** Whether the startup probe has succeeded, or there is none. */
  isStarted(containerId: string): boolean {
    const tally = this.watched.get(containerId)?.tallies.get("Startup");
    return !tally || tally.verdict === "success";
  }

  isReady(containerId: string): boolean {
    const tally = this.watched.get(containerId)?.tallies.get("Readiness");
    return !tally || tally.verdict === "success";
  }

  failed(containerId: string): "liveness" | "startup" | undefined {
    const tallies = this.watched.get(containerId)?.tallies;
    if (tallies?.get("Startup")?.verdict === "failure") return "startup";
    return tallies?.get("Liveness")?.verdict === "failure" ? "liveness" : undefined;
  }

  stop(): void {
    for (const id of [...this.watched.keys()]) this.remove(id);
  }

  private firstWait(target: ProbeTarget, probe: Probe): number {
    return Math.max(target.startedAt + (probe.initialDelaySeconds ?? 0) * 1000 - this.clock.now(), 0);
  }

  private schedule(watched: Watched, kind: ProbeKind, probe: Probe, wait: number): void {
    const cancel = this.clock.after(wait, () => {
      watched.cancels.delete(cancel);
      void this.run(watched, kind, probe);
    });
    watched.cancels.add(cancel);
  }

  private async run(watched: Watched, kind: ProbeKind, probe: Probe): Promise<void> {
    const result = await this.attempt(watched.target, probe);
    if (this.watched.get(watched.target.containerId) !== watched) return; // it has ended meanwhile
    const before = watched.tallies.get(kind) ?? initialTally(kind);
    const after = count(before, result, probe);
    watched.tallies.set(kind, after);
    this.report(watched.target, kind, result);
    const decided = before.verdict !== after.verdict;
    if (decided) this.changed(watched.target.pod.metadata.uid);
    if (kind === "Startup" && after.verdict !== undefined) {
      // Its work is done. After success the other two begin; after failure the container is ended.
      if (after.verdict === "success")
        for (const other of probesOf(watched.target.container.container))
          if (other.kind !== "Startup") this.schedule(watched, other.kind, other.probe, this.firstWait(watched.target, other.probe));
      return;
    }
    if (kind === "Liveness" && after.verdict === "failure") return;
    this.schedule(watched, kind, probe, (probe.periodSeconds ?? 10) * 1000);
  }

  private report({ pod, container }: ProbeTarget, kind: ProbeKind, { outcome, output }: ProbeResult): void {
    if (outcome === "success") return;
    const text =
      outcome === "failure" ? `${kind} probe failed: ${output}` : `${kind} probe errored and resulted in unknown state: ${output}`;
    this.events.event(pod, "Warning", "Unhealthy", text, fieldPath(container));
  }

  private async attempt({ container: { container }, containerId, podIP }: ProbeTarget, probe: Probe): Promise<ProbeResult> {
    const timeout = (probe.timeoutSeconds ?? 1) * 1000;
    try {
      if (probe.exec) return await this.exec(containerId, probe.exec.command ?? [], timeout);
      if (probe.httpGet) return await probeHTTP(probe.httpGet, container, podIP, timeout);
      if (probe.tcpSocket) return await probeTCP(probe.tcpSocket.host || podIP, resolvePort(probe.tcpSocket.port, container), timeout);
      if (probe.grpc) return await probeGRPC(podIP, probe.grpc.port, probe.grpc.service ?? "", timeout);
      return { outcome: "unknown", output: "missing probe handler" };
    } catch (error) {
      return { outcome: "unknown", output: error instanceof Error ? error.message : String(error) };
    }
  }

  private async exec(id: string, command: string[], timeout: number): Promise<ProbeResult> {
    const { exitCode, output } = await runCommand(this.runtime, this.clock, id, command, timeout);
    if (exitCode === undefined)
      return { outcome: "failure", output: `command timed out: "${command.join(" ")}" timed out after ${timeout / 1000}s` };
    return exitCode === 0 ? { outcome: "success", output } : { outcome: "failure", output: output.trimEnd() };
  }
}
