import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Engine, idempotent, label } from "./runtime/docker/engine.ts";
import { linuxMounts } from "./volumes/host-mounts.ts";

/** What a cleanup has removed. */
export interface Removed {
  containers: number;
}

/**
 * Removes every container, mount and folder that kubelets with that data directory have made, and nothing else. Folders of
 * persistent volumes stay. Works without a running hue; an engine that does not answer is an error.
 */
export async function cleanup(dataDir: string, socketPath?: string): Promise<Removed> {
  const engine = new Engine(socketPath);
  const query = { all: true, filters: { label: [`${label.dataDir}=${dataDir}`] } };
  const containers = await engine.call<{ Id: string; Labels: Record<string, string> }[]>("GET", "/containers/json", { query });
  // Sandboxes last: containers live in their namespaces.
  containers.sort((a, b) => Number(a.Labels[label.kind] === "sandbox") - Number(b.Labels[label.kind] === "sandbox"));
  for (const { Id } of containers) await idempotent(engine.call("DELETE", `/containers/${Id}`, { query: { force: true, v: true } }));
  engine.close();
  for (const folder of ["pods", "memory", "images"]) {
    await linuxMounts.unmountBelow(join(dataDir, folder));
    await rm(join(dataDir, folder), { recursive: true, force: true });
  }
  return { containers: containers.length };
}
