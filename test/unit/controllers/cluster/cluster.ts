import { afterEach } from "vitest";
import { createCaches } from "../../../../src/client/caches.ts";
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
  constructor(names: string[], settings: Partial<ClusterSettings> = {}) {
    super();
    const deleteCollection: Transport["deleteCollection"] = async (target) => {
      const { items } = await this.api.list(target);
      for (const { metadata } of items) await this.api.delete({ ...target, name: metadata.name });
      return { apiVersion: "v1", kind: "List", metadata: {} };
    };
    Object.assign(this.api, { deleteCollection });
    const caches = createCaches(this.api, this.clock, silentLogger);
    const all: ClusterSettings = {
      clusterCIDR: "10.42.0.0/16",
      rootCA: () => "the authority",
      signToken: ({ namespace, serviceAccount }) => `token of ${namespace}/${serviceAccount}`,
      signCertificate: async () => "a certificate",
      storagePath: "/data/storage",
      ...settings,
    };
    running.push(startControllers({ client: this.client, caches, clock: this.clock, log: silentLogger }, names, all));
  }
}
