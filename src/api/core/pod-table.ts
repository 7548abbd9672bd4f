import { hasCondition } from "../meta/conditions.ts";
import { age, parseTime } from "../meta/time.ts";
import type { ContainerState, ContainerStatus, Pod } from "../types/core.v1.ts";

/** The row of a Pod in a table. `now` in milliseconds. */
export function podCells(pod: Pod, now: number): unknown[] {
  const { metadata, spec, status } = pod;
  const { ready, total, reason, restarts, lastRestart } = summarize(pod);
  return [
    metadata.name,
    `${ready}/${total}`,
    reason,
    restarts > 0 && lastRestart ? `${restarts} (${age(lastRestart, now)} ago)` : String(restarts),
    age(metadata.creationTimestamp, now),
    status?.podIPs?.[0]?.ip || "<none>",
    spec.nodeName || "<none>",
    status?.nominatedNodeName || "<none>",
    readinessGates(pod),
  ];
}

function readinessGates({ spec, status }: Pod): string {
  const gates = spec.readinessGates ?? [];
  if (gates.length === 0) return "<none>";
  return `${gates.filter((gate) => hasCondition(status?.conditions, gate.conditionType)).length}/${gates.length}`;
}

interface Summary {
  ready: number;
  total: number;
  reason: string;
  restarts: number;
  lastRestart: string | undefined;
}

/** What kubectl shows of a pod's state: the first init container that is not done speaks for the pod, then the containers from last to first. */
function summarize(pod: Pod): Summary {
  const { metadata, spec, status = {} } = pod;
  const sidecars = new Set((spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always").map((c) => c.name));
  const init = initSummary(pod, sidecars);
  let { reason } = init;
  let counted = init.all;
  let ready = init.ready;
  if (!init.initializing || hasCondition(status.conditions, "Initialized")) {
    counted = init.sidecars;
    let running = false;
    for (const container of [...(status.containerStatuses ?? [])].reverse()) {
      counted = counted.with(container);
      const { waiting, terminated, running: runs } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) reason = endOf(terminated);
      else if (container.ready && runs) {
        running = true;
        ready++;
      }
    }
    if (reason === "Completed" && running) reason = hasCondition(status.conditions, "Ready") ? "Running" : "NotReady";
  }
  if (metadata.deletionTimestamp && status.reason === "NodeLost") reason = "Unknown";
  else if (metadata.deletionTimestamp && status.phase !== "Succeeded" && status.phase !== "Failed") reason = "Terminating";
  return { ready, total: (spec.containers ?? []).length + sidecars.size, reason, restarts: counted.count, lastRestart: counted.last };
}

interface InitSummary {
  reason: string;
  ready: number;
  initializing: boolean;
  all: Restarts;
  sidecars: Restarts;
}

function initSummary({ spec, status = {} }: Pod, sidecars: ReadonlySet<string>): InitSummary {
  const gated = status.conditions?.some((c) => c.type === "PodScheduled" && c.reason === "SchedulingGated");
  const summary: InitSummary = {
    reason: gated ? "SchedulingGated" : status.reason || status.phase || "",
    ready: 0,
    initializing: false,
    all: new Restarts(0, undefined),
    sidecars: new Restarts(0, undefined),
  };
  for (const [i, container] of (status.initContainerStatuses ?? []).entries()) {
    summary.all = summary.all.with(container);
    const sidecar = sidecars.has(container.name);
    if (sidecar) summary.sidecars = summary.sidecars.with(container);
    const { waiting, terminated } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && container.started) {
      if (container.ready) summary.ready++;
      continue;
    }
    summary.initializing = true;
    if (terminated) summary.reason = `Init:${endOf(terminated)}`;
    else if (waiting?.reason && waiting.reason !== "PodInitializing") summary.reason = `Init:${waiting.reason}`;
    else summary.reason = `Init:${i}/${(spec.initContainers ?? []).length}`;
    break;
  }
  return summary;
}

function endOf(terminated: NonNullable<ContainerState["terminated"]>): string {
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode ?? 0}`;
}

/** A number of restarts and when the last one's predecessor ended. */
class Restarts {
  readonly count: number;
  readonly last: string | undefined;

  constructor(count: number, last: string | undefined) {
    this.count = count;
    this.last = last;
  }

  with(container: ContainerStatus): Restarts {
    const ended = container.lastState?.terminated?.finishedAt;
    const later = ended !== undefined && (parseTime(ended) ?? 0) > (parseTime(this.last) ?? 0);
    return new Restarts(this.count + (container.restartCount ?? 0), later ? ended : this.last);
  }
}
