import type { ContainerState, PodRef, SandboxState } from "../runtime.ts";
import { label } from "./engine.ts";

/** What hue reads of a container in the engine's replies. */
export interface EngineContainer {
  Id: string;
  Created: string;
  /** By id. */
  Image: string;
  Config: { Labels: Record<string, string>; Image: string; Tty: boolean };
  State: {
    Status: string;
    Running: boolean;
    Paused: boolean;
    Restarting: boolean;
    OOMKilled: boolean;
    Pid: number;
    ExitCode: number;
    Error: string;
    StartedAt: string;
    FinishedAt: string;
  };
  HostConfig: { CpuShares?: number; CpuQuota?: number; CpuPeriod?: number; Memory?: number };
}

/** A limit that no machine reaches, in place of none: bytes. */
export const unlimitedMemory = 2 ** 52;

/** The pod that a thing of the engine belongs to, from its labels. */
export function podOf(labels: Record<string, string>): PodRef {
  return { uid: labels[label.podUid] ?? "", name: labels[label.podName] ?? "", namespace: labels[label.podNamespace] ?? "" };
}

/** A sandbox as the engine tells of it. */
export function sandboxState(info: EngineContainer): SandboxState {
  return {
    id: info.Id,
    attempt: Number(info.Config.Labels[label.attempt] ?? 0),
    running: info.State.Running,
    createdAt: time(info.Created),
    ip: info.Config.Labels[label.ip] || undefined,
    pid: info.State.Pid,
  };
}

/** A container as the engine tells of it. */
export function containerState(info: EngineContainer, imageId: string): ContainerState {
  const labels = info.Config.Labels;
  const annotations: Record<string, string> = {};
  for (const [name, value] of Object.entries(labels))
    if (name.startsWith(label.annotation)) annotations[name.slice(label.annotation.length)] = value;
  const { State, HostConfig } = info;
  return {
    id: info.Id,
    name: labels[label.container] ?? "",
    attempt: Number(labels[label.attempt] ?? 0),
    specHash: labels[label.specHash] ?? "",
    sandboxId: labels[label.sandbox] ?? "",
    state:
      State.Running || State.Paused || State.Restarting ? "running" : State.Status === "created" && !State.Error ? "created" : "exited",
    createdAt: time(info.Created),
    startedAt: time(State.StartedAt),
    finishedAt: time(State.FinishedAt) || (State.Error ? time(info.Created) : 0),
    exitCode: State.ExitCode,
    oomKilled: State.OOMKilled,
    // An error beside a start time is about the end ("signal: killed"), not about the start.
    error: time(State.StartedAt) ? "" : State.Error,
    image: labels[label.image] ?? info.Config.Image,
    imageId,
    resources: {
      cpuShares: HostConfig.CpuShares ?? 0,
      cpuQuota: Math.max(HostConfig.CpuQuota ?? 0, 0),
      cpuPeriod: HostConfig.CpuPeriod ?? 0,
      memory: (HostConfig.Memory ?? 0) >= unlimitedMemory ? 0 : (HostConfig.Memory ?? 0),
    },
    pid: State.Pid,
    annotations,
  };
}

/** Milliseconds of a Go timestamp, 0 for its zero time. */
function time(text: string | undefined): number {
  if (!text || text.startsWith("0001-")) return 0;
  return Date.parse(text);
}
