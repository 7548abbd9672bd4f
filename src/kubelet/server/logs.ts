import type { ServerResponse } from "node:http";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { flag } from "../../api/streaming/kubelet-paths.ts";
import { parseTime } from "../../api/meta/time.ts";
import { containerOf } from "./find-container.ts";
import type { ServerContext } from "./server-context.ts";

/** Serves GET /containerLogs/NS/POD/CONTAINER with the options of PodLogOptions. */
export async function serveLogs(
  context: ServerContext,
  path: readonly string[],
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const container = await containerOf(context, path, flag(query, "previous"));
  const number = (name: string): number | undefined => (query.get(name) ? Number(query.get(name)) : undefined);
  const seconds = number("sinceSeconds");
  const since = seconds === undefined ? parseTime(query.get("sinceTime") ?? undefined) : context.clock.now() - seconds * 1000;
  const stop = new AbortController();
  response.on("close", () => stop.abort());
  const tail = number("tailLines");
  const log = await context.runtime.logs(container.id, {
    follow: flag(query, "follow") && container.state === "running",
    timestamps: flag(query, "timestamps"),
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since }),
    signal: stop.signal,
  });
  response.writeHead(200, { "Content-Type": "text/plain" });
  response.flushHeaders();
  const limit = number("limitBytes");
  try {
    if (limit === undefined) await pipeline(log, response);
    else
      await pipeline(
        log,
        atMost(limit, () => stop.abort()),
        response,
      );
  } catch {
    response.end(); // the reader has gone, or has had enough
  }
}

/** The first bytes of a stream; then it ends, whatever else would come. */
export function atMost(bytes: number, reached: () => void): Transform {
  let left = bytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (left > 0) this.push(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) {
        this.push(null);
        reached();
      }
      done();
    },
  });
}
