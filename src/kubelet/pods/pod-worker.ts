import { isReason } from "../../api/errors.ts";
import { semanticEqual } from "../../api/meta/equality.ts";
import { parseTime } from "../../api/meta/time.ts";
import type { ContainerStateWaiting, Pod } from "../../api/types/core.v1.ts";
import { Pods } from "../../api/types/resources.ts";
import { type KubeletContext, nodeFacts } from "../context.ts";
import type { ContainerState, PodState, SandboxState } from "../runtime/runtime.ts";
import { VolumeError } from "../volumes/payload.ts";
import type { MountedVolume } from "../volumes/volume-manager.ts";
import { Backoff } from "./backoff.ts";
import { startContainer } from "./container-start.ts";
import { ContainerStopper } from "./container-stop.ts";
import { findContainer, findStatus, isSidecar, type PodContainer, podContainers } from "./containers.ts";
import { Ending } from "./ending.ts";
import { type Plan, planPod } from "./plan.ts";
import { applyResize, type ResizeCondition } from "./resize.ts";
import { createSandbox } from "./sandbox.ts";
import { podStatus } from "./status.ts";
import { statusPatch } from "./status-writer.ts";
import { terminationMessage } from "./termination-message.ts";

/** A pod that the node has to run, and the object that tells of it: the same one, but for static pods. */
export interface PodSource {
  pod: Pod;
  /** Whose status is written; undefined while a static pod has no mirror. */
  object: Pod | undefined;
}

/** Of the thousands of pods that have nothing of the kind. */
const none = new Map<string, never>();

/** How long it is until a resize that failed is tried again: milliseconds. */
const resizeRetry = 10_000;

/** How long it is between attempts at volumes and sandboxes that fail: milliseconds. */
const setupBackoff = { first: 500, last: 120_000 };

/**
 * Brings one pod of the node to what its object asks for, step by step, and tells in its status where it stands. Whatever happens
 * (a change of the object, an event of the runtime, a probe's verdict, a timer) wakes it; it then looks at everything anew.
 */
export class PodWorker {
  private source: PodSource;
  private readonly context: KubeletContext;
  private readonly gone: () => void;
  private readonly stopper: ContainerStopper;
  private setup: Backoff | undefined;
  private waiting: Map<string, ContainerStateWaiting> | undefined;
  private messages: Map<string, string> | undefined;
  private failure: { reason: string; message: string } | undefined;
  private resize: ResizeCondition | undefined;
  private removed = false;
  private awake = false;
  private running = false;
  private stopped = false;
  private cleaned = false;
  private readonly ending = new Ending();
  private timer: { at: number; cancel: () => void } | undefined;
  /** What the runtime had when it was last asked; asked again only after something has happened there. */
  private known: PodState | undefined;
  private stale = true;

  /** The runtime may have something of an adopted pod. `gone` is called when nothing of it is left, neither here nor in the API. */
  constructor(context: KubeletContext, source: PodSource, isAdopted: boolean, gone: () => void) {
    this.context = context;
    this.source = source;
    this.gone = gone;
    this.stopper = new ContainerStopper(context);
    const { uid, name, namespace } = source.pod.metadata;
    if (!isAdopted) [this.known, this.stale] = [{ pod: { uid, name, namespace }, sandboxes: [], containers: [] }, false];
  }

  get pod(): Pod {
    return this.source.pod;
  }

  /** The object has been removed from the API: what still runs ends. */
  get isRemoved(): boolean {
    return this.removed;
  }

  /** Its resources are to grow when another pod has gone. */
  get waitsForRoom(): boolean {
    return this.resize?.reason === "Deferred";
  }

  /** The object has changed. */
  update(source: PodSource): void {
    const { object } = this.source;
    // What was written last comes back by the watch a moment later: an older state must not be taken for news.
    if (object && source.object && object.metadata.uid === source.object.metadata.uid && isOlder(source.object, object)) return;
    this.source = source;
    if (source.pod.metadata.deletionTimestamp) this.ending.abort();
    if (!object || !source.object || isNews(object, source.object)) this.wake();
  }

  /** The object is no longer there. */
  remove(): void {
    this.removed = true;
    this.ending.abort();
    this.wake();
  }

  /** The pod is not taken, or not allowed to go on: it ends with phase Failed. */
  fail(failure: { reason: string; message: string }): void {
    this.failure = failure;
    this.wake();
  }

  /** Something has happened in the runtime, or may have. */
  runtimeChanged(): void {
    this.stale = true;
    this.wake();
  }

  wake(): void {
    this.awake = true;
    if (!this.running && !this.stopped) void this.loop();
  }

  /** Leaves everything as it is: the containers go on without hue. */
  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.ending.abort();
  }

  private async loop(): Promise<void> {
    this.running = true;
    while (this.awake && !this.stopped) {
      this.awake = false;
      try {
        await this.sync();
      } catch (error) {
        if (this.stopped) break;
        const text = error instanceof Error ? error.message : String(error);
        this.stale = true;
        if (!isReason(error, "Conflict")) this.context.log.warn({ pod: this.pod.metadata.name, error: text }, "pod cannot be synced");
        this.again(1000);
      }
    }
    this.running = false;
    this.ending.forgetSignal();
  }

  /** Looks again in that many milliseconds, or earlier when something else asks for it. */
  private again(milliseconds: number): void {
    const at = this.context.clock.now() + milliseconds;
    if (this.timer && this.timer.at <= at) return;
    this.timer?.cancel();
    const cancel = this.context.clock.after(milliseconds, () => {
      this.timer = undefined;
      this.wake();
    });
    this.timer = { at, cancel };
  }

  private async sync(): Promise<void> {
    const { phase } = this.source.object?.status ?? {};
    const ended = phase === "Failed" || phase === "Succeeded";
    this.checkDeadline();
    if (this.removed || this.pod.metadata.deletionTimestamp || ended || this.failure) return this.end(ended);
    const blocked = new Set<string>();
    let state = await this.lookAgain();
    // Each round does one step and looks again; the bound is against mistakes.
    for (let round = 0; round < 100 && !this.stopped; round++) {
      const plan = planPod(this.pod, state, this.probeView());
      if (plan.finished) return this.end(false, state);
      if (!(await this.execute(plan, state, blocked)) || this.ending.aborted) break;
      state = await this.look();
    }
    await this.collect(state);
    await this.writeStatus(state, false);
    const renewal = this.context.volumes.nextRefresh(this.pod.metadata.uid);
    if (renewal !== undefined) this.again(Math.max(renewal - this.context.clock.now(), 1000));
  }

  private probeView(): Parameters<typeof planPod>[2] {
    const { probes } = this.context;
    return { started: (id) => probes.isStarted(id), failed: (id) => probes.failed(id) };
  }

  private async lookAgain(): Promise<PodState> {
    return this.known && !this.stale ? this.known : this.look();
  }

  /** What the runtime has of the pod; probes and last words are brought up to it. */
  private async look(): Promise<PodState> {
    const { runtime, probes } = this.context;
    this.stale = false;
    const state = await runtime.pod(this.pod.metadata.uid);
    this.known = state;
    const alive = new Set<string>();
    for (const container of state.containers) {
      if (container.state === "exited" && !this.messages?.has(container.id))
        (this.messages ??= new Map()).set(container.id, await terminationMessage(this.context, this.pod, container).catch(() => ""));
      const spec = findContainer(this.pod, container.name);
      if (container.state !== "running" || !spec || this.stopper.has(container.id)) continue;
      alive.add(container.id);
      const status = this.source.object && findStatus(this.source.object, container.name);
      const same = status?.containerID === `docker://${container.id}`;
      probes.add({
        pod: this.pod,
        container: spec,
        containerId: container.id,
        podIP: this.podIP(state),
        startedAt: container.startedAt,
        known: { ready: same && status.ready, started: same && status.started === true },
      });
    }
    probes.removePod(this.pod.metadata.uid, (id) => alive.has(id));
    for (const id of this.messages?.keys() ?? []) if (!state.containers.some((c) => c.id === id)) this.messages?.delete(id);
    return state;
  }

  private podIP(state: PodState): string {
    const ip = state.sandboxes.find((s) => s.running)?.ip;
    return ip ?? this.context.hostIPs()[0] ?? "127.0.0.1";
  }

  /** Takes one step of the plan. Returns whether to look for the next one. */
  private async execute(plan: Plan, state: PodState, blocked: Set<string>): Promise<boolean> {
    for (const { container, message } of plan.kill) {
      const probeGrace = this.probeGrace(container);
      this.stop1(container, message, probeGrace ?? this.pod.spec.terminationGracePeriodSeconds ?? 30, state);
    }
    const volumes = plan.createSandbox || plan.start.length > 0 || plan.sandbox ? await this.mount(plan, state) : undefined;
    if (!volumes) return false;
    if (plan.createSandbox) {
      const sandbox = this.makeSandbox(state);
      // The pod's status is told before what may take long; a sandbox that is there at once is told with what runs in it.
      const tells = !this.source.object?.status.startTime && !(await isSettledSoon(sandbox));
      const [made] = await Promise.all([sandbox, tells ? this.writeStatus(state, false) : undefined]);
      return made;
    }
    const { sandbox } = plan;
    if (!sandbox) return false;
    const resize = await applyResize(this.context, this.pod, state);
    this.resize = resize.condition;
    if (resize.condition?.reason === "Error") this.again(resizeRetry);
    for (const { container, message } of resize.restarts)
      this.stop1(container, message, this.pod.spec.terminationGracePeriodSeconds ?? 30, state);
    if (resize.applied && resize.restarts.length === 0) return true;
    const next = plan.start.find((c) => !blocked.has(c.container.name) && !this.isStopping(c, state));
    if (!next) return false;
    blocked.add(next.container.name);
    await this.start(next, state, sandbox, volumes);
    return true;
  }

  /** A container that is being ended comes back when it has ended. */
  private isStopping(c: PodContainer, state: PodState): boolean {
    return state.containers.some((s) => s.name === c.container.name && s.state === "running");
  }

  private probeGrace(container: ContainerState): number | undefined {
    const spec = findContainer(this.pod, container.name)?.container;
    const failed = this.context.probes.failed(container.id);
    const probe = failed === "liveness" ? spec?.livenessProbe : failed === "startup" ? spec?.startupProbe : undefined;
    return probe?.terminationGracePeriodSeconds;
  }

  private stop1(container: ContainerState, message: string, graceSeconds: number, state: PodState): void {
    const spec = findContainer(this.pod, container.name);
    this.stopper.stop({ pod: this.pod, container, spec, podIP: this.podIP(state), graceSeconds, message }, () => this.runtimeChanged());
  }

  private async mount(plan: Plan, state: PodState): Promise<ReadonlyMap<string, MountedVolume> | undefined> {
    if (!this.context.runtime.usesHost) return new Map();
    const { uid } = this.pod.metadata;
    try {
      const volumes = await this.context.volumes.mount(this.pod, nodeFacts(this.context, this.pod, plan.sandbox?.ip), this.ending.signal);
      this.setup?.forget(`${uid}/mount`);
      return volumes;
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error;
      this.context.events.event(this.pod, "Warning", "FailedMount", error.message);
      this.retrySetup("mount");
      // Containers that run already have their volumes: only new ones have to wait.
      await this.writeStatus(state, false);
      return undefined;
    }
  }

  private retrySetup(step: string): void {
    const key = `${this.pod.metadata.uid}/${step}`;
    const now = this.context.clock.now();
    this.setup ??= new Backoff(setupBackoff);
    this.setup.next(key, now);
    this.again(this.setup.delay(key));
  }

  private async makeSandbox(state: PodState): Promise<boolean> {
    if (state.sandboxes.length > 0)
      this.context.events.event(this.pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
    try {
      await createSandbox(this.context, this.pod, state);
      return true;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.context.events.event(this.pod, "Warning", "FailedCreatePodSandBox", `Failed to create pod sandbox: ${text}`);
      this.retrySetup("sandbox");
      return false;
    }
  }

  private async start(c: PodContainer, state: PodState, sandbox: SandboxState, volumes: ReadonlyMap<string, MountedVolume>): Promise<void> {
    const { signal } = this.ending;
    const failed = await startContainer(this.context, { pod: this.pod, container: c, state, sandbox, volumes, signal });
    const { name } = c.container;
    if (!failed) {
      this.waiting?.delete(name);
      return;
    }
    (this.waiting ??= new Map()).set(name, failed.waiting);
    this.again(failed.retryAfter);
  }

  /** The deadline of the pod counts from its start; it may be changed while it runs. */
  private checkDeadline(): void {
    const { activeDeadlineSeconds } = this.pod.spec;
    const startTime = parseTime(this.source.object?.status.startTime);
    if (activeDeadlineSeconds === undefined || startTime === undefined || this.failure) return;
    const left = startTime + activeDeadlineSeconds * 1000 - this.context.clock.now();
    if (left > 0) {
      this.again(left);
      return;
    }
    const message = "Pod was active on the node longer than the specified deadline";
    this.failure = { reason: "DeadlineExceeded", message };
    this.context.events.event(this.pod, "Normal", "DeadlineExceeded", message);
  }

  /** Ends the pod: containers first, sidecars after them in reverse order, then the sandbox and the volumes, then the object. */
  private async end(alreadyEnded: boolean, known?: PodState): Promise<void> {
    const state = known ?? (await this.lookAgain());
    const deleting = this.removed || this.pod.metadata.deletionTimestamp !== undefined;
    this.context.probes.removePod(this.pod.metadata.uid);
    this.waiting?.clear();
    const graceSeconds = this.pod.metadata.deletionGracePeriodSeconds ?? this.pod.spec.terminationGracePeriodSeconds ?? 30;
    const running = state.containers.filter((c) => c.state === "running");
    if (running.length > 0) {
      for (const container of nextToStop(this.pod, running))
        this.stop1(container, `Stopping container ${container.name}`, graceSeconds, state);
      if (!this.removed && !alreadyEnded) await this.writeStatus(state, true);
      return;
    }
    if (!this.removed && !alreadyEnded) await this.writeStatus(state, true, this.source.object === this.source.pod);
    await this.clean(state, deleting);
    if (deleting) await this.finish();
  }

  private async clean(state: PodState, deleting: boolean): Promise<void> {
    const { runtime, volumes, images, backoff } = this.context;
    const { uid } = this.pod.metadata;
    this.stale = true;
    const old = deleting ? state.containers : [];
    await Promise.all([
      ...state.sandboxes.map((s) => runtime.removeSandbox(s.id)),
      ...old.map((c) => runtime.removeContainer(c.id)),
      deleting ? undefined : this.collect(state),
    ]);
    if (this.cleaned) return;
    if (runtime.usesHost) await volumes.unmount(uid);
    images.forget(uid);
    backoff.forget(`${uid}/`);
    this.cleaned = true;
  }

  /** The object goes when nothing of the pod is left here: its name is free for the next one. */
  private async finish(): Promise<void> {
    const { object } = this.source;
    if (object && !this.removed) {
      const { namespace, name, uid } = object.metadata;
      try {
        await this.context.client.delete(Pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
      } catch (error) {
        if (!isReason(error, "NotFound") && !isReason(error, "Conflict")) throw error;
      }
      return; // the watch tells when it has gone; finalizers may hold it
    }
    this.stop();
    this.gone();
  }

  /** Keeps the newest two of each container (for `logs --previous`), and no dead sandbox. */
  private async collect(state: PodState): Promise<void> {
    const seen = new Map<string, number>();
    for (const c of state.containers) {
      const count = (seen.get(c.name) ?? 0) + 1;
      seen.set(c.name, count);
      if (count > 2 && c.state !== "running") await this.context.runtime.removeContainer(c.id);
    }
    const current = state.sandboxes.find((s) => s.running);
    for (const s of state.sandboxes) if (current && s !== current && !s.running) await this.context.runtime.removeSandbox(s.id);
  }

  private async writeStatus(state: PodState, terminating: boolean, ended = false): Promise<void> {
    const { clock, probes, client } = this.context;
    const { object, pod } = this.source;
    if (!object) return;
    const next = podStatus({
      pod: object === pod ? pod : { ...pod, metadata: { ...pod.metadata, generation: object.metadata.generation }, status: object.status },
      state,
      now: clock.now(),
      hostIPs: this.context.hostIPs(),
      waiting: this.waiting ?? none,
      terminationMessages: this.messages ?? none,
      // A container that is stopped only to be started again stays as it was until then.
      ready: (id) => (this.stopper.has(id) ? wasReady(object, id) : probes.isReady(id)),
      started: (id) => probes.isStarted(id),
      failure: this.failure,
      resize: this.resize,
      ended,
      terminating,
    });
    const body = statusPatch(object, next);
    if (!body) return;
    const { namespace, name } = object.metadata;
    try {
      const written = await client.patch(Pods, { namespace, name }, { type: "strategic", body }, { subresource: "status" });
      if (this.source.object?.metadata.uid !== written.metadata.uid || isOlder(written, this.source.object)) return;
      this.source = this.source.object === this.source.pod ? { pod: written, object: written } : { ...this.source, object: written };
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error; // it has gone; the watch will say so
    }
  }
}

/** Whether it settles in this turn of the event loop. */
function isSettledSoon(work: Promise<unknown>): Promise<boolean> {
  return Promise.race([work.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);
}

function wasReady(object: Pod, containerId: string): boolean {
  const { containerStatuses = [], initContainerStatuses = [] } = object.status;
  return [...containerStatuses, ...initContainerStatuses].some((s) => s.containerID === `docker://${containerId}` && s.ready);
}

/** App containers all at once; when none of them is left, the last sidecar that still runs. */
function nextToStop(pod: Pod, running: readonly ContainerState[]): ContainerState[] {
  const sidecars = podContainers(pod)
    .filter(isSidecar)
    .map((c) => c.container.name);
  const others = running.filter((c) => !sidecars.includes(c.name));
  if (others.length > 0) return others;
  const last = sidecars.findLast((name) => running.some((c) => c.name === name));
  return running.filter((c) => c.name === last);
}

/** Whether a change is more than the status that the worker has written itself. */
function isNews(old: Pod, next: Pod): boolean {
  const asked = ["generation", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations"] as const;
  const same = asked.every((name) => semanticEqual(old.metadata[name], next.metadata[name]));
  const gates = (next.spec.readinessGates ?? []).length > 0;
  return !same || gates || old.metadata.uid !== next.metadata.uid || old.status.phase !== next.status.phase;
}

function isOlder(a: Pod, b: Pod | undefined): boolean {
  if (!b) return false;
  return BigInt(a.metadata.resourceVersion || 0) < BigInt(b.metadata.resourceVersion || 0);
}
