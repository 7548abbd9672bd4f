import type { Pod } from "../../api/types/core.v1.ts";
import { findContainer } from "../pods/containers.ts";
import type { ContainerState, PodState } from "../runtime/runtime.ts";
import { HTTPError, type ServerContext } from "./server-context.ts";

/** The pod of a request's path and what the runtime has of it. Throws an HTTPError when there is none. */
export async function podOf(
  context: ServerContext,
  [namespace = "", name = ""]: readonly string[],
): Promise<{ pod: Pod; state: PodState }> {
  const pod = context.findPod(namespace, name);
  if (!pod) throw new HTTPError(404, `pod "${name}" not found`);
  return { pod, state: await context.runtime.pod(pod.metadata.uid) };
}

/** The newest container, or the one before it, of a request's path. Throws an HTTPError in the words that kubectl's users know. */
export async function containerOf(context: ServerContext, path: readonly string[], previous = false): Promise<ContainerState> {
  const { pod, state } = await podOf(context, path);
  const name = path[2] ?? "";
  if (!findContainer(pod, name)) throw new HTTPError(404, `container "${name}" not found in pod "${pod.metadata.name}"`);
  const all = state.containers.filter((c) => c.name === name && c.state !== "created");
  const found = previous ? all[1] : all[0];
  if (found) return found;
  const where = `container "${name}" in pod "${pod.metadata.name}"`;
  if (previous) throw new HTTPError(400, `previous terminated ${where.replace(" in pod", " in pod")} not found`);
  const waiting = pod.status.containerStatuses?.find((s) => s.name === name)?.state?.waiting;
  throw new HTTPError(400, `${where} is waiting to start: ${waiting?.reason ?? "ContainerCreating"}`);
}

/** The running container of a request's path. */
export async function runningContainerOf(context: ServerContext, path: readonly string[]): Promise<ContainerState> {
  const found = await containerOf(context, path);
  if (found.state !== "running") throw new HTTPError(500, `container not found ("${found.name}")`);
  return found;
}
