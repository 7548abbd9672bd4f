import type { Pod } from "../../api/types/core.v1.ts";
import type { ContainerState, PodState, SandboxState } from "../runtime/runtime.ts";
import { findStatus, isSidecar, type PodContainer, podContainers, shouldRestart } from "./containers.ts";
import { specHash } from "./spec-hash.ts";

/** A running container that has to end, and the words that its Killing event says. */
export interface Kill {
  container: ContainerState;
  message: string;
}

/** What brings a pod closer to its spec. Made anew after each step: a plan never looks further than what can be done now. */
export interface Plan {
  /** The sandbox to use; undefined: a new one is needed (or none, when nothing is left to run). */
  sandbox: SandboxState | undefined;
  createSandbox: boolean;
  start: PodContainer[];
  kill: Kill[];
  /** All that had to run has run, or what had to succeed has failed for good: the pod ends. */
  finished: boolean;
}

/** What the probes know of running containers. */
export interface ProbeView {
  /** By container id: the startup probe has succeeded, or there is none, and the postStart hook is through. */
  started(id: string): boolean;
  /** By container id: which probe wants it ended. */
  failed(id: string): "liveness" | "startup" | undefined;
}

/** The newest container of that name in the sandbox; one that was created but never started does not count. */
export function currentContainer(state: PodState, name: string, sandboxId: string | undefined): ContainerState | undefined {
  return state.containers.find((c) => c.name === name && c.state !== "created" && (sandboxId === undefined || c.sandboxId === sandboxId));
}

/** What to do next for a pod that is meant to run. */
export function planPod(pod: Pod, state: PodState, probes: ProbeView): Plan {
  const sandbox = state.sandboxes.find((s) => s.running);
  const kill = state.containers
    .filter((c) => c.state === "running" && c.sandboxId !== sandbox?.id)
    .map((container) => ({ container, message: `Stopping container ${container.name}` }));
  const ended = exitsForGood(pod, state);
  if (!sandbox) {
    const finished = ended.all || ended.initFailed;
    return { sandbox, createSandbox: !finished && kill.length === 0, start: [], kill, finished };
  }
  const plan: Plan = { sandbox, createSandbox: false, start: [], kill, finished: ended.all || ended.initFailed };
  for (const c of podContainers(pod)) if (c.kind === "ephemeralContainers" && !everRan(pod, state, c)) plan.start.push(c);
  if (plan.finished) return plan;
  if (!planInit(pod, state, sandbox, probes, plan)) return plan;
  for (const c of podContainers(pod)) {
    if (c.kind !== "containers") continue;
    const current = newest(state, c);
    if (current?.state === "running" && current.sandboxId === sandbox.id) check(c, current, probes, plan);
    else if (!current || current.state === "running" || shouldRestart(pod, c, current.exitCode)) plan.start.push(c);
  }
  return plan;
}

/** Init containers one after the other. Returns whether the app containers' turn has come. */
function planInit(pod: Pod, state: PodState, sandbox: SandboxState, probes: ProbeView, plan: Plan): boolean {
  const containers = podContainers(pod);
  const begun = containers.some((c) => c.kind === "containers" && currentContainer(state, c.container.name, sandbox.id));
  for (const c of containers) {
    if (c.kind !== "initContainers") continue;
    const current = currentContainer(state, c.container.name, sandbox.id);
    if (isSidecar(c)) {
      if (current?.state !== "running") plan.start.push(c);
      else check(c, current, probes, plan);
      if (!begun && (current?.state !== "running" || !probes.started(current.id))) return false;
      continue;
    }
    if (begun || (current?.state === "exited" && current.exitCode === 0)) continue;
    // It ran in this sandbox before its container was removed: the object remembers.
    if (!current && findStatus(pod, c.container.name)?.state?.terminated?.exitCode === 0 && sandbox.attempt === 0) continue;
    if (current?.state === "running") check(c, current, probes, plan);
    else plan.start.push(c);
    return false;
  }
  return true;
}

function check(c: PodContainer, current: ContainerState, probes: ProbeView, plan: Plan): void {
  const failed = probes.failed(current.id);
  const { name } = c.container;
  if (c.kind !== "ephemeralContainers" && current.specHash !== specHash(c.container))
    plan.kill.push({ container: current, message: `Container ${name} definition changed, will be restarted` });
  else if (failed) plan.kill.push({ container: current, message: `Container ${name} failed ${failed} probe, will be restarted` });
}

function newest(state: PodState, c: PodContainer): ContainerState | undefined {
  return currentContainer(state, c.container.name, undefined);
}

function everRan(pod: Pod, state: PodState, c: PodContainer): boolean {
  const status = findStatus(pod, c.container.name);
  return newest(state, c) !== undefined || status?.state?.running !== undefined || status?.state?.terminated !== undefined;
}

/** Whether every app container has ended and none comes again, or an init container has failed for good. */
export function exitsForGood(pod: Pod, state: PodState): { all: boolean; initFailed: boolean } {
  const exit = (c: PodContainer): number | undefined => {
    const current = newest(state, c);
    if (current) return current.state === "exited" ? current.exitCode : undefined;
    const status = findStatus(pod, c.container.name);
    return status?.state?.terminated?.exitCode;
  };
  const over = (c: PodContainer): boolean => {
    const code = exit(c);
    return code !== undefined && !shouldRestart(pod, c, code);
  };
  const all = podContainers(pod);
  return {
    all: all.filter((c) => c.kind === "containers").every(over),
    initFailed: all.some((c) => c.kind === "initContainers" && !isSidecar(c) && over(c) && exit(c) !== 0),
  };
}
