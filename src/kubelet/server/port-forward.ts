import type { WebSocket } from "ws";
import { podOf } from "./find-container.ts";
import { HTTPError, reasonOf, type ServerContext } from "./server-context.ts";

/** Serves one connection to a port of a pod: binary messages are bytes, an empty one is the end of its direction. */
export async function forwardPort(context: ServerContext, path: readonly string[], query: URLSearchParams, ws: WebSocket): Promise<void> {
  const early: Buffer[] = [];
  const collect = (data: Buffer): void => void early.push(data);
  ws.on("message", collect);
  const { state } = await podOf(context, path);
  const port = Number(query.get("port"));
  const sandbox = state.sandboxes.find((s) => s.running);
  if (!sandbox) throw new HTTPError(500, "the pod is not running");
  const socket = await context.runtime.dial(sandbox, port);
  const toPod = (data: Buffer): void => {
    if (data.length === 0) {
      socket.end();
      ws.resume(); // a stream that ends tells no drain
    } else if (!socket.write(data)) {
      ws.pause();
      socket.once("drain", () => ws.resume());
    }
  };
  ws.off("message", collect);
  ws.on("message", toPod);
  for (const data of early) toPod(data);
  ws.on("close", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    socket.pause();
    ws.send(chunk, () => socket.resume());
  });
  socket.on("end", () => ws.readyState === ws.OPEN && ws.send(Buffer.alloc(0)));
  // A paused connection would not hear the other side's goodbye.
  const close = (code: number, reason?: string): void => {
    ws.off("message", toPod);
    ws.resume();
    ws.close(code, reason);
  };
  socket.on("error", (error) => close(1011, reasonOf(error)));
  socket.on("close", () => close(1000));
}
