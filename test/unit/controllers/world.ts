import { setImmediate as turn } from "node:timers/promises";
import { afterEach } from "vitest";
import type { Creatable, KubeObject } from "../../../src/api/meta/object.ts";
import type { Resource } from "../../../src/api/resource.ts";
import type { Pod } from "../../../src/api/types/core.v1.ts";
import { Events, Pods } from "../../../src/api/types/resources.ts";
import { createCaches } from "../../../src/client/caches.ts";
import { Client } from "../../../src/client/client.ts";
import { targetNode } from "../../../src/controllers/daemonset/daemon-pod.ts";
import { startControllers } from "../../../src/controllers/index.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import type { Logger } from "../../../src/lib/log.ts";
import { MemoryAPI } from "../client/memory-api.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const controllers of running.splice(0)) await controllers.stop();
});

/** Controllers on an API in memory, with a stand-in for scheduler and kubelet: pods run when the test says so. */
export class World {
  readonly clock = new FakeClock();
  readonly api = new MemoryAPI(this.clock);
  readonly client = new Client(this.api);
  readonly defects: string[] = [];

  constructor(...names: string[]) {
    const log: Logger = {
      debug() {},
      info() {},
      warn() {},
      error: (fields, message) => this.defects.push(`${message} ${JSON.stringify(fields)}`),
    };
    const caches = createCaches(this.api, this.clock, log);
    running.push(startControllers({ client: this.client, caches, clock: this.clock, log }, names));
  }

  /** Lets everything that is due happen. */
  async settle(): Promise<void> {
    for (let quiet = 0, revision = ""; quiet < 8; ) {
      for (let i = 0; i < 4; i++) await turn();
      this.clock.advance(5);
      const now = (await this.client.list(Pods)).metadata.resourceVersion ?? "";
      quiet = now === revision ? quiet + 1 : 0;
      revision = now;
    }
    if (this.defects.length) throw new Error(this.defects.join("\n"));
  }

  /** Time goes by, and everything that is due happens. */
  async pass(seconds: number): Promise<void> {
    this.clock.advance(seconds * 1000);
    await this.settle();
  }

  async create<T extends KubeObject>(resource: Resource<T>, object: Omit<Creatable<T>, "apiVersion" | "kind">): Promise<T> {
    const full = { apiVersion: resource.groupVersion, kind: resource.kind, status: {}, ...object } as unknown as Creatable<T>;
    const created = await this.client.create(resource, {
      ...full,
      metadata: { namespace: resource.namespaced ? "a" : undefined, ...full.metadata },
    });
    await this.settle();
    return created;
  }

  get<T>(resource: Resource<T>, name: string): Promise<T> {
    return this.client.get(resource, { namespace: resource.namespaced ? "a" : undefined, name });
  }

  async list<T>(resource: Resource<T>): Promise<T[]> {
    return (await this.client.list(resource, resource.namespaced ? { namespace: "a" } : {})).items;
  }

  /** Changes an object in place. */
  async change<T extends KubeObject>(resource: Resource<T>, name: string, edit: (object: T) => void): Promise<T> {
    const copy = structuredClone(await this.get(resource, name));
    edit(copy);
    const updated = await this.client.update(resource, copy);
    await this.settle();
    return updated;
  }

  /** Marks pods as running and ready (those not deleted, all by default), as the kubelet would. */
  async runPods(select: (pod: Pod) => boolean = () => true): Promise<void> {
    for (const pod of await this.list(Pods)) {
      if (!select(pod) || pod.metadata.deletionTimestamp || ["Running", "Succeeded", "Failed"].includes(pod.status.phase ?? "")) continue;
      await this.client.update(Pods, { ...pod, spec: { ...pod.spec, nodeName: targetNode(pod) ?? "n1" } });
      await this.setPod(pod.metadata.name, "Running", true);
    }
    await this.settle();
  }

  /** Writes a pod's phase and readiness. */
  async setPod(name: string, phase: NonNullable<Pod["status"]["phase"]>, ready = false, more: Partial<Pod["status"]> = {}): Promise<void> {
    const pod = await this.get(Pods, name);
    const lastTransitionTime = new Date(this.clock.now()).toISOString();
    const condition = { type: "Ready", status: ready ? "True" : "False", lastTransitionTime };
    await this.client.updateStatus(Pods, { ...pod, status: { ...pod.status, phase, conditions: [condition], ...more } });
  }

  /** Ends pods that are being deleted, as the kubelet would. */
  async reap(): Promise<void> {
    for (const { metadata, status } of await this.list(Pods)) {
      if (!metadata.deletionTimestamp) continue;
      if (status.phase === "Pending" || status.phase === "Running") await this.setPod(metadata.name, "Failed");
      await this.client.delete(Pods, metadata, { gracePeriodSeconds: 0 });
    }
    await this.settle();
  }

  /** Runs and reaps pods until nothing changes any more. */
  async converge(): Promise<void> {
    for (let before = ""; ; ) {
      await this.runPods();
      await this.reap();
      const now = (await this.client.list(Pods)).metadata.resourceVersion ?? "";
      if (now === before) return;
      before = now;
    }
  }

  /** "Type Reason Message" of all events, in order. */
  async events(): Promise<string[]> {
    return (await this.list(Events)).map(({ type, reason, message }) => `${type} ${reason} ${message}`);
  }
}

/** A pod template with these labels. */
export function template(labels: Record<string, string>, image = "web:1") {
  return { metadata: { labels }, spec: { containers: [{ name: "web", image }] } };
}
