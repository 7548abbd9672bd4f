import { afterEach } from "vitest";
import type { Caches } from "../../../../src/client/cache.ts";
import { createCaches } from "../../../../src/client/caches.ts";
import type { ControllerFactory } from "../../../../src/client/controller.ts";
import { runController } from "../../../../src/client/runner.ts";
import { startControllers } from "../../../../src/controllers/index.ts";
import type { ClusterSettings } from "../../../../src/controllers/settings.ts";
import { silentLogger } from "../../../../src/lib/log.ts";
import type { Transport } from "../../../../src/client/transport.ts";
import { World } from "../world.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const controllers of running.splice(0)) await controllers.stop();
});

/** Controllers of the cluster itself on an API in memory. */
export class Cluster extends World {
  private readonly caches: Caches;

  constructor(names: string[], settings: Partial<ClusterSettings> = {}) {
    super();
    const deleteCollection: Transport["deleteCollection"] = async (target) => {
      const { items } = await this.api.list(target);
      for (const { metadata } of items) await this.api.delete({ ...target, name: metadata.name });
      return { apiVersion: "v1", kind: "List", metadata: {} };
    };
    Object.assign(this.api, { deleteCollection });
    this.caches = createCaches(this.api, this.clock, silentLogger);
    const all: ClusterSettings = {
      clusterCIDR: "10.42.0.0/16",
      rootCA: () => "the authority",
      signToken: ({ namespace, serviceAccount }) => `token of ${namespace}/${serviceAccount}`,
      signCertificate: async () => "a certificate",
      storagePath: "/data/storage",
      ...settings,
    };
    running.push(startControllers({ client: this.client, caches: this.caches, clock: this.clock, log: silentLogger }, names, all));
  }

  /** Runs one more controller. */
  run(create: ControllerFactory): void {
    const context = { client: this.client, caches: this.caches, clock: this.clock, log: silentLogger, events: { event: () => {} } };
    running.push(runController(create(context), context));
  }
}
