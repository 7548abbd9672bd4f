import { isReason } from "../../api/errors.ts";
import { keyOf } from "../../api/meta/object.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { Pods } from "../../api/types/resources.ts";
import type { Cache } from "../../client/cache.ts";
import type { KubeletContext } from "../context.ts";
import type { PodState } from "../runtime/runtime.ts";
import { admitPod, refuseAppArmor } from "./admission.ts";
import { type PodSource, PodWorker } from "./pod-worker.ts";
import { mirrorAnnotation, mirrorOf } from "./static-pods.ts";

/** One worker for each pod of the node, from the API and from files, and an end for what no pod owns. */
export class PodManager {
  private readonly context: KubeletContext;
  private readonly cache: Cache<Pod>;
  /** By pod uid, the file's for static pods. */
  private readonly workers = new Map<string, PodWorker>();
  /** Static pods by "namespace/name". */
  private statics = new Map<string, Pod>();
  private stopCache = (): void => {};
  private stopped = false;

  constructor(context: KubeletContext, cache: Cache<Pod>) {
    this.context = context;
    this.cache = cache;
  }

  /** Begins with the pods that are there; `adopted` is what the runtime runs already. */
  start(adopted: readonly PodState[]): void {
    const running = new Set(adopted.map((s) => s.pod.uid));
    this.stopCache = this.cache.onChange(({ object, old }) => this.change(object, old, running));
    for (const state of adopted) if (!this.workers.has(state.pod.uid)) this.endOrphan(state);
    running.clear();
  }

  /** All pods that the node knows. */
  pods(): Pod[] {
    return [...this.workers.values()].map((w) => w.pod);
  }

  /** The pods that the node's room is given to, but that one. Those that are gone from the API still end here, but the scheduler has given it away. */
  neighbours(pod: Pod): Pod[] {
    const others: Pod[] = [];
    for (const [uid, worker] of this.workers) if (uid !== pod.metadata.uid && !worker.isRemoved) others.push(worker.pod);
    return others;
  }

  /** A static pod by its mirror, or the pod itself, by namespace and name. */
  find(namespace: string, name: string): Pod | undefined {
    const key = `${namespace}/${name}`;
    return this.statics.get(key) ?? this.cache.get(namespace, name) ?? this.pods().find((p) => keyOf(p) === key);
  }

  /** Something that a pod depends on has changed: an object, a verdict of a probe. */
  wake(uid: string): void {
    this.workers.get(uid)?.wake();
  }

  /** Something has happened to a pod in the runtime; to any of them, when the uid is missing. */
  runtimeChanged(uid: string | undefined): void {
    if (uid !== undefined) this.workers.get(uid)?.runtimeChanged();
    else for (const worker of this.workers.values()) worker.runtimeChanged();
  }

  stop(): void {
    this.stopped = true;
    this.stopCache();
    for (const worker of this.workers.values()) worker.stop();
  }

  private change(object: Pod | undefined, old: Pod | undefined, running: ReadonlySet<string>): void {
    const pod = object ?? old;
    if (!pod || this.stopped) return;
    const { uid } = pod.metadata;
    const worker = this.workers.get(uid);
    if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) this.mirrorChange(object, pod);
    else if (!object) worker?.remove();
    else if (worker) worker.update({ pod: object, object });
    else this.add(object, object, running.has(uid));
  }

  private newWorker(source: PodSource, isAdopted: boolean): PodWorker {
    const { uid } = source.pod.metadata;
    return new PodWorker(this.context, source, isAdopted, () => {
      this.workers.delete(uid);
      for (const other of this.workers.values()) if (other.waitsForRoom) other.wake();
    });
  }

  private add(pod: Pod, object: Pod | undefined, isAdopted: boolean): void {
    const { uid } = pod.metadata;
    const worker = this.newWorker({ pod, object }, isAdopted);
    const others = this.neighbours(pod);
    this.workers.set(uid, worker);
    const node = this.context.node();
    const isNew = !isAdopted && !pod.status?.startTime && !pod.metadata.deletionTimestamp;
    const rejection =
      isNew && node ? (admitPod(pod, node, others) ?? (this.context.hasAppArmor() ? undefined : refuseAppArmor(pod))) : undefined;
    if (rejection) {
      this.context.events.event(pod, "Warning", rejection.reason, rejection.message);
      worker.fail(rejection);
    } else worker.wake();
  }

  /** What the folder of static pods holds now. */
  setStatics(pods: readonly Pod[]): void {
    if (this.stopped) return;
    const next = new Map(pods.map((p) => [keyOf(p), p]));
    for (const [key, pod] of this.statics)
      if (next.get(key)?.metadata.uid !== pod.metadata.uid) this.workers.get(pod.metadata.uid)?.remove();
    this.statics = next;
    for (const [key, pod] of next) {
      const mirror = this.cache.byKey(key);
      if (!this.workers.has(pod.metadata.uid)) this.add(pod, isMirror(mirror, pod) ? mirror : undefined, true);
      void this.ensureMirror(pod);
    }
    for (const mirror of this.cache.list()) if (mirror.metadata.annotations?.[mirrorAnnotation]) this.mirrorChange(mirror, mirror);
  }

  private mirrorChange(object: Pod | undefined, mirror: Pod): void {
    const pod = this.statics.get(keyOf(mirror));
    if (object && !isMirror(object, pod)) void this.deleteMirror(object);
    if (!pod || (object && !isMirror(object, pod))) return;
    this.workers.get(pod.metadata.uid)?.update({ pod, object });
    if (object?.metadata.deletionTimestamp) void this.deleteMirror(object);
    if (!object) void this.ensureMirror(pod);
  }

  private async ensureMirror(pod: Pod): Promise<void> {
    const node = this.context.node();
    if (isMirror(this.cache.byKey(keyOf(pod)), pod)) return;
    try {
      await this.context.client.create(Pods, mirrorOf(pod, node && { name: node.metadata.name, uid: node.metadata.uid }));
    } catch (error) {
      if (isReason(error, "AlreadyExists") || this.stopped) return;
      this.context.log.warn({ pod: pod.metadata.name, error: String(error) }, "a static pod cannot be shown in the API");
      this.context.clock.after(10_000, () => {
        if (!this.stopped && this.statics.get(keyOf(pod)) === pod) void this.ensureMirror(pod);
      });
    }
  }

  private async deleteMirror(mirror: Pod): Promise<void> {
    const { namespace, name, uid } = mirror.metadata;
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await this.context.client.delete(Pods, { namespace, name }, options).catch((error: unknown) => {
      if (!isReason(error, "NotFound")) this.context.log.warn({ pod: name, error: String(error) }, "a mirror pod cannot be deleted");
    });
  }

  /** Containers of a pod that went while hue was away: a worker without object ends them. */
  private endOrphan({ pod: { uid, name, namespace } }: PodState): void {
    const metadata = { uid, name, namespace, resourceVersion: "", creationTimestamp: "", deletionGracePeriodSeconds: 30 };
    const pod: Pod = { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [] }, status: {} };
    const worker = this.newWorker({ pod, object: undefined }, true);
    this.workers.set(uid, worker);
    worker.remove();
  }
}

function isMirror(object: Pod | undefined, pod: Pod | undefined): object is Pod {
  return object !== undefined && pod !== undefined && object.metadata.annotations?.[mirrorAnnotation] === pod.metadata.uid;
}
