import Docker from "dockerode";
import { NotFoundError } from "../runtime.ts";

/** What hue writes on everything that it makes in the engine, and finds it by again. */
export const label = {
  node: "hue.node",
  dataDir: "hue.data-dir",
  /** "sandbox", "container", "network", "unpack". */
  kind: "hue.kind",
  attempt: "hue.attempt",
  /** A sandbox's address; empty with hostNetwork. */
  ip: "hue.ip",
  specHash: "hue.spec-hash",
  sandbox: "hue.sandbox",
  image: "hue.image",
  imageId: "hue.image-id",
  annotation: "hue.annotation.",
  podUid: "io.kubernetes.pod.uid",
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  container: "io.kubernetes.container.name",
} as const;

/** A connection to the Docker Engine of this machine (or of DOCKER_HOST). */
export function connect(socketPath?: string): Docker {
  return socketPath ? new Docker({ socketPath }) : new Docker();
}

/** The HTTP status of an error of the engine; undefined when it did not come from there. */
export function statusOf(error: unknown): number | undefined {
  const code = (error as { statusCode?: unknown } | undefined)?.statusCode; // dockerode's errors carry it untyped
  return typeof code === "number" ? code : undefined;
}

/** The engine's error as users of Docker know it; NotFoundError for a 404. */
export function engineError(error: unknown): Error {
  const status = statusOf(error);
  if (status === undefined) return error instanceof Error ? error : new Error(String(error));
  const { json, message: text } = error as { json?: { message?: string }; message: string }; // dockerode's errors carry the reply untyped
  // For a reply that would have been a stream the engine's own words are only in the text: "(HTTP code 404) reason - words".
  const message = `Error response from daemon: ${json?.message ?? text.replace(/^\(HTTP code \d+\) .*? - /, "").trim()}`;
  return status === 404 ? new NotFoundError(message) : new Error(message);
}

/** Does it, with the engine's errors translated. */
export async function calling<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw engineError(error);
  }
}

/** Does it; that the thing is not there, or is already in the wanted state (304, or 409 "is already in progress"), is fine. */
export async function idempotent(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const status = statusOf(error);
    if (status === 404 || status === 304) return;
    if (status === 409 && /already in progress|is not running/.test((error as Error).message)) return;
    throw engineError(error);
  }
}
