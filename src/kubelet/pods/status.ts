import { findCondition, setCondition } from "../../api/meta/conditions.ts";
import { formatTime } from "../../api/meta/time.ts";
import type { ContainerStatus, Pod, PodCondition, PodStatus } from "../../api/types/core.v1.ts";
import type { PodState } from "../runtime/runtime.ts";
import { type ContainerKnowledge, containerStatus, loseContainers } from "./container-status.ts";
import { isSidecar, type PodContainer, podContainers } from "./containers.ts";
import type { ResizeCondition } from "./resize.ts";
import { qosClass } from "./resources.ts";

/** What a pod's status is computed from. */
export interface StatusInput extends Omit<ContainerKnowledge, "notStarted" | "resizePending"> {
  pod: Pod;
  state: PodState;
  /** Milliseconds since 1970. */
  now: number;
  hostIPs: readonly string[];
  /** The pod ends for a reason of its own (deadline, eviction, admission): phase Failed. */
  failure?: { reason: string; message: string };
  /** How far a resize has come, when one is under way. */
  resize?: ResizeCondition | undefined;
  /** It is being ended: readiness is over, whatever the probes said last. */
  terminating: boolean;
  /** It has been ended: nothing of it runs, and nothing will. */
  ended?: boolean;
}

/** The conditions that the kubelet takes away again when they hold no longer. */
export const resizeConditions: readonly string[] = ["PodResizePending", "PodResizeInProgress"];

type Phase = NonNullable<PodStatus["phase"]>;

/** The status that the pod's object should carry. */
export function podStatus(input: StatusInput): PodStatus {
  const { pod, state, hostIPs } = input;
  const sandbox = state.sandboxes.find((s) => s.running);
  const all = podContainers(pod);
  const hasInit = all.some((c) => c.kind === "initContainers");
  const resizePending = input.resize?.type === "PodResizePending";
  const known: ContainerKnowledge = { ...input, resizePending, notStarted: hasInit ? "PodInitializing" : "ContainerCreating" };
  if (input.terminating) known.ready = () => false;
  const statuses = new Map(all.map((c) => [c, containerStatus(pod, c, state, known)]));
  if (input.ended) loseContainers(pod, statuses);
  const of = (kind: PodContainer["kind"]): ContainerStatus[] => all.filter((c) => c.kind === kind).flatMap((c) => statuses.get(c) ?? []);
  const byName = (kind: PodContainer["kind"]): ContainerStatus[] => of(kind).sort((a, b) => (a.name < b.name ? -1 : 1));
  const podIP = pod.spec.hostNetwork ? (sandbox ? hostIPs[0] : undefined) : sandbox?.ip;
  const phase = settledPhase(input, statuses);
  const old: Partial<PodStatus> = pod.status ?? {};
  const ips = podIP ? { podIP, podIPs: [{ ip: podIP }] } : keptAddress(old, phase);
  const status: PodStatus = {
    ...keepUnknown(old),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    hostIP: hostIPs[0] ?? "",
    hostIPs: hostIPs.map((ip) => ({ ip })),
    ...ips,
    startTime: old.startTime ?? formatTime(input.now),
    qosClass: qosClass(pod),
    containerStatuses: byName("containers"),
    ...(hasInit ? { initContainerStatuses: of("initContainers") } : {}),
    ...(pod.spec.ephemeralContainers?.length ? { ephemeralContainerStatuses: byName("ephemeralContainers") } : {}),
    ...(input.failure ?? {}),
  };
  status.conditions = [...conditions(input, phase, statuses, sandbox !== undefined)];
  return status;
}

/** Fields that others write. */
function keepUnknown(old: Partial<PodStatus>): Partial<PodStatus> {
  const { nominatedNodeName, resourceClaimStatuses, extendedResourceClaimStatus, reason, message, phase } = old;
  return {
    ...(nominatedNodeName ? { nominatedNodeName } : {}),
    ...(resourceClaimStatuses ? { resourceClaimStatuses } : {}),
    ...(extendedResourceClaimStatus ? { extendedResourceClaimStatus } : {}),
    ...(reason && phase === "Failed" ? { reason, message } : {}),
  };
}

/** An ended pod still tells where it was. */
function keptAddress(old: Partial<PodStatus>, phase: Phase): Partial<PodStatus> {
  if (phase === "Pending" || !old.podIP) return {};
  return { podIP: old.podIP, ...(old.podIPs ? { podIPs: old.podIPs } : {}) };
}

/** The phase: once ended, a pod stays so; and it has not ended before its last container has. */
function settledPhase(input: StatusInput, statuses: ReadonlyMap<PodContainer, ContainerStatus>): Phase {
  const old = input.pod.status?.phase;
  if (old === "Failed" || old === "Succeeded") return old;
  const phase = input.failure ? "Failed" : input.ended ? endedPhase(statuses) : computePhase(input.pod, statuses);
  const running = [...statuses.values()].some((s) => s.state?.running);
  return (phase === "Failed" || phase === "Succeeded") && running ? (old === "Pending" ? "Pending" : "Running") : phase;
}

/** Whoever deletes a pod, and whoever counts its successes, gets to know how it ended, also when it had never begun. */
function endedPhase(statuses: ReadonlyMap<PodContainer, ContainerStatus>): Phase {
  const own = [...statuses].filter(([c]) => c.kind === "containers");
  return own.every(([, s]) => s.state?.terminated?.exitCode === 0) ? "Succeeded" : "Failed";
}

function computePhase(pod: Pod, statuses: ReadonlyMap<PodContainer, ContainerStatus>): Phase {
  let [running, waiting, stopped, succeeded] = [0, 0, 0, 0];
  for (const [c, s] of statuses) {
    if (c.kind === "initContainers") {
      const begun = [...statuses].some(
        ([o, t]) => o.kind === "containers" && (t.state?.running || t.state?.terminated || t.lastState?.terminated),
      );
      if (begun) continue;
      const end = s.state?.terminated;
      if (isSidecar(c) ? s.started : end?.exitCode === 0) continue;
      const policy = c.container.restartPolicy ?? pod.spec.restartPolicy;
      return end && !isSidecar(c) && policy === "Never" ? "Failed" : "Pending";
    }
    if (c.kind !== "containers") continue;
    if (s.state?.running) running++;
    else if (s.state?.terminated) {
      stopped++;
      if (s.state.terminated.exitCode === 0) succeeded++;
    } else if (s.lastState?.terminated) stopped++;
    else waiting++;
  }
  if (waiting > 0) return "Pending";
  if (running > 0) return "Running";
  if (pod.spec.restartPolicy === "Always" || pod.spec.restartPolicy === undefined) return "Running";
  const ended = [...statuses].filter(([c]) => c.kind === "containers").every(([, s]) => s.state?.terminated);
  if (!ended) return "Running";
  if (stopped === succeeded) return "Succeeded";
  return pod.spec.restartPolicy === "Never" ? "Failed" : "Running";
}

function conditions(
  { pod, now, resize }: StatusInput,
  phase: Phase,
  statuses: ReadonlyMap<PodContainer, ContainerStatus>,
  hasSandbox: boolean,
): readonly PodCondition[] {
  const incomplete = [...statuses].filter(
    ([c, s]) => c.kind === "initContainers" && !(isSidecar(c) ? s.started : s.state?.terminated?.exitCode === 0),
  );
  const begun = [...statuses].some(
    ([c, s]) => c.kind === "containers" && (s.state?.running || s.state?.terminated || s.lastState?.terminated),
  );
  const initialized = incomplete.length === 0 || begun;
  const unready = [...statuses].filter(([c, s]) => (c.kind === "containers" || isSidecar(c)) && !s.ready).map(([c]) => c.container.name);
  const names = (list: typeof incomplete): string => list.map(([c]) => c.container.name).join(" ");
  const ended = phase === "Succeeded" ? "PodCompleted" : phase === "Failed" ? "PodFailed" : undefined;
  const containersReady: Omit<PodCondition, "type"> = ended
    ? { status: "False", reason: ended }
    : unready.length > 0
      ? { status: "False", reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` }
      : { status: "True" };
  const wanted: PodCondition[] = [
    { type: "PodReadyToStartContainers", status: hasSandbox ? "True" : "False" },
    phase === "Succeeded"
      ? { type: "Initialized", status: "True", reason: "PodCompleted" }
      : initialized
        ? { type: "Initialized", status: "True" }
        : {
            type: "Initialized",
            status: "False",
            reason: "ContainersNotInitialized",
            message: `containers with incomplete status: [${names(incomplete)}]`,
          },
    { type: "Ready", ...(containersReady.status === "True" ? gates(pod) : containersReady) },
    { type: "ContainersReady", ...containersReady },
    { type: "PodScheduled", status: "True" },
    ...(resize ? [{ status: "True" as const, ...resize }] : []),
  ];
  const at = formatTime(now);
  let result = (pod.status?.conditions ?? []).filter((c) => c.type === resize?.type || !resizeConditions.includes(c.type));
  for (const condition of wanted) {
    const observedGeneration = pod.metadata.generation;
    const old = findCondition(result, condition.type);
    if (condition.type === "PodScheduled" && old?.status === "True") continue;
    const next = { reason: undefined, message: undefined, ...condition, ...(observedGeneration ? { observedGeneration } : {}) };
    result = [...setCondition(result, next, at)];
  }
  return result;
}

/** What others have to say before the pod is ready (KEP-580). */
function gates(pod: Pod): Omit<PodCondition, "type"> {
  const missing: string[] = [];
  for (const { conditionType } of pod.spec.readinessGates ?? []) {
    const found = findCondition(pod.status?.conditions, conditionType);
    if (!found) missing.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (found.status !== "True")
      missing.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`);
  }
  if (missing.length === 0) return { status: "True" };
  return { status: "False", reason: "ReadinessGatesNotReady", message: missing.join(", ") };
}
