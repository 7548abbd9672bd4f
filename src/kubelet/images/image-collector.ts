import { statfs } from "node:fs/promises";
import type { Pod } from "../../api/types/core.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { podContainers } from "../pods/containers.ts";
import type { ImageInfo, Runtime } from "../runtime/runtime.ts";

/** Above this share of the disk images are removed, down to the lower one. As upstream's defaults. */
const thresholds = { high: 0.85, low: 0.8 };
const period = 300_000;

/** Removes images that no pod uses when the disk fills up; only those that a registry can give back. */
export class ImageCollector {
  private readonly options: { clock: Clock; log: Logger; runtime: Runtime; dataDir: string };
  private cancel = (): void => {};

  constructor(options: { clock: Clock; log: Logger; runtime: Runtime; dataDir: string }) {
    this.options = options;
  }

  start(pods: () => readonly Pod[]): void {
    if (!this.options.runtime.usesHost) return;
    this.cancel = this.options.clock.after(period, () => {
      void this.collect(pods()).finally(() => this.start(pods));
    });
  }

  stop(): void {
    this.cancel();
  }

  private async collect(pods: readonly Pod[]): Promise<void> {
    const { runtime, dataDir, log } = this.options;
    const disk = await statfs(dataDir).catch(() => undefined);
    if (!disk || 1 - disk.bavail / disk.blocks < thresholds.high) return;
    const excess = (1 - thresholds.low) * disk.blocks * disk.bsize - disk.bavail * disk.bsize;
    const used = new Set(pods.flatMap((p) => podContainers(p).map((c) => c.container.image ?? "")));
    for (const image of removable(await runtime.images(), used, excess))
      await runtime
        .removeImage(image.id)
        .catch((error: unknown) => log.debug({ image: image.names[0], error: String(error) }, "image is kept"));
  }
}

/** The largest images that are not in use and that a registry has, until they sum up to so many bytes. */
export function removable(images: readonly ImageInfo[], used: ReadonlySet<string>, bytes: number): ImageInfo[] {
  const result: ImageInfo[] = [];
  let sum = 0;
  for (const image of [...images].sort((a, b) => b.sizeBytes - a.sizeBytes)) {
    if (sum >= bytes) break;
    if (!image.hasRepoDigest || image.names.some((name) => used.has(name) || used.has(name.replace(/:latest$/, "")))) continue;
    result.push(image);
    sum += image.sizeBytes;
  }
  return result;
}
