import type { Pod } from "../../api/types/core.v1.ts";
import type { KubeletContext } from "../context.ts";
import type { ContainerState } from "../runtime/runtime.ts";
import { fieldPath, type PodContainer } from "./containers.ts";
import { runHook } from "./hooks.ts";

/** A container that is to end. */
export interface StopRequest {
  pod: Pod;
  container: ContainerState;
  /** Undefined when the pod no longer has it: it is ended without hooks. */
  spec: PodContainer | undefined;
  podIP: string;
  graceSeconds: number;
  /** What the Killing event says. */
  message: string;
}

/** At least this much is left for the signal after a preStop hook that took its time. */
const leastForSignal = 2000;

/** Ends containers side by side, each with its hook, its signal and its time; nobody waits for it here. */
export class ContainerStopper {
  private readonly context: KubeletContext;
  private stopping: Map<string, { deadline: number; shorten: (graceSeconds: number) => void }> | undefined;

  constructor(context: KubeletContext) {
    this.context = context;
  }

  has(containerId: string): boolean {
    return this.stopping?.has(containerId) ?? false;
  }

  /** Begins to end it, or shortens the time that it was given before. `ended` is called when it is through. */
  stop(request: StopRequest, ended: () => void): void {
    const { id } = request.container;
    this.stopping ??= new Map();
    const known = this.stopping.get(id);
    if (known) {
      known.shorten(request.graceSeconds);
      return;
    }
    const { clock, runtime, log } = this.context;
    const entry = {
      deadline: clock.now() + request.graceSeconds * 1000,
      cancel: () => {},
      shorten: (graceSeconds: number): void => {
        const deadline = clock.now() + graceSeconds * 1000;
        if (deadline >= entry.deadline - 500) return;
        entry.deadline = deadline;
        entry.cancel();
        entry.cancel = clock.after(graceSeconds * 1000, () => void runtime.killContainer(id).catch(() => {}));
      },
    };
    this.stopping.set(id, entry);
    this.run(request)
      .catch((error: unknown) => log.warn({ container: request.container.name, error: String(error) }, "cannot stop a container"))
      .finally(() => {
        entry.cancel();
        this.stopping?.delete(id);
        ended();
      });
  }

  private async run({ pod, container, spec, podIP, graceSeconds, message }: StopRequest): Promise<void> {
    const { clock, runtime, events } = this.context;
    if (spec) events.event(pod, "Normal", "Killing", message, fieldPath(spec));
    const deadline = clock.now() + graceSeconds * 1000;
    const preStop = spec?.container.lifecycle?.preStop;
    if (spec && preStop && graceSeconds > 0) {
      try {
        await runHook(this.context, preStop, { container: spec, containerId: container.id, podIP }, graceSeconds * 1000);
      } catch (error) {
        events.event(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", fieldPath(spec));
        this.context.log.debug({ pod: pod.metadata.name, error: String(error) }, "preStop hook failed");
      }
    }
    const left = Math.max(deadline - clock.now(), preStop ? leastForSignal : 0);
    await runtime.stopContainer(container.id, left / 1000);
  }
}
