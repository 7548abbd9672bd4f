import { isNamespaceTerminating, isReason, StatusError } from "../api/errors.ts";
import { type Creatable, type KubeObject, keyOf } from "../api/meta/object.ts";
import { controllerReference } from "../api/meta/owners.ts";
import type { Pod, PodTemplateSpec } from "../api/types/core.v1.ts";
import { Pods } from "../api/types/resources.ts";
import type { Cache } from "../client/cache.ts";
import type { Client } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import type { Written } from "../client/written.ts";
import { ignoreMissing } from "./ownership.ts";

/** A new pod of that template, named after its owner ("<name>-" and five characters) and controlled by it. */
export function podFromTemplate(
  template: PodTemplateSpec | undefined,
  owner: KubeObject,
): Creatable<Pod> & { metadata: Pod["metadata"] | object } {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  const { namespace, name = "" } = owner.metadata;
  const metadata = {
    generateName: `${name}-`,
    ...(namespace ? { namespace } : {}),
    ...(labels ? { labels: { ...labels } } : {}),
    ...(annotations ? { annotations: { ...annotations } } : {}),
    ...(finalizers?.length ? { finalizers: [...finalizers] } : {}),
    ownerReferences: [controllerReference(owner)],
  };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: template?.spec ?? { containers: [] } };
}

/** For creations that nobody needs when the namespace goes. Throws every other error. */
export function ignoreTerminating(error: unknown): undefined {
  if (!isNamespaceTerminating(error)) throw error;
}

/** Creates and deletes the pods of owners, tells it in events on the owner, and notes the writes for the owner's key. */
export class PodControl {
  private readonly client: Client;
  private readonly events: EventRecorder;
  private readonly pods: Cache<Pod>;
  private readonly written: Written;

  constructor(client: Client, events: EventRecorder, pods: Cache<Pod>, written: Written) {
    this.client = client;
    this.events = events;
    this.pods = pods;
    this.written = written;
  }

  /** Creates the pod. Errors are told as an event and thrown, that of a terminating namespace without an event. */
  async create(owner: KubeObject, pod: Creatable<Pod>): Promise<Pod> {
    try {
      const created = await this.client.create(Pods, pod);
      this.written.wrote(keyOf(owner), this.pods, created);
      this.events.event(owner, "Normal", "SuccessfulCreate", `Created pod: ${created.metadata.name}`);
      return created;
    } catch (error) {
      if (!isNamespaceTerminating(error)) this.events.event(owner, "Warning", "FailedCreate", `Error creating: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Deletes the pod, gracefully; one that is gone is no error. */
  async delete(owner: KubeObject, pod: Pod): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    try {
      await this.client.delete(Pods, { namespace, name }, { preconditions: { uid } });
      this.written.deleted(keyOf(owner), this.pods, pod);
      this.events.event(owner, "Normal", "SuccessfulDelete", `Deleted pod: ${name}`);
    } catch (error) {
      if (isReason(error, "NotFound")) return;
      this.events.event(owner, "Warning", "FailedDelete", `Error deleting: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Changes metadata by a merge patch; undefined when the pod is gone. */
  async patch(owner: KubeObject, pod: Pod, metadata: Record<string, unknown>): Promise<Pod | undefined> {
    const { namespace, name } = pod.metadata;
    const patched = await this.client.patch(Pods, { namespace, name }, { type: "merge", body: { metadata } }).catch(ignoreMissing);
    if (patched) this.written.wrote(keyOf(owner), this.pods, patched);
    return patched;
  }
}

/** The text of an error as users see it. */
export function messageOf(error: unknown): string {
  return error instanceof StatusError || error instanceof Error ? error.message : String(error);
}

/**
 * Does something `count` times, first once, then in batches twice as large as the one before, and stops after a batch with an error: a
 * thousand pods that a quota forbids cost one request. Returns how often it succeeded, and the first error.
 */
export async function slowStart(count: number, call: (i: number) => Promise<unknown>): Promise<{ succeeded: number; error: unknown }> {
  let succeeded = 0;
  for (let begun = 0, batch = 1; begun < count; begun += batch, batch *= 2) {
    batch = Math.min(batch, count - begun);
    const results = await Promise.allSettled(Array.from({ length: batch }, (_, i) => call(begun + i)));
    succeeded += results.filter(({ status }) => status === "fulfilled").length;
    const failed = results.find((result) => result.status === "rejected");
    if (failed) return { succeeded, error: failed.reason };
  }
  return { succeeded, error: undefined };
}
