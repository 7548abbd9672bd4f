import type { Container, Pod } from "../../../src/api/types/core.v1.ts";
import { specHash } from "../../../src/kubelet/pods/spec-hash.ts";
import type { ContainerState, PodState, SandboxState } from "../../../src/kubelet/runtime/runtime.ts";

/** A pod "web" in default with that spec. */
export function pod(spec: Partial<Pod["spec"]> & { containers: Container[] }, rest: Partial<Pod> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "web",
      namespace: "default",
      uid: "u1",
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      generation: 1,
    },
    spec: { restartPolicy: "Always", ...spec },
    status: {},
    ...rest,
  };
}

/** A sandbox that runs, unless told otherwise. */
export function sandbox(changes: Partial<SandboxState> = {}): SandboxState {
  return { id: "s0", attempt: 0, running: true, createdAt: 0, ip: "10.42.0.2", pid: 1, ...changes };
}

/** A container that runs, unless told otherwise; of image "i". */
export function container(name: string, changes: Partial<ContainerState> = {}): ContainerState {
  return {
    id: `${name}-${changes.attempt ?? 0}`,
    name,
    attempt: 0,
    specHash: specHash({ name, image: "i" }),
    sandboxId: "s0",
    state: "running",
    createdAt: 0,
    startedAt: 1000,
    finishedAt: 0,
    exitCode: 0,
    oomKilled: false,
    error: "",
    image: "i",
    imageId: "docker://sha256:1",
    resources: { cpuShares: 2, cpuQuota: 0, cpuPeriod: 100_000, memory: 0 },
    pid: 1,
    annotations: {},
    ...changes,
  };
}

/** An ended container. */
export function exited(name: string, exitCode: number, changes: Partial<ContainerState> = {}): ContainerState {
  return container(name, { state: "exited", exitCode, finishedAt: 2000, pid: 0, ...changes });
}

/** What the runtime has of the pod: with one running sandbox. */
export function state(containers: ContainerState[] = [], sandboxes: SandboxState[] = [sandbox()]): PodState {
  return { pod: { uid: "u1", name: "web", namespace: "default" }, sandboxes, containers };
}
