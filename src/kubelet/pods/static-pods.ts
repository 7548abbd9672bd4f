import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { syncAppArmor } from "../../api/core/app-armor.ts";
import { defaultPod } from "../../api/core/pod-defaults.ts";
import type { Creatable } from "../../api/meta/object.ts";
import { formatTime } from "../../api/meta/time.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";

/** Says which file's pod a mirror pod shows: the API's object of a static pod. */
export const mirrorAnnotation = "kubernetes.io/config.mirror";
/** The hash of the file's pod, on the pod itself. */
const hashAnnotation = "kubernetes.io/config.hash";

/** Where static pods come from. */
export interface StaticPodOptions {
  folder: string;
  nodeName: string;
  clock: Clock;
  log: Logger;
  /** The pods of all files, by name; called at the start and after each change. */
  changed(pods: readonly Pod[]): void;
}

/** Follows a folder of pod manifests. Returns how to stop. */
export function followStaticPods(options: StaticPodOptions): () => void {
  let watcher: FSWatcher | undefined;
  let cancel = (): void => {};
  let stopped = false;
  const read = async (): Promise<void> => {
    const pods = await readStaticPods(options);
    if (!stopped) options.changed(pods);
  };
  const soon = (): void => {
    cancel();
    cancel = options.clock.after(100, () => void read()); // an editor writes a file in several steps
  };
  try {
    watcher = watch(options.folder, soon);
    watcher.on("error", () => {});
  } catch (error) {
    options.log.warn({ folder: options.folder, error: String(error) }, "the folder of static pods cannot be followed");
  }
  void read();
  return () => {
    stopped = true;
    cancel();
    watcher?.close();
  };
}

async function readStaticPods({ folder, nodeName, log, clock }: StaticPodOptions): Promise<Pod[]> {
  const pods: Pod[] = [];
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    if (name.startsWith(".") || !/\.(ya?ml|json)$/.test(name)) continue;
    try {
      for (const document of parseAllDocuments(await readFile(join(folder, name), "utf8"))) {
        const pod: unknown = document.toJS();
        if (pod) pods.push(staticPod(pod as Pod, nodeName, formatTime(clock.now()))); // a manifest: checked where it is used
      }
    } catch (error) {
      log.warn({ file: join(folder, name), error: String(error) }, "a static pod's manifest cannot be read");
    }
  }
  return pods;
}

/** The pod of a manifest as it runs on that node: "name-node", with a uid that follows from its contents. */
export function staticPod(manifest: Pod, nodeName: string, now: string): Pod {
  if (manifest.kind !== "Pod" || !manifest.metadata?.name || !manifest.spec?.containers)
    throw new Error("not a Pod with a name and containers");
  const pod = structuredClone(manifest);
  const hash = createHash("sha256")
    .update(JSON.stringify([nodeName, manifest.metadata, manifest.spec]))
    .digest("hex")
    .slice(0, 32);
  const { metadata, spec } = pod;
  metadata.name = `${metadata.name}-${nodeName}`;
  metadata.namespace ||= "default";
  metadata.uid = hash;
  metadata.resourceVersion = "";
  metadata.creationTimestamp = now;
  metadata.annotations = {
    ...metadata.annotations,
    [hashAnnotation]: hash,
    "kubernetes.io/config.seen": now,
    "kubernetes.io/config.source": "file",
  };
  pod.status = { phase: "Pending" };
  defaultPod(pod);
  syncAppArmor(pod);
  spec.nodeName = nodeName;
  spec.tolerations = [...(spec.tolerations ?? []), { operator: "Exists", effect: "NoExecute" }];
  return pod;
}

/** The object that shows a static pod in the API. */
export function mirrorOf(pod: Pod, node: { name: string; uid: string } | undefined): Creatable<Pod> {
  const { uid, resourceVersion: _, creationTimestamp: __, ...metadata } = pod.metadata;
  const owner = node && { apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid, controller: true };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      annotations: { ...metadata.annotations, [mirrorAnnotation]: uid },
      ...(owner ? { ownerReferences: [owner] } : {}),
    },
    spec: pod.spec,
  };
}
