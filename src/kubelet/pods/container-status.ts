import { formatTime } from "../../api/meta/time.ts";
import type {
  ContainerState as ApiState,
  ContainerStateTerminated,
  ContainerStateWaiting,
  ContainerStatus,
  Pod,
} from "../../api/types/core.v1.ts";
import type { ContainerState, PodState } from "../runtime/runtime.ts";
import { findStatus, isSidecar, type PodContainer } from "./containers.ts";
import { changedResources, linuxResources } from "./resources.ts";

/** What the kubelet knows of a pod's containers beside what the runtime says. */
export interface ContainerKnowledge {
  /** Why a container does not run, by its name: ImagePullBackOff, CrashLoopBackOff, CreateContainerConfigError, ... */
  waiting: ReadonlyMap<string, ContainerStateWaiting>;
  /** By container id. */
  terminationMessages: ReadonlyMap<string, string>;
  /** By container id: whether the readiness probe (if any) succeeds. */
  ready(id: string): boolean;
  started(id: string): boolean;
  /** The pod's resources are to change, but the node has not promised them. */
  resizePending: boolean;
  /** What a container that has not started yet waits for. */
  notStarted: "ContainerCreating" | "PodInitializing";
}

/** The status of one container. */
export function containerStatus(pod: Pod, c: PodContainer, state: PodState, known: ContainerKnowledge): ContainerStatus {
  const { name, image = "" } = c.container;
  const [current, previous] = state.containers.filter((s) => s.name === name && s.state !== "created");
  const old = findStatus(pod, name);
  const waiting = known.waiting.get(name);
  const status: ContainerStatus = {
    name,
    image: current?.image ?? image,
    imageID: current?.imageId ?? "",
    ready: false,
    restartCount: Math.max(current?.attempt ?? 0, old?.restartCount ?? 0),
    started: false,
    state: {},
    lastState: lastState(previous ? terminated(previous, known) : undefined, old?.lastState),
    ...resourcesOf(c, current, old, known),
    ...mountsOf(c),
  };
  if (!current) return withoutContainer(status, old, waiting, known);
  status.containerID = `docker://${current.id}`;
  if (current.state === "running") {
    status.state = { running: { startedAt: formatTime(current.startedAt) } };
    status.started = known.started(current.id);
    status.ready = c.kind === "initContainers" && !isSidecar(c) ? false : status.started && known.ready(current.id);
  } else if (waiting) {
    status.state = { waiting };
    status.lastState = { terminated: terminated(current, known) };
  } else {
    const end = terminated(current, known);
    status.state = { terminated: end };
    status.ready = c.kind === "initContainers" && !isSidecar(c) && end.exitCode === 0;
  }
  return status;
}

/** The runtime has no container of that name: it has not been started, or it was removed and the object remembers. */
function withoutContainer(
  status: ContainerStatus,
  old: ContainerStatus | undefined,
  waiting: ContainerStateWaiting | undefined,
  known: ContainerKnowledge,
): ContainerStatus {
  if (old?.state?.terminated && !waiting)
    return {
      ...status,
      state: old.state,
      ready: old.ready,
      imageID: old.imageID,
      ...(old.containerID ? { containerID: old.containerID } : {}),
    };
  if (old?.state?.terminated) status.lastState = { terminated: old.state.terminated };
  if (old?.state?.running) status.lastState = { terminated: lost(old) };
  status.state = { waiting: waiting ?? { reason: known.notStarted } };
  return status;
}

/** The end of a container that nobody saw. */
function lost(old: ContainerStatus | undefined): ContainerStateTerminated {
  return {
    exitCode: 137,
    reason: "ContainerStatusUnknown",
    message: "The container could not be located when the pod was terminated",
    ...(old?.containerID ? { containerID: old.containerID } : {}),
  };
}

/**
 * Of a pod that was ended, what was not seen to end is lost: its own containers once it was initialized, and its init containers
 * up to the last that began. The others wait for ever: that nothing of them ran can be relied on.
 */
export function loseContainers(pod: Pod, statuses: Map<PodContainer, ContainerStatus>): void {
  const own = [...statuses].filter(([c]) => c.kind === "containers");
  const init = [...statuses].filter(([c]) => c.kind === "initContainers");
  const hasBegun = ([, s]: (typeof own)[number]): boolean => !s.state?.waiting || s.lastState?.terminated !== undefined;
  const initialized = own.some(hasBegun) || init.every(([c, s]) => (isSidecar(c) ? s.started : s.state?.terminated?.exitCode === 0));
  const begun = [...init.slice(0, Math.max(init.findLastIndex(hasBegun) + 1, 1)), ...(initialized ? own : [])];
  for (const [c, s] of begun)
    if (!s.state?.terminated) statuses.set(c, { ...s, state: { terminated: lost(findStatus(pod, c.container.name)) } });
}

function lastState(previous: ContainerStateTerminated | undefined, old: ApiState | undefined): ApiState {
  return previous ? { terminated: previous } : old?.terminated ? { terminated: old.terminated } : {};
}

/** How a container ended, in the words that users know. */
export function terminated(c: ContainerState, known: Pick<ContainerKnowledge, "terminationMessages">): ContainerStateTerminated {
  const message = known.terminationMessages.get(c.id) || c.error;
  const neverStarted = c.error !== "" && c.startedAt === 0;
  return {
    containerID: `docker://${c.id}`,
    exitCode: neverStarted ? 128 : c.exitCode,
    reason: neverStarted ? "StartError" : c.oomKilled ? "OOMKilled" : c.exitCode === 0 ? "Completed" : "Error",
    ...(message ? { message } : {}),
    startedAt: formatTime(c.startedAt),
    finishedAt: formatTime(c.finishedAt),
  };
}

/** What the container was promised, and what it may use as far as that was applied. */
function resourcesOf(
  c: PodContainer,
  current: ContainerState | undefined,
  old: ContainerStatus | undefined,
  known: ContainerKnowledge,
): Pick<ContainerStatus, "allocatedResources" | "resources"> {
  if (c.kind === "ephemeralContainers" || !current) return {};
  const { limits, requests } = c.container.resources ?? {};
  const asked = { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) };
  const same = old?.containerID === `docker://${current.id}`;
  const isApplied = changedResources(current.resources, linuxResources(c.container.resources)).length === 0 && !known.resizePending;
  const allocated = known.resizePending && same ? old.allocatedResources : requests;
  return {
    ...(allocated ? { allocatedResources: allocated } : {}),
    resources: isApplied || !same || !old.resources ? asked : old.resources,
  };
}

function mountsOf(c: PodContainer): Pick<ContainerStatus, "volumeMounts"> {
  const mounts = c.container.volumeMounts ?? [];
  if (mounts.length === 0) return {};
  return {
    volumeMounts: mounts.map((m) => ({
      name: m.name,
      mountPath: m.mountPath,
      ...(m.readOnly ? { readOnly: true, recursiveReadOnly: m.recursiveReadOnly === "Enabled" ? "Enabled" : "Disabled" } : {}),
    })),
  };
}
