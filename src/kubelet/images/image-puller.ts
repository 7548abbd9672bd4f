import type { Pod } from "../../api/types/core.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import { Backoff } from "../pods/backoff.ts";
import type { ImageInfo, RegistryCredentials, Runtime } from "../runtime/runtime.ts";
import { isImageReference } from "./reference.ts";

/** An image that cannot be had, with the reason that the container's status shows: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName. */
export class ImageError extends Error {
  readonly reason: string;
  /** Milliseconds until the next attempt makes sense. */
  readonly retryAfter: number;

  constructor(reason: string, message: string, retryAfter = 10_000) {
    super(message);
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}

/** So long a failed pull shows as such; then, until the next attempt, as being in back-off. Milliseconds. */
const sayBackOffAfter = 2000;

/** An image that a pod wants. */
export interface ImageWish {
  image: string;
  policy: "Always" | "IfNotPresent" | "Never";
}

/** Tells users what happens: an event of the pod. */
export type Report = (type: "Normal" | "Warning", reason: string, message: string) => void;

/**
 * Brings images to the node by their pull policy. What was built here is deployed: an image that exists only in the local engine (no
 * registry knows it) counts as present under every policy, and one that a registry no longer has, or that is out of reach, is used as it
 * is here. To a pod whose credentials the registry refuses, policy Always gives nothing.
 */
export class ImagePuller {
  private readonly runtime: Runtime;
  private readonly clock: Clock;
  private readonly backoff = new Backoff();
  /** By pod uid and image: when the last pull failed, and with what. */
  private readonly failures = new Map<string, { at: number; error: string }>();
  /** Pulls on their way, by image: whoever wants the same one waits for it. Pods with secrets pull for themselves. */
  private readonly pulls = new Map<string, Promise<void>>();

  private readonly pulled: () => void;

  /** `pulled` is called when an image has come to the node. */
  constructor(runtime: Runtime, clock: Clock, pulled: () => void = () => {}) {
    this.runtime = runtime;
    this.clock = clock;
    this.pulled = pulled;
  }

  /** The image, pulled when the policy says so. Throws ImageError. */
  async ensure(
    pod: Pod,
    { image, policy }: ImageWish,
    credentials: () => Promise<RegistryCredentials | undefined>,
    report: Report,
    signal: AbortSignal,
  ): Promise<ImageInfo> {
    if (!isImageReference(image)) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
      report("Warning", "InspectFailed", message);
      throw new ImageError("InvalidImageName", message);
    }
    const local = await this.runtime.image(image);
    if (local && (policy !== "Always" || !local.hasRepoDigest)) return this.present(local, image, report);
    if (policy === "Never") {
      const message = `Container image "${image}" is not present with pull policy of Never`;
      report("Warning", "ErrImageNeverPull", message);
      throw new ImageError("ErrImageNeverPull", message);
    }
    return this.pull(pod, image, local, credentials, report, signal);
  }

  private present(found: ImageInfo, image: string, report: Report): ImageInfo {
    report("Normal", "Pulled", `Container image "${image}" already present on machine and can be accessed by the pod`);
    return found;
  }

  private async pull(
    pod: Pod,
    image: string,
    local: ImageInfo | undefined,
    credentials: () => Promise<RegistryCredentials | undefined>,
    report: Report,
    signal: AbortSignal,
  ): Promise<ImageInfo> {
    const key = `${pod.metadata.uid}/${image}`;
    const failure = this.failures.get(key);
    if (failure) {
      const wait = this.backoff.remaining(key, failure.at, this.clock.now());
      if (wait > 0) {
        report("Normal", "BackOff", `Back-off pulling image "${image}"`);
        throw new ImageError("ImagePullBackOff", `Back-off pulling image "${image}": ErrImagePull: ${failure.error}`, wait);
      }
    }
    report("Normal", "Pulling", `Pulling image "${image}"`);
    const begun = this.clock.now();
    try {
      await this.share(image, await credentials(), signal);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (local && !isRefusal(text)) return this.present(local, image, report);
      const now = this.clock.now();
      this.backoff.next(key, now);
      this.failures.set(key, { at: now, error: text });
      report("Warning", "Failed", `Failed to pull image "${image}": ${text}`);
      throw new ImageError("ErrImagePull", text, sayBackOffAfter);
    }
    this.failures.delete(key);
    this.pulled();
    const found = await this.runtime.image(image);
    if (!found) throw new ImageError("ErrImagePull", `image "${image}" is missing after it was pulled`);
    const took = `${((this.clock.now() - begun) / 1000).toFixed(3)}s`;
    const size = `Image size: ${found.sizeBytes} bytes.`;
    report("Normal", "Pulled", `Successfully pulled image "${image}" in ${took} (${took} including waiting). ${size}`);
    return found;
  }

  private async share(image: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<void> {
    if (credentials) return this.runtime.pull(image, credentials, signal);
    let pull = this.pulls.get(image);
    if (!pull) {
      // A pull that others may wait for does not end with the pod that began it.
      pull = this.runtime.pull(image, undefined, new AbortController().signal).finally(() => this.pulls.delete(image));
      pull.catch(() => {});
      this.pulls.set(image, pull);
    }
    await Promise.race([pull, aborted(signal)]);
  }

  /** The pod is gone. */
  forget(podUid: string): void {
    this.backoff.forget(`${podUid}/`);
    for (const key of this.failures.keys()) if (key.startsWith(`${podUid}/`)) this.failures.delete(key);
  }
}

/** A hub that says "does not exist or may require login" does not know either. */
function isRefusal(text: string): boolean {
  return /unauthorized|authentication required|no basic auth credentials|403 Forbidden/i.test(text) && !text.includes("does not exist");
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(new Error("the pod is being deleted"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
}
