import type { ContainerStateWaiting, Pod, Secret } from "../../api/types/core.v1.ts";
import { Secrets } from "../../api/types/resources.ts";
import type { KubeletContext } from "../context.ts";
import { ImageError } from "../images/image-puller.ts";
import { credentialsFor, nodePullSecrets } from "../images/pull-secrets.ts";
import type { ImageInfo, PodState, RegistryCredentials, SandboxState } from "../runtime/runtime.ts";
import type { MountedVolume } from "../volumes/volume-manager.ts";
import { containerSpec } from "./container-spec.ts";
import { fieldPath, findStatus, type PodContainer } from "./containers.ts";
import { runHook } from "./hooks.ts";
import { specHash } from "./spec-hash.ts";

/** What is needed to start one container of a pod. */
export interface StartRequest {
  pod: Pod;
  container: PodContainer;
  state: PodState;
  sandbox: SandboxState;
  volumes: ReadonlyMap<string, MountedVolume>;
  signal: AbortSignal;
}

/** Why a container was not started: what its status shows, and when to try again (milliseconds). */
export interface NotStarted {
  waiting: ContainerStateWaiting;
  retryAfter: number;
}

/** Upstream's pause after an error that is not of the container's own making. */
const retryAfter = 10_000;

/** Starts one container: back-off, image, spec, create, start, postStart hook. Returns why not, or nothing when it runs. */
export async function startContainer(context: KubeletContext, request: StartRequest): Promise<NotStarted | undefined> {
  const { pod, container: c, state, sandbox, volumes } = request;
  const { events, runtime } = context;
  const { name } = c.container;
  const previous = state.containers.find((s) => s.name === name && s.state !== "created");
  const early = previous && backoff(context, pod, c, previous.finishedAt);
  if (early) return early;
  const tell = (type: "Normal" | "Warning", reason: string, message: string): void =>
    events.event(pod, type, reason, message, fieldPath(c));
  const fail = (reason: string, message: string, wait = retryAfter): NotStarted => {
    tell(
      "Warning",
      "Failed",
      `Error: ${reason === "CreateContainerConfigError" || reason === "RunContainerError" || reason === "CreateContainerError" ? message : reason}`,
    );
    return { waiting: { reason, message }, retryAfter: wait };
  };
  let image: ImageInfo;
  try {
    const wish = { image: c.container.image ?? "", policy: c.container.imagePullPolicy ?? "IfNotPresent" };
    image = await context.images.ensure(pod, wish, () => credentials(context, pod, wish.image), tell, request.signal);
  } catch (error) {
    if (error instanceof ImageError) return fail(error.reason, error.message, error.retryAfter);
    return fail("ImageInspectError", String(error instanceof Error ? error.message : error));
  }
  const attempt = Math.max(previous ? previous.attempt + 1 : 0, restartsBefore(pod, c, previous !== undefined));
  let id: string;
  try {
    const spec = await containerSpec(context, pod, c, { sandbox, state, attempt, image, volumes });
    try {
      id = await runtime.createContainer(spec);
    } catch (error) {
      return fail("CreateContainerError", error instanceof Error ? error.message : String(error));
    }
  } catch (error) {
    return fail("CreateContainerConfigError", error instanceof Error ? error.message : String(error));
  }
  tell("Normal", "Created", "Container created");
  try {
    await runtime.startContainer(id);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return fail("RunContainerError", `failed to start container "${id}": ${text}`, 0);
  }
  tell("Normal", "Started", "Container started");
  return postStart(context, request, id);
}

/** The container was removed behind our back: the object remembers how often it had run. */
function restartsBefore(pod: Pod, c: PodContainer, hasPrevious: boolean): number {
  const status = findStatus(pod, c.container.name);
  if (hasPrevious || !status) return status?.restartCount ?? 0;
  return status.containerID || status.lastState?.terminated ? status.restartCount + 1 : status.restartCount;
}

function backoff(context: KubeletContext, pod: Pod, c: PodContainer, finishedAt: number): NotStarted | undefined {
  const { name, namespace, uid } = pod.metadata;
  // A container whose definition has changed is another one: it does not wait for the failures of what it was.
  const key = `${uid}/${c.container.name}/${specHash(c.container)}`;
  const wait = context.backoff.remaining(key, finishedAt, context.clock.now());
  if (wait === 0) {
    context.backoff.next(key, finishedAt);
    return undefined;
  }
  const text = `restarting failed container=${c.container.name} pod=${name}_${namespace}(${uid})`;
  const message = `Back-off restarting failed container ${c.container.name} in pod ${name}_${namespace}(${uid})`;
  context.events.event(pod, "Warning", "BackOff", message, fieldPath(c));
  const delay = context.backoff.delay(key) / 1000;
  const spoken = delay >= 60 ? `${Math.floor(delay / 60)}m${delay % 60}s` : `${delay}s`;
  return { waiting: { reason: "CrashLoopBackOff", message: `back-off ${spoken} ${text}` }, retryAfter: wait };
}

/** A hook that fails ends the container; its restart is then as after any other failure. */
async function postStart(
  context: KubeletContext,
  { pod, container: c, sandbox, signal }: StartRequest,
  id: string,
): Promise<NotStarted | undefined> {
  const handler = c.container.lifecycle?.postStart;
  if (!handler) return undefined;
  const podIP = sandbox.ip ?? context.hostIPs()[0] ?? "";
  const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  try {
    await Promise.race([runHook(context, handler, { container: c, containerId: id, podIP }, 2 ** 31 - 1), aborted]);
    return undefined;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    context.events.event(pod, "Warning", "FailedPostStartHook", `PostStartHook failed: ${text}`, fieldPath(c));
    context.events.event(pod, "Normal", "Killing", "FailedPostStartHook", fieldPath(c));
    await context.runtime.stopContainer(id, pod.spec.terminationGracePeriodSeconds ?? 30);
    return { waiting: { reason: "PostStartHookError", message: text }, retryAfter: 0 };
  }
}

async function credentials(context: KubeletContext, pod: Pod, image: string): Promise<RegistryCredentials | undefined> {
  const { namespace, uid } = pod.metadata;
  const secrets: Secret[] = [];
  for (const { name } of pod.spec.imagePullSecrets ?? []) {
    const secret = name ? await context.objects.get(Secrets, namespace, name, uid).catch(() => undefined) : undefined;
    if (secret) secrets.push(secret);
    else
      context.events.event(
        pod,
        "Warning",
        "FailedToRetrieveImagePullSecret",
        `Unable to retrieve some image pull secrets (${name}); attempting to pull the image may not succeed.`,
      );
  }
  return credentialsFor(image, [...secrets, ...(context.runtime.usesHost ? await nodePullSecrets() : [])]);
}
